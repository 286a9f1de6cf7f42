"""One kept-alive HTTP/1.1 connection (RFC 9112), which the reactor watches from its beginning to its end.

That an idle one is watched, too, is how it is known at once that the agent closed it.
"""

import math
import ssl
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

import attrs
import trio

from coval_load import __version__
from coval_load.engine.connecting import reason
from coval_load.engine.http_answer import MAX_ANSWER_BYTES, Answer, OnBody, Reading
from coval_load.engine.outcome import ErrorKind, SimulationFailed
from coval_load.engine.reactor import Reactor
from coval_load.engine.wire import Socket

__all__ = ["MAX_ANSWER_BYTES", "Answer", "HttpConnection", "StaleConnection"]

_READ_BYTES = 16 * 1024
"""One TLS record holds at most this, so a read never leaves decrypted bytes that no selector sees."""

_AGAIN = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
"""Their length is said even where they have no body (RFC 9110, section 8.6)."""


class StaleConnection(SimulationFailed):
    """A connection ended before any byte of the answer, though it was good before: send once more on a fresh one.

    Agents close idle connections, and one that is just closing can't be told from an open one.
    """


@attrs.define(eq=False)
class HttpConnection:
    """An open connection to one origin. Used by one exchange after the other; made and kept by `HttpPool`.

    `connect_s` is how long it took to open, in seconds, None where it was taken from the idle ones; `on_closed`
    is called once, whoever closed it.
    """

    origin: tuple[str, int, bool]
    _socket: Socket
    _reactor: Reactor
    connect_s: float | None
    _on_closed: "Callable[[HttpConnection], None]"
    idle_since: float = 0.0
    expires_at: float = math.inf
    """When it is too old to be used again, on the Trio clock."""
    is_open: bool = attrs.field(default=True, init=False)
    bytes_came: int = attrs.field(default=0, init=False)
    """How many bytes the last exchange received, whole or not."""

    _outbox: memoryview | None = attrs.field(default=None, init=False)
    _reading: Reading | None = attrs.field(default=None, init=False)
    _task: trio.lowlevel.Task | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._reactor.watch(self)

    @property
    def is_new(self) -> bool:
        """Whether it was opened for whoever has it now."""
        return self.connect_s is not None

    @property
    def is_busy(self) -> bool:
        """Whether an exchange goes on."""
        return self._reading is not None

    def fileno(self) -> int:
        """The socket's file descriptor."""
        return self._socket.fileno()

    async def exchange(
        self,
        method: str,
        url: str,
        headers: Iterable[tuple[str, str]],
        body: bytes | None,
        on_body: OnBody | None = None,
        on_head: Callable[[Answer], None] | None = None,
        *,
        most_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """Send one request and read its answer, within the caller's deadline. Redirects are not followed.

        `url` has this connection's origin; names and values of `headers` were validated. Host, User-Agent and
        `Accept-Encoding: gzip` are added where they are missing, and the body's length. `on_head` gets the answer
        without its body; then `on_body` gets each piece of it as it arrives, unpacked. Both are called
        synchronously; what they raise is raised here.

        Raises StaleConnection, or SimulationFailed: `invalid_message` for what is no HTTP/1.1, does not unpack or
        is longer than `most_bytes`, `connection_closed` for an answer that breaks off. Cancelled or failed, it
        closes the connection.
        """
        assert self._reading is None, "one exchange at a time"
        shown = f"{method} {url.partition('?')[0]}"
        if not self.is_open:
            raise _stale(shown)
        request = _request(method, url, headers, body)
        reading = self._reading = Reading(shown, method == "HEAD", len(request), most_bytes, on_head, on_body)
        self._send(request, reading)
        self._task = trio.lowlevel.current_task()
        try:
            await trio.lowlevel.wait_task_rescheduled(self._cancelled)
        finally:
            self._task = self._reading = None
            self.bytes_came = reading.bytes_received
            reading.let_go()
            if not reading.keeps_alive:
                self.close()
        failure, reading.failure = reading.failure, None
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # its traceback leads here: it would hold itself, and whoever waited for the answer
        assert reading.answer is not None
        return reading.answer

    def close(self) -> None:
        """Close the socket at once. Harmless when called again; an exchange that goes on fails."""
        if not self.is_open:
            return
        self.is_open = False
        self._reactor.forget(self)
        self._socket.close()
        self._outbox = None
        if self._reading is not None:
            self._fail(_closed(self._reading, "on our side"))
        self._on_closed(self)

    def _cancelled(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED

    # Sending

    def _send(self, request: bytes, reading: Reading) -> None:
        try:
            sent = self._socket.send(request)
        except _AGAIN:
            sent = 0
        except OSError:
            sent = len(request)  # `readable` tells what became of it: an answer may have come before the end
        reading.sent_at = trio.current_time()
        if sent < len(request):
            self._outbox = memoryview(request)[sent:]
            self._reactor.wants_to_write(self, True)

    def writable(self) -> None:
        """The kernel takes bytes again."""
        while self._outbox:
            try:
                sent = self._socket.send(self._outbox)
            except _AGAIN:
                return
            except OSError:
                break  # as above
            self._outbox = self._outbox[sent:]
        self._outbox = None
        self._reactor.wants_to_write(self, False)
        if self._reading is not None:
            self._reading.sent_at = trio.current_time()

    # Receiving

    def readable(self, at: float) -> None:
        """Bytes have arrived, or the end."""
        try:
            data = self._socket.recv(_READ_BYTES)
        except _AGAIN:
            return
        except ssl.SSLEOFError:
            data = b""
        except OSError as error:
            self._ended(at, error)
            return
        reading = self._reading
        if not data:
            self._ended(at, None)
        elif reading is None:
            self.close()  # nothing was asked: what comes now could not be told from the next answer
        elif reading.feed(data, at):
            if self._outbox is not None:
                reading.keeps_alive = False  # it answered without having read all
            self._wake()

    def broke(self, error: Exception) -> None:
        """A fault of this connection's own code: the exchange ends with it."""
        self._fail(error)
        self.close()

    def _ended(self, at: float, error: OSError | None) -> None:
        reading = self._reading
        if reading is not None and not (error is None and reading.end(at)):
            if reading.bytes_received or self.is_new:
                reading.fail(_closed(reading, "by the agent" if error is None else f"({reason(error)})"))
            else:
                reading.fail(_stale(reading.request))
        self._wake()
        self.close()

    def _fail(self, failure: BaseException) -> None:
        if self._reading is not None:
            self._reading.fail(failure)
            self._wake()

    def _wake(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            trio.lowlevel.reschedule(task)


def _request(method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes | None) -> bytes:
    parts = urlsplit(url)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    lines, named = "", set()
    for name, value in headers:
        named.add(name.lower())
        lines += f"{name}: {value}\r\n"
    if "host" not in named:
        lines = f"Host: {parts.netloc}\r\n{lines}"
    if "accept-encoding" not in named:
        lines += "Accept-Encoding: gzip\r\n"
    if "user-agent" not in named:
        lines += f"User-Agent: coval-load/{__version__}\r\n"
    if body is not None or method in _WITH_BODY:
        lines += f"Content-Length: {len(body or b'')}\r\n"
    head = f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("ascii")
    return head + body if body else head


def _stale(request: str) -> StaleConnection:
    return StaleConnection(
        ErrorKind.CONNECTION_CLOSED,
        f"expected an answer to {request}; the agent closed the idle connection just then: send it again",
    )


def _closed(reading: Reading, how: str) -> SimulationFailed:
    came = f"after {reading.bytes_received} bytes of it" if reading.bytes_received else "without an answer"
    is_plain = reading.request.partition(" ")[2].startswith("http://")
    return SimulationFailed(
        ErrorKind.CONNECTION_CLOSED,
        f"expected the whole answer to {reading.request}; the connection was closed {how} {came}: "
        "look for a crash or a proxy's time limit on the agent's side"
        + (", or for a port that speaks https://" if is_plain and not reading.bytes_received else ""),
    )
