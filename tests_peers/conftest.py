"""Bounds the whole, and ends the peers however the tests are ended."""

import signal
import time

import pytest

LIMIT_S = 1_500
"""For all tests, the first installation of the peers included. Each step has a limit of its own besides."""


def pytest_configure(config):
    signal.signal(signal.SIGTERM, _terminated)


def _terminated(*_):
    pytest.exit("terminated", returncode=128 + signal.SIGTERM)


@pytest.fixture(scope="session")
def until():
    return time.monotonic() + LIMIT_S


@pytest.fixture(autouse=True)
def bounded(until):
    if time.monotonic() > until:
        pytest.exit(f"the tests took more than {LIMIT_S} s", returncode=1)
