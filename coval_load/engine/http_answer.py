"""An HTTP/1.1 answer read while it arrives (RFC 9112): status, headers, and the body without its codings.

Parsing is llhttp's, the parser of Node.js. Nothing here waits, and no answer makes it take more than a bound.
"""

import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import attrs
import httptools

from coval_load.engine.outcome import ErrorKind, SimulationFailed

MAX_ANSWER_BYTES = 10 * 1024 * 1024
"""A longer body, without its content coding, fails the exchange."""

_MOST_OVERHEAD = 64 * 1024
"""Bytes of an answer that are not its body: status line, headers, interim answers. llhttp itself sets no bound."""

_OVERHEAD_A_BYTE = 16
"""More of it is taken for each byte of body: that of chunks of a single byte is five."""

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_PACKED = ("gzip", "x-gzip", "deflate")
_NOT_PACKED = ("", "identity")
_SHOWN_BYTES = 60

OnBody = Callable[[bytes, float], None]
"""Gets a piece of the body and the stamp of its arrival, in seconds of the Trio clock."""


class Headers(Mapping[str, str]):
    """The headers of an answer. Names are found whatever their case; values of one name are joined by `, `."""

    __slots__ = ("_values",)

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self._values: dict[str, str] = {}
        for raw_name, raw_value in raw:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1").rstrip(" \t")
            self._values[name] = f"{self._values[name]}, {value}" if name in self._values else value

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@attrs.define(eq=False)
class Answer:
    """One answer. Times are readings of the Trio clock, in seconds; bytes are those of the wire, without TLS.

    `sent_at` is when the kernel had taken the last byte of the request; `body` is empty where `on_body` took it,
    and until the answer is whole, as are `ended_at` and `bytes_received`.
    """

    status: int
    headers: Headers = attrs.field(repr=False)
    sent_at: float
    head_at: float
    bytes_sent: int
    ended_at: float = math.nan
    body: bytes = attrs.field(default=b"", repr=False)
    bytes_received: int = 0


