"""Hypothesis profiles, a fast one by default and a deep one by `make test-deep`; and what all tests do without."""

import gc
import os
import tempfile

import pytest
import trustme
from hypothesis import HealthCheck, settings

_TRUSTED = tempfile.TemporaryDirectory()
"""One authority that nobody has: no test trusts the machine's, and each run would take 30 ms of a core to load them."""
os.environ["SSL_CERT_FILE"] = f"{_TRUSTED.name}/ca.pem"
trustme.CA().cert_pem.write_to_path(os.environ["SSL_CERT_FILE"])

settings.register_profile("fast", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


def pytest_unconfigure():
    _TRUSTED.cleanup()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish():
    """What was imported stays, so the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
