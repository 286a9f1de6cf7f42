"""Which clusters may be used, by their address."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.cluster.where import Remote, is_encrypted, is_loopback, read_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tls://scheduler:8786", "tls://scheduler:8786"),
        ("tls://scheduler", "tls://scheduler:8786"),
        ("tls://[2001:db8::1]:99/", "tls://[2001:db8::1]:99"),
        ("tcp://localhost", "tcp://localhost:8786"),
        ("tcp://127.8.9.10:1", "tcp://127.8.9.10:1"),
        ("tcp://[::1]", "tcp://[::1]:8786"),
    ],
)
def test_addresses_are_read(text, address):
    assert read_address(text) == Remote(address, allow_plaintext=False)


@pytest.mark.parametrize("text", ["tcp://scheduler:8786", "tcp://10.0.0.7", "tcp://localhost.evil.com", "tcp://[::2]"])
def test_plain_text_to_another_machine_has_to_be_allowed(text):
    with pytest.raises(ValueError, match=r"secrets travel to the workers.*CA_FILE.*--cluster-plaintext"):
        read_address(text)
    assert read_address(text, allow_plaintext=True).allow_plaintext


@pytest.mark.parametrize(
    "text",
    [
        "",
        "scheduler:8786",
        "http://scheduler:8786",
        "ucx://scheduler:8786",
        "inproc://127.0.0.1",
        "tls://",
        "tls://:8786",
        "tls://host:0",
        "tls://host:99999",
        "tls://host:port",
        "tls://user@host",
        "tls://host/path",
        "tls://host?query",
        "tls://host name",
        "tls://ho\x1bst",
        "tls://[::1",
    ],
)
def test_what_is_no_address_of_a_scheduler_is_refused(text):
    with pytest.raises(ValueError, match="expected the address of a Dask scheduler, such as tls://scheduler:8786"):
        read_address(text, allow_plaintext=True)


@given(st.text() | st.text().map("tcp://{}".format))
def test_whatever_is_given_it_is_refused_in_words_or_safe(text):
    try:
        remote = read_address(text)
    except ValueError as error:
        assert str(error).startswith("expected ")
    else:
        assert remote.is_encrypted or is_loopback(remote.address)
        assert read_address(remote.address) == remote


def test_an_address_that_is_none_is_no_loopback():
    assert not is_loopback("tcp://[::1")
    assert not is_loopback("127.0.0.1")
    assert not is_encrypted("tcp://tls://127.0.0.1")


def test_nothing_of_dask_is_imported():
    code = "import sys, coval_load.cluster.where, coval_load.cluster.pipes, coval_load.cluster.dask_post;" + (
        "sys.exit(any(name in sys.modules for name in ('dask', 'distributed', 'msgpack', 'cloudpickle')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
