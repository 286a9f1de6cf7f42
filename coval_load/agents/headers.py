"""What may stand in HTTP headers, and in `authorization_header`."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

import attrs

from coval_load.agents.authorization import EXPECTED, authorization_headers
from coval_load.faults import Fault
from coval_load.limits import JsonObject, Secret, Wrong, step

HTTP_MANAGED = frozenset({"connection", "content-length", "transfer-encoding", "upgrade"})
"""Set by the HTTP client for each request (RFC 9112)."""

WEBSOCKET_MANAGED = HTTP_MANAGED | {"host"}
"""Set by the WebSocket handshake itself (RFC 6455, section 4.1), as is every `Sec-WebSocket-*` header."""

SUBPROTOCOL = "sec-websocket-protocol"
"""The one of them that is the user's: what the agent may choose from (RFC 6455, section 11.3.4)."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")


def can_be_sent(value: str) -> bool:
    """Whether a header's value is ASCII without control characters (RFC 9110, section 5.5).

    What lies beyond ASCII is obsolete there, and one server reads it as Latin-1, the next as UTF-8.
    """
    return bool(_VALUE.fullmatch(value))


@attrs.frozen
class HeaderName:
    """A token (RFC 9110, section 5.6.2) that is not in `managed`: lower-case names not the user's to set."""

    managed: frozenset[str]
    expected: str = ""

    def wrongs(self, value: str) -> Iterator[Wrong]:
        if not _TOKEN.fullmatch(value):
            yield _wrong("expected a header name of letters, digits and !#$%&'*+-.^_`|~ (RFC 9110)")
        name = value.lower()
        if name in self.managed or (name.startswith("sec-websocket-") and name != SUBPROTOCOL):
            yield _wrong("expected no header that the connection sets by itself; remove it")


@attrs.frozen
class HeaderValue:
    """What `can_be_sent`: nothing that could begin a new header."""

    expected: str = ""

    def wrongs(self, value: str) -> Iterator[Wrong]:
        if "\r" in value or "\n" in value:
            yield _wrong("expected a header value on one line; got a line break in ***")
        elif not can_be_sent(value):
            yield _wrong("expected a header value of ASCII text without control characters; got ***")


@attrs.frozen
class DistinctHeaders:
    """Each header once: names differ by more than case."""

    expected: str = ""

    def wrongs(self, value: Mapping[str, str]) -> Iterator[Wrong]:
        seen: set[str] = set()
        for name in value:
            if name.lower() in seen:
                yield _wrong("expected each header once; got it twice, in different case").under(step(name))
            seen.add(name.lower())


def _wrong(message: str) -> Wrong:
    return Wrong.of(Fault("", message))


Value = Annotated[str, HeaderValue()]
HttpHeaders = Annotated[
    Mapping[Annotated[str, HeaderName(HTTP_MANAGED)], Value], JsonObject(), DistinctHeaders(), Secret()
]
WebSocketHeaders = Annotated[
    Mapping[Annotated[str, HeaderName(WEBSOCKET_MANAGED)], Value], JsonObject(), DistinctHeaders(), Secret()
]


@attrs.frozen
class Authorization:
    """One of the three forms of `authorization_header`."""

    expected: str = EXPECTED

    def wrongs(self, value: str) -> Iterator[Wrong]:
        try:
            authorization_headers(value)
        except ValueError as error:
            yield Wrong.of(Fault("", str(error)))
