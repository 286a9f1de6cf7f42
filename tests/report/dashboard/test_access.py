"""Who may look, and who may act."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from coval_load.report.dashboard.access import COOKIE, OURS, Access, Address

TOKEN = "0123456789abcdef"


def request(**headers):
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": pairs})


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("8080", "127.0.0.1", 8080, True),
        ("127.0.0.1:0", "127.0.0.1", 0, True),
        ("localhost:1", "localhost", 1, True),
        ("[::1]:8080", "::1", 8080, True),
        (":8080", "0.0.0.0", 8080, False),
        ("10.0.0.1:8080", "10.0.0.1", 8080, False),
        ("box.example.com:8080", "box.example.com", 8080, False),
    ],
)
def test_addresses(text, host, port, loopback):
    address = Address.read(text)
    assert (address.host, address.port, address.is_loopback) == (host, port, loopback)
    assert Address.read(str(address)) == address


@given(st.text())
def test_any_text_is_an_address_or_refused(text):
    try:
        address = Address.read(text)
    except ValueError as error:
        assert "expected" in str(error)
    else:
        assert 0 <= address.port <= 65_535


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "127.0.0.1"])
def test_this_machine_may_look(host):
    assert Access().refuses(request(host=host)) is None


@pytest.mark.parametrize("host", ["evil.example:8080", "10.0.0.1:8080", "", "127.0.0.1.evil.example"])
def test_a_name_that_was_led_here_may_not(host):
    assert Access().refuses(request(host=host)) == "expected a request to a loopback address"


def test_only_our_page_may_act():
    host = "127.0.0.1:8080"
    assert Access().refuses_to_act(request(host=host, **{OURS: "1"})) is None
    assert Access().refuses_to_act(request(host=host, origin=f"http://{host}", **{OURS: "1"})) is None
    for foreign in ({"host": host}, {"host": host, "origin": "http://evil.example", OURS: "1"}, {OURS: "1"}):
        assert Access().refuses_to_act(request(**foreign)) is not None


def test_a_token_is_taken_from_the_cookie_or_the_header():
    access = Access(TOKEN)
    for headers in ({"cookie": f"{COOKIE}={TOKEN}"}, {"authorization": f"Bearer {TOKEN}"}):
        assert access.refuses(request(host="10.0.0.1:8080", **headers)) is None
    for headers in ({}, {"cookie": f"{COOKIE}={TOKEN[:-1]}"}, {"authorization": "Bearer "}, {"authorization": TOKEN}):
        assert access.refuses(request(host="127.0.0.1:8080", **headers)) == "expected the token"
    assert access.refuses_to_act(request(host="a:1", authorization=f"Bearer {TOKEN}")) is not None
    assert TOKEN not in repr(access)


def test_what_others_can_reach_takes_a_token():
    reached, own = Address.read(":8080"), Address.read("8080")
    assert Access.to(own, {}).token is None
    assert Access.to(own, {"COVAL_LOAD_WEB_TOKEN": TOKEN}).token == TOKEN
    assert Access.to(reached, {"COVAL_LOAD_WEB_TOKEN": TOKEN}).token == TOKEN
    with pytest.raises(ValueError, match="expected a token in COVAL_LOAD_WEB_TOKEN"):
        Access.to(reached, {})
    with pytest.raises(ValueError, match="expected 16 characters and more") as refused:
        Access.to(own, {"COVAL_LOAD_WEB_TOKEN": "short"})
    assert "short" not in str(refused.value).removeprefix("expected")


def test_a_run_without_a_dashboard_does_not_load_its_server():
    program = (
        "import sys, coval_load.cli.run; print([name for name in ('starlette', 'hypercorn') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout == "[]\n"
