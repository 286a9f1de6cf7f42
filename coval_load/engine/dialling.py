"""From an open socket to an open WebSocket: the upgrade (RFC 6455 section 4), each failure by its name."""

import logging
import re
import ssl
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

import attrs
import trio
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response
from websockets.protocol import CLIENT, Protocol, State
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI
from websockets.utils import generate_key

from coval_load.engine.acceptance import Acceptances
from coval_load.engine.connecting import Opener, reason
from coval_load.engine.link import MAX_MESSAGE_BYTES
from coval_load.engine.outcome import ErrorKind, NotReached, SimulationFailed
from coval_load.engine.retry_after import retry_after_s
from coval_load.engine.wire import Socket

_LONGEST_ANSWER = 64 * 1024
"""Bytes of a refusal that are read. `websockets` takes a megabyte, and half a minute for it in chunks of some bytes."""

_READ_BYTES = 16 * 1024
"""One TLS record holds at most this, so a read never leaves decrypted bytes that no selector sees."""

_LOGGER = logging.getLogger("websockets.client")
"""Looked up once: `websockets` would do so for each connection."""

_STATUS = re.compile(r"HTTP/1\.[01] ([1-5][0-9]{2})(?: |$)")

_UPGRADE_ADVICE = "check the endpoint's path, and that it takes upgrades"

_SUBPROTOCOL_HEADER = "sec-websocket-protocol"


@attrs.frozen(repr=False)
class _Asking:
    """What is asked of one URL with some headers, but for the key, which is another for each connection.

    Credentials may stand in all of it.
    """

    uri: WebSocketURI
    headers: tuple[tuple[str, str], ...]
    before_key: bytes
    behind_key: bytes
    acceptances: Acceptances = attrs.field(factory=Acceptances)

    @classmethod
    def prepare(cls, url: str, headers: tuple[tuple[str, str], ...]) -> "_Asking":
        uri = _uri(url)
        protocol = _protocol(uri, headers)
        request = protocol.connect()
        _set_headers(request.headers, headers)
        before, _, behind = request.serialize().partition(protocol.key.encode())
        return cls(uri, headers, before, behind)

    def request(self, key: str) -> bytes:
        return self.before_key + key.encode() + self.behind_key

    def asked_with(self, key: str) -> ClientProtocol:
        """The protocol that reads the answer, whatever it is."""
        protocol = _protocol(self.uri, self.headers)
        protocol.key = key
        return protocol


@attrs.frozen
class Dialler:
    """Opens WebSockets; `credentials` names the options to look at where an agent does not let us in."""

    opener: Opener
    credentials: str = "authorization_header and custom_headers"
    _latest: dict[tuple[str, tuple[tuple[str, str], ...]], _Asking] = attrs.field(factory=dict, init=False, repr=False)
    """What was asked last: an agent's callers nearly always ask the same."""

    async def dial(self, url: str, headers: Sequence[tuple[str, str]]) -> tuple[Socket, Protocol]:
        """An open connection to `url` (`wss://` or `ws://`, validated before), within the caller's deadline.

        Raises SimulationFailed: as `Opener.open` does, `authentication_failed`, `rate_limited` or
        `upgrade_refused`. It is a `NotReached` where dialling again may help: after a 429 or 5xx, which may say when.
        """
        asking = self._asking(url, tuple(headers))
        uri = asking.uri
        wire = Socket(await self.opener.open(uri.host, uri.port, uri.secure, what="WebSocket at "))
        try:
            return wire, await _upgrade(wire, asking, self.credentials)
        except BaseException:
            wire.close()
            raise

    def _asking(self, url: str, headers: tuple[tuple[str, str], ...]) -> _Asking:
        known = self._latest.get((url, headers))
        if known is None:
            self._latest.clear()
            known = self._latest[url, headers] = _Asking.prepare(url, headers)
        return known


def _uri(url: str) -> WebSocketURI:
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    return WebSocketURI(secure, parts.hostname or "", port, parts.path or "/", parts.query)


async def _upgrade(wire: Socket, asking: _Asking, credentials: str) -> Protocol:
    key = generate_key()
    await _send(wire, asking.request(key))
    answer = await _read_some(wire)
    behind = asking.acceptances.end(answer, key)
    if behind is None:
        return await _read_to_the_end(wire, answer, asking.asked_with(key), credentials)
    # What reads a client's frames once it is open: to make all of `ClientProtocol` takes half as long again.
    protocol = Protocol(CLIENT, state=State.OPEN, max_size=MAX_MESSAGE_BYTES, logger=_LOGGER)
    if behind < len(answer):  # stays for the link
        protocol.receive_data(answer[behind:])
    return protocol


def _protocol(uri: WebSocketURI, headers: Sequence[tuple[str, str]]) -> ClientProtocol:
    return ClientProtocol(uri, subprotocols=_subprotocols(headers), max_size=MAX_MESSAGE_BYTES, logger=_LOGGER)


async def _send(wire: Socket, pending: bytes) -> None:
    while pending:
        try:
            pending = pending[wire.send(pending) :]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            await trio.lowlevel.wait_writable(wire.raw)
        except OSError as error:
            raise _hung_up(error) from error


