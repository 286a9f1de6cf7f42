"""Which addresses may be dialled: secure ones outside of private networks, unless the plan lifts that."""

import ipaddress
import re
from typing import Literal
from urllib.parse import SplitResult, urlsplit

import attrs

Purpose = Literal["websocket", "http", "chat"]

_SCHEMES = {"websocket": ("wss", "ws"), "http": ("https", "http"), "chat": ("https", "http")}
_NAMES = {"websocket": "Invalid WebSocket URL", "http": "Invalid HTTP URL", "chat": "Invalid HTTP URL"}
_LOCAL_NAMES = ("localhost", "local", "internal")
_LONGEST = 8192

# Blocks that carry an IPv4 address inside an IPv6 one, with the bits below that address: 6to4 (RFC 3056)
# and the NAT64 prefix (RFC 6052).
_CARRIERS = ((ipaddress.IPv6Network("2002::/16"), 80), (ipaddress.IPv6Network("64:ff9b::/96"), 0))
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")


@attrs.frozen
class Targets:
    """What the plan's `targets` permits beyond secure connections to public addresses."""

    allow_plaintext: bool = False
    allow_private: bool = False


def check_url(url: str, purpose: Purpose, targets: Targets) -> str | None:
    """What is wrong with `url`, or None. Total: never raises, whatever the text is.

    `websocket` asks for wss://, `http` for https:// ("WebSocket Endpoint", "HTTP-First Mode"). `chat` takes
    http:// too, which is to be `upgraded`, and no query string ("Chat Endpoint", "Standard Protocol"). The
    message never shows more of the URL than its scheme and host: a path or a query may hold a secret.
    """
    reason = _shape(url) or _scheme(url, purpose, targets) or _parts(url, targets) or _query(url, purpose)
    return f"{_NAMES[purpose]}: {reason}" if reason else None


def upgraded(url: str, purpose: Purpose, targets: Targets) -> str:
    """`url`, which `check_url` finds nothing wrong with, as it is dialled: `chat` makes https:// of http://.

    Not where the plan allows plain text. A port that is given stays as it is.
    """
    scheme, joint, rest = url.partition("://")
    if purpose == "chat" and scheme.lower() == "http" and not targets.allow_plaintext:
        return f"https{joint}{rest}"
    return url


def is_private(ip: str) -> bool:
    """Whether an IP address is anything else than a public unicast one; what is no IP address is private too.

    So are also loopback, link-local, carrier-grade NAT, reserved, unspecified and multicast addresses,
    and IPv6 addresses that carry such an IPv4 one.
    """
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return True
    return _is_private(address)


def _is_private(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_private(address.ipv4_mapped)
        if address in _LOCAL_NAT64 or address.is_site_local:
            return True
        for network, shift in _CARRIERS:
            if address in network:
                return _is_private(ipaddress.IPv4Address((int(address) >> shift) & 0xFFFFFFFF))
    return not address.is_global or address.is_multicast or address.is_reserved


def _shape(url: str) -> str | None:
    if not url:
        return "expected a URL; got an empty text"
    if len(url) > _LONGEST:
        return f"expected at most {_LONGEST} characters; got {len(url)}"
    if url != url.strip():
        return "expected no spaces before or after it"
    if any(not "!" <= c <= "~" for c in url):
        return "expected printable ASCII without spaces; percent-encode everything else"
    return "expected no backslash" if "\\" in url else None


def _scheme(url: str, purpose: Purpose, targets: Targets) -> str | None:
    secure, plain = _SCHEMES[purpose]
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    if scheme == secure or (scheme == plain and (targets.allow_plaintext or purpose == "chat")):
        return None
    got = f"{scheme}://" if re.fullmatch(r"[a-z][a-z0-9+.-]{0,15}", scheme) else "no scheme"
    lift = "set targets.allow_plaintext: true in the plan (or give --allow-plaintext) for a network of your own"
    expected = f"{secure}:// or {plain}://" if targets.allow_plaintext else f"{secure}://"
    return f"expected {expected}; got {got}" + (f"; {lift}" if scheme == plain else "")


def _parts(url: str, targets: Targets) -> str | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "expected a host and, after a colon, a port from 1 to 65535"
    if "@" in parts.netloc:
        return "expected no user name or password in it; use authorization_header"
    if "#" in url:
        return "expected no fragment (#...)"
    if port == 0 or parts.netloc.endswith(":"):
        return "expected a port from 1 to 65535 after the colon"
    return _host(parts, targets)


def _query(url: str, purpose: Purpose) -> str | None:
    if purpose != "chat" or "?" not in url:
        return None
    return "expected no query string (?...); put values into custom_headers or the payload"


def _host(parts: SplitResult, targets: Targets) -> str | None:
    host = (parts.hostname or "").removesuffix(".")
    if not host:
        return "expected a host after the scheme"
    if parts.netloc.startswith("["):
        return _address(host, host, targets)
    if not re.fullmatch(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", host):
        return "expected a host name of letters, digits, dots and hyphens"
    last = host.rpartition(".")[2]
    if last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last):
        number = _ipv4(host)
        return "expected a host name or an IP address" if number is None else _address(number, host, targets)
    if last in _LOCAL_NAMES and not targets.allow_private:
        return _private(host)
    return None


def _address(ip: str, host: str, targets: Targets) -> str | None:
    try:
        ipaddress.ip_address(ip)
    except ValueError:
        return "expected a host name or an IP address"
    return None if targets.allow_private or not is_private(ip) else _private(host)


def _private(host: str) -> str:
    return (
        f"expected a public host; got {host}, which is local, private or reserved; "
        "set targets.allow_private: true in the plan (or give --allow-private) for a network of your own"
    )


def _ipv4(host: str) -> str | None:
    """A host of one to four decimal, octal or hexadecimal numbers as the C library's inet_aton reads it."""
    numbers = [_number(part) for part in host.split(".")]
    if len(numbers) > 4 or None in numbers:
        return None
    *leading, last = [number for number in numbers if number is not None]
    if any(number > 255 for number in leading) or last >= 256 ** (4 - len(leading)):
        return None
    value = last + sum(number << (8 * (3 - at)) for at, number in enumerate(leading))
    return str(ipaddress.IPv4Address(value))


def _number(text: str) -> int | None:
    for pattern, radix in ((r"0x([0-9a-f]{0,16})", 16), (r"0([0-7]{0,16})", 8), (r"([1-9][0-9]{0,16})", 10)):
        if found := re.fullmatch(pattern, text):
            return int(found[1] or "0", radix)
    return None
