"""What may stand in HTTP headers, in `authorization_header` and in `authentication_token`."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import attrs

from coval_load.agents.authorization import EXPECTED, EXPECTED_TOKEN, authorization_headers, token_headers
from coval_load.faults import Fault
from coval_load.limits import JsonObject, JsonSize, Secret, Wrong, step

HTTP_MANAGED = frozenset({"connection", "content-length", "transfer-encoding", "upgrade"})
"""Set by the HTTP client for each request (RFC 9112)."""

WEBSOCKET_MANAGED = HTTP_MANAGED | {"host"}
"""Set by the WebSocket handshake itself (RFC 6455, section 4.1), as is every `Sec-WebSocket-*` header."""

CHAT_MANAGED = HTTP_MANAGED | {"host", "expect", "te", "trailer"}
"""Set by the connection that many requests share: what it is for, and what it expects of the other end."""

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
ChatHeaders = Annotated[
    Mapping[Annotated[str, HeaderName(CHAT_MANAGED)], Value],
    JsonObject(),
    DistinctHeaders(),
    JsonSize(16 * 1024),
    Secret(),
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


@attrs.frozen
class Token:
    """What `authentication_token` may be."""

    expected: str = EXPECTED_TOKEN

    def wrongs(self, value: str) -> Iterator[Wrong]:
        try:
            token_headers(value)
        except ValueError as error:
            yield Wrong.of(Fault("", str(error)))


def repeated_headers(values: Mapping[str, Any]) -> Iterator[Fault]:
    """`custom_headers` that the authorization in the same `metadata` sends, too."""
    key = "authorization_header" if values.get("authorization_header") else "authentication_token"
    authorization = values.get(key) or ""
    sent = "x-api-key" if authorization.lower().startswith("x-api-key ") else "authorization"
    for name in values.get("custom_headers") or {}:
        if authorization and name.lower() == sent:
            yield Fault(f"custom_headers.{step(name)}", f"expected it once; {key} sends it too, remove one")