class _Unpacking(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes: ...


@attrs.define(eq=False)
class Reading:
    """Reads the answer to one request; the parser calls its `on_...` methods.

    `request` is how the request is shown in messages. `feed` and `end` never raise: where `is_over`, either
    `answer` is whole or `failure` says why not, which may be what `on_head` or `on_body` raised.
    """

    request: str
    is_head: bool
    bytes_sent: int
    most_bytes: int = MAX_ANSWER_BYTES
    taken_by_head: Callable[[Answer], None] | None = None
    taken_by_body: OnBody | None = None
    sent_at: float = math.nan
    answer: Answer | None = attrs.field(default=None, init=False)
    failure: BaseException | None = attrs.field(default=None, init=False)
    is_over: bool = attrs.field(default=False, init=False)
    keeps_alive: bool = attrs.field(default=False, init=False)
    """Whether the connection can take another request after this answer."""

    bytes_received: int = attrs.field(default=0, init=False)
    _at: float = attrs.field(default=0.0, init=False)
    _raw_headers: list[tuple[bytes, bytes]] = attrs.field(factory=list, init=False)
    _is_interim: bool = attrs.field(default=False, init=False)
    _ends_with_connection: bool = attrs.field(default=False, init=False)
    _packed_bytes: int = attrs.field(default=0, init=False)
    _body_bytes: int = attrs.field(default=0, init=False)
    _pieces: list[bytes] = attrs.field(factory=list, init=False)
    _unpacking: _Unpacking | None = attrs.field(default=None, init=False)
    _parser: httptools.HttpResponseParser | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes, at: float) -> bool:
        """Take the bytes that arrived at `at`, cut anywhere; returns whether that was the last of it."""
        assert self._parser is not None
        self._at = at
        self.bytes_received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            self.fail(error.__context__ or error)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.fail(_not_http(data, error))
        if self.bytes_received - self._packed_bytes > _MOST_OVERHEAD + _OVERHEAD_A_BYTE * self._packed_bytes:
            self.fail(self._invalid(f"at most {_MOST_OVERHEAD} bytes of headers from", "more came"))
        return self.is_over

    def end(self, at: float) -> bool:
        """The connection ended; returns whether that makes the answer whole (RFC 9112, section 6.3)."""
        self._at = at
        if self._ends_with_connection and not self.is_over:
            try:
                self._finish()
            except SimulationFailed as failed:
                self.fail(failed)
        return self.is_over

    def fail(self, failure: BaseException) -> None:
        """Whatever comes of it, the connection is used up; and unless the answer is whole, that is why."""
        self.keeps_alive = False
        if not self.is_over:
            self.is_over = True
            self.failure = failure

    def let_go(self) -> None:
        """Nothing is read any more. Else only the garbage collector could free this and its parser."""
        self._parser = None

    # What the parser finds

    def on_message_begin(self) -> None:
        if self.is_over:
            self.keeps_alive = False  # more than was asked for

    def on_header(self, name: bytes, value: bytes) -> None:
        self._raw_headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.is_over:
            return
        assert self._parser is not None
        status = self._parser.get_status_code()
        self._is_interim = 100 <= status < 200
        if self._is_interim:
            self._raw_headers.clear()
            return
        headers = Headers(self._raw_headers)
        answer = self.answer = Answer(status, headers, self.sent_at, self._at, self.bytes_sent)
        self._ends_with_connection = not _has_length(headers)
        if self.taken_by_head is not None:
            self.taken_by_head(answer)
        if self.is_head:
            self._finish()  # whatever length it states, no body follows (RFC 9112, section 6.3)

    def on_body(self, data: bytes) -> None:
        if self.is_over:
            return
        if not self._packed_bytes:
            self._expect_packed()
        self._packed_bytes += len(data)
        if self._unpacking is None:
            self._take(data)
        else:
            self._take(self._unpacked(data))

    def on_message_complete(self) -> None:
        if not self._is_interim and not self.is_over:
            assert self._parser is not None
            self._finish()
            self.keeps_alive = self._parser.should_keep_alive()

    # What becomes of it

    def _take(self, data: bytes) -> None:
        self._body_bytes += len(data)
        if self._body_bytes > self.most_bytes:
            raise self._invalid(f"at most {self.most_bytes} bytes from", "more came")
        if self.taken_by_body is None:
            self._pieces.append(data)
        elif data:
            self.taken_by_body(data, self._at)

    def _expect_packed(self) -> None:
        assert self.answer is not None
        coding = self.answer.headers.get("content-encoding", "").lower()
        if coding in _PACKED:
            self._unpacking = zlib.decompressobj(_GZIP_OR_ZLIB)
        elif coding not in _NOT_PACKED:
            raise self._invalid(
                "an answer in gzip, or as it is, from", f"content encoding {coding[:40]!r}, for which it was not asked"
            )

    def _unpacked(self, data: bytes) -> bytes:
        unpacking = self._unpacking
        assert unpacking is not None
        if self._packed_bytes > self.most_bytes + _MOST_OVERHEAD:  # it may unpack to nothing at all
            raise self._invalid(f"at most {self.most_bytes} bytes from", "more came")
        if unpacking.eof:
            return b""  # what follows is padding
        try:
            return unpacking.decompress(data, self.most_bytes - self._body_bytes + 1)
        except zlib.error as error:
            raise self._invalid("an answer in gzip, or as it is, from", f"got: {error}") from error

    def _finish(self) -> None:
        unpacking, answer = self._unpacking, self.answer
        if unpacking is not None and not unpacking.eof:
            raise self._invalid("an answer in gzip, or as it is, from", "it ends within the gzip")
        assert answer is not None
        self.is_over = True
        answer.ended_at = self._at
        answer.bytes_received = self.bytes_received
        answer.body = b"".join(self._pieces)

    def _invalid(self, expected: str, came: str) -> SimulationFailed:
        return SimulationFailed(ErrorKind.INVALID_MESSAGE, f"expected {expected} {self.request}; {came}")


def _has_length(headers: Headers) -> bool:
    transfer = headers.get("transfer-encoding")
    if transfer is None:
        return "content-length" in headers
    return transfer.lower().rpartition(",")[2].strip() == "chunked"


def _not_http(data: bytes, error: Exception) -> SimulationFailed:
    why = "101 Switching Protocols" if isinstance(error, httptools.HttpParserUpgrade) else str(error)
    return SimulationFailed(
        ErrorKind.INVALID_MESSAGE, f"expected an HTTP/1.1 answer; got {data[:_SHOWN_BYTES]!r}: {why}"
    )
