"""Bounds the whole, ends the peers however the tests are ended, and plays what takes its time ahead of its test."""

import signal
import time

import pytest

from peers import installed
from reference import Judge, Stage

LIMIT_S = 1_800
"""For all tests, the first installation of the peers included. Each step has a limit of its own besides."""
HEARS = "hears(scenario, *options, **more): what the vendor's client is to play with an agent with these options"


def pytest_configure(config):
    config.addinivalue_line("markers", HEARS)
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


@pytest.fixture(scope="module")
def stage(request, tmp_path_factory):
    """Plays all that the tests of this module want to hear, by its `play` with its `AGENT`, several at once."""
    installed(request.module.VENDOR.peer)
    own = [item for item in request.session.items if item.module is request.module]
    with Stage(tmp_path_factory.mktemp("stage"), request.module.AGENT, request.module.play) as stage:
        for mark in (mark for item in own for mark in item.iter_markers("hears")):
            stage.play(*mark.args, **mark.kwargs)
        yield stage


@pytest.fixture
def heard(request, stage):
    """What the client heard in the scenario that the test is marked with."""
    mark = request.node.get_closest_marker("hears")
    return stage.play(*mark.args, **mark.kwargs).result()


@pytest.fixture(scope="session")
def judge():
    with Judge() as judge:
        yield judge