async def _read_some(wire: Socket) -> bytes:
    """What comes next; empty at the end."""
    while True:
        await trio.lowlevel.wait_readable(wire.raw)  # a read leaves nothing behind that it would not see: `_READ_BYTES`
        try:
            return wire.recv(_READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except ssl.SSLEOFError:
            return b""
        except OSError as error:
            raise _hung_up(error) from error


async def _read_to_the_end(wire: Socket, data: bytes, protocol: ClientProtocol, credentials: str) -> ClientProtocol:
    answer = await _read_answer(wire, data, protocol)
    fault = protocol.handshake_exc
    if fault is not None:
        raise _not_upgraded(fault if isinstance(fault, InvalidStatus) else _refusal_in(answer) or fault, credentials)
    protocol.events.pop(0)  # the response itself; what came right behind it stays for the link
    return protocol


async def _read_answer(wire: Socket, data: bytes, protocol: ClientProtocol) -> bytes:
    """Read on from `data` until `protocol` knows what it is; returns what came, up to a bound."""
    answer = b""
    while True:
        if data:
            protocol.receive_data(data)
            answer = (answer + data)[:_LONGEST_ANSWER]
            is_long = len(answer) == _LONGEST_ANSWER and not protocol.events
            if is_long or _is_refusal_without_length(answer):
                protocol.receive_eof()  # else it would be read until the agent hangs up, which it may never do
        else:
            protocol.receive_eof()
            if not protocol.events and _refusal_in(answer) is None:
                raise _hung_up(None)
        if protocol.events or protocol.handshake_exc is not None:
            return answer
        data = await _read_some(wire)


def _subprotocols(headers: Sequence[tuple[str, str]]) -> list[Subprotocol] | None:
    """What a `Sec-WebSocket-Protocol` header offers (RFC 6455 section 11.3.4), for the answer to be held against."""
    offered = [value for name, value in headers if name.lower() == _SUBPROTOCOL_HEADER]
    return [Subprotocol(name.strip()) for value in offered for name in value.split(",") if name.strip()] or None


def _is_refusal_without_length(answer: bytes) -> bool:
    """Whether `answer` has all headers of one other than 101 that do not say how long its body is."""
    refusal = _refusal_in(answer)
    if refusal is None:
        return False
    headers = refusal.response.headers
    return "Content-Length" not in headers and "Transfer-Encoding" not in headers


def _refusal_in(answer: bytes) -> InvalidStatus | None:
    """What an answer other than 101 says as far as it came, with no regard to how long it says it is."""
    head, end, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("iso-8859-1").split("\r\n")
    code = _STATUS.match(status)
    if not end or not code or code[1] == "101":
        return None
    headers = Headers((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    return InvalidStatus(Response(int(code[1]), "", headers, body))


def _set_headers(onto: Headers, headers: Sequence[tuple[str, str]]) -> None:
    for name, value in headers:
        if name in onto:
            del onto[name]
        onto[name] = value


def _hung_up(error: OSError | None) -> SimulationFailed:
    how = f" ({reason(error)})" if error is not None else ""
    return SimulationFailed(
        ErrorKind.UPGRADE_REFUSED,
        f"expected 101 Switching Protocols; the agent closed the connection without an answer{how}",
    )


def _not_upgraded(error: Exception, credentials: str) -> SimulationFailed:
    if not isinstance(error, InvalidStatus):
        return SimulationFailed(
            ErrorKind.UPGRADE_REFUSED, f"expected a WebSocket upgrade (RFC 6455 section 4.2.2); got: {error}"
        )
    response = error.response
    status = response.status_code
    answer = f"{status} {_phrase(status)}{_excerpt(response)}"
    if status in (401, 403):
        return SimulationFailed(
            ErrorKind.AUTHENTICATION_FAILED,
            f"Authentication failed: expected 101 Switching Protocols; got {answer}: check {credentials}",
        )
    if status == 429:
        return NotReached(
            ErrorKind.RATE_LIMITED,
            f"expected 101 Switching Protocols; got {answer}: lower the concurrency",
            _asked_wait_s(response),
        )
    if status >= 500:
        return NotReached(
            ErrorKind.UPGRADE_REFUSED,
            f"expected 101 Switching Protocols; got {answer}: {_UPGRADE_ADVICE}",
            _asked_wait_s(response),
        )
    moved = f": it points to {places[0][:200]}" if (places := response.headers.get_all("Location")) else ""
    return SimulationFailed(
        ErrorKind.UPGRADE_REFUSED,
        f"expected 101 Switching Protocols; got {answer}{moved}: {_UPGRADE_ADVICE}",
    )


def _asked_wait_s(response: Response) -> float:
    """What `Retry-After` says, 0 where there is none."""
    return retry_after_s(next(iter(response.headers.get_all("Retry-After")), None), otherwise_s=0.0)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _excerpt(response: Response) -> str:
    text = bytes(response.body or b"")[:200].decode("utf-8", "replace").strip()
    return f" ({text!r})" if text else ""
