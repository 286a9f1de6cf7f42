"""Which addresses may be dialled."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.agents.addresses import Targets, check_url, is_private, upgraded

STRICT = Targets()
OPEN = Targets(allow_plaintext=True, allow_private=True)


@pytest.mark.parametrize(
    "url",
    [
        "wss://agents.example.com/ws",
        "WSS://Agents.Example.com:8443/ws?token=a%20b",
        "wss://agents.example.com.",
        "wss://8.8.8.8/ws",
        "wss://[2606:4700:4700::1111]:443/ws",
        "wss://134744072/",
        "wss://127.0.0.1.example.com/",
        "wss://xn--bcher-kva.example/",
    ],
)
def test_secure_public_urls_are_fine(url):
    assert check_url(url, "websocket", STRICT) is None


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "empty"),
        ("agents.example.com", "got no scheme"),
        ("ws://agents.example.com", "targets.allow_plaintext: true"),
        ("http://agents.example.com", "got http://"),
        ("https://agents.example.com", "got https://"),
        ("wss://agents.example.com/ws ", "no spaces before or after"),
        (" wss://agents.example.com/ws", "no spaces before or after"),
        ("wss://agents.example.com/\r\nX: y", "printable ASCII"),
        ("wss://agents.example.com/ä", "printable ASCII"),
        ("wss://agents.example.com/a b", "printable ASCII"),
        ("wss://agents.example.com\\@127.0.0.1/", "no backslash"),
        ("wss://me:secret@agents.example.com/", "no user name"),
        ("wss://agents.example.com/#part", "no fragment"),
        ("wss://agents.example.com/#", "no fragment"),
        ("wss:///ws", "a host"),
        ("wss://", "a host"),
        ("wss://:443/", "a host"),
        ("wss://agents.example.com:0/", "port"),
        ("wss://agents.example.com:/", "port"),
        ("wss://agents.example.com:65536/", "port"),
        ("wss://agents.example.com:http/", "port"),
        ("wss://[::1/", "a host"),
        ("wss://[agents]/", "host"),
        ("wss://a..b/", "host name"),
        ("wss://-a.example/", "host name"),
        ("wss://%31%32%37.1/", "host name"),
        ("wss://1.2.3.4.5/", "IP address"),
        ("wss://256.1.1.1/", "IP address"),
        ("wss://" + "a" * 9000, "at most 8192"),
    ],
)
def test_what_is_wrong_with_a_url_is_said(url, word):
    message = check_url(url, "websocket", STRICT)
    assert message is not None
    assert message.startswith("Invalid WebSocket URL: expected ")
    assert word in message
    assert "secret" not in message


PRIVATE_HOSTS = [
    "localhost", "LOCALHOST.", "a.localhost", "printer.local", "db.internal",
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "0", "0.0.0.0",
    "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "192.0.2.1", "198.18.0.1", "[::1]", "[::]", "[fe80::1]", "[fc00::1]", "[ff02::1]",
    "[::ffff:127.0.0.1]", "[::ffff:a00:1]", "[::127.0.0.1]", "[2001:db8::1]", "[2002:7f00:1::]",
    "[64:ff9b::127.0.0.1]", "[64:ff9b:1::1]", "[fec0::1]",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE_HOSTS)
def test_private_hosts_are_refused_unless_the_plan_lifts_it(host):
    message = check_url(f"wss://{host}/ws", "websocket", STRICT)
    assert message is not None
    assert "targets.allow_private: true" in message
    assert check_url(f"wss://{host}/ws", "websocket", Targets(allow_private=True)) is None


def test_plain_text_is_refused_unless_the_plan_lifts_it():
    assert check_url("ws://a.example/", "websocket", Targets(allow_plaintext=True)) is None
    assert check_url("http://a.example/", "http", Targets(allow_plaintext=True)) is None
    assert check_url("wss://a.example/", "http", OPEN) == ("Invalid HTTP URL: expected https:// or http://; got wss://")
    assert check_url("https://a.example/x?y=z", "http", STRICT) is None


QUERY = "Invalid HTTP URL: expected no query string (?...); put values into custom_headers or the payload"
SCHEME = "Invalid HTTP URL: expected https://; got "


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://a.example/chat", None),
        ("http://a.example/chat", None),
        ("https://a.example/chat?key=secret", QUERY),
        ("http://a.example/?", QUERY),
        ("wss://a.example/chat", f"{SCHEME}wss://"),
        ("a.example/chat", f"{SCHEME}no scheme"),
        ("https://a.example/#a?b", "Invalid HTTP URL: expected no fragment (#...)"),
    ],
)
def test_chat_endpoints(url, message):
    assert check_url(url, "chat", STRICT) == message


@pytest.mark.parametrize(
    ("url", "dialled"),
    [
        ("http://a.example/chat", "https://a.example/chat"),
        ("HTTP://a.example:8080/a://b", "https://a.example:8080/a://b"),
        ("http://a.example:80", "https://a.example:80"),
        ("https://a.example/chat", "https://a.example/chat"),
    ],
)
def test_chat_endpoints_are_upgraded_unless_the_plan_allows_plain_text(url, dialled):
    assert upgraded(url, "chat", STRICT) == dialled
    assert upgraded(url, "chat", Targets(allow_plaintext=True)) == url
    assert upgraded(url, "http", STRICT) == url


@given(st.text() | st.text(alphabet="htps:/.[]@#%?0123456789abc ").map(lambda text: f"http://{text}"))
def test_what_is_upgraded_is_an_address_that_may_be_dialled(url):
    if check_url(url, "chat", STRICT) is None:
        assert check_url(upgraded(url, "chat", STRICT), "http", STRICT) is None


@pytest.mark.parametrize("ip", ["8.8.8.8", "2606:4700:4700::1111", "2002:808:808::", "64:ff9b::8.8.8.8"])
def test_public_addresses_are_not_private(ip):
    assert not is_private(ip)


@pytest.mark.parametrize("ip", ["10.0.0.1", "::ffff:192.168.0.1", "fe80::1%eth0", "", "example.com", "1.2.3"])
def test_private_addresses_and_what_is_none_are_private(ip):
    assert is_private(ip)


@given(st.ip_addresses())
def test_a_url_is_refused_just_where_its_address_is_private(ip):
    host = f"[{ip}]" if isinstance(ip, ipaddress.IPv6Address) else str(ip)
    assert (check_url(f"wss://{host}/", "websocket", STRICT) is not None) == is_private(str(ip))


@given(st.ip_addresses(v=4), st.sampled_from(["{:d}", "{:#x}", "0{:o}"]))
def test_no_spelling_of_an_ipv4_address_slips_through(ip, spelling):
    url = f"wss://{spelling.format(int(ip))}/"
    assert (check_url(url, "websocket", STRICT) is not None) == is_private(str(ip))


@given(st.text() | st.text(alphabet="wshtp:/.[]@#%?0123456789xabcdef\\ ").map(lambda text: f"wss://{text}"))
def test_no_text_makes_it_raise(text):
    for purpose in ("websocket", "http", "chat"):
        for targets in (STRICT, OPEN):
            message = check_url(text, purpose, targets)
            assert message is None or message.isprintable()
    is_private(text)
