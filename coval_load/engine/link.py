"""One WebSocket connection: a socket, the Sans-I/O protocol of `websockets`, and a bounded outbox.

Framing, masking, fragments, close codes and compression are the library's (RFC 6455, RFC 7692). Nothing
here waits, but for `close`.
"""

import ssl
from collections.abc import Callable
from typing import TypeAlias

import attrs
import trio
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, State

from coval_load.engine.outcome import ErrorKind, SimulationFailed
from coval_load.engine.plain_frames import (
    TEXT_HEAD,
    is_between_frames,
    only_plain_frame,
    plain_frame,
    take_plain_frames,
)
from coval_load.engine.reactor import Reactor
from coval_load.engine.wire import Socket

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""A longer message of the agent fails the simulation."""

OUTBOX_BYTES = 256 * 1024
"""What may wait for an agent that does not read, beyond the kernel's own buffer."""

_READ_BYTES = 16 * 1024
"""One TLS record holds at most this, so a read never leaves decrypted bytes that no selector sees."""

_TEXT, _BINARY, _OPEN = Opcode.TEXT, Opcode.BINARY, State.OPEN
"""Looked up once: a member of an enumeration is found by way of a descriptor, which a frame is too hot for."""

_AGAIN = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


MessageTaker: TypeAlias = Callable[[bytes, bool, float], None]
"""Takes a whole message, whether it is text, and its arrival stamp in seconds of the Trio clock."""


@attrs.frozen
class LinkEnd:
    """How a connection ended. `close_code` is the agent's (RFC 6455 section 7.4), None if it sent none.

    `reason` has its words. `clean` tells a hang-up (1000, 1001 or no code) from a breakdown.
    """

    failure: SimulationFailed
    close_code: int | None
    clean: bool
    reason: str = ""


@attrs.define(eq=False)
class Link:
    """An open WebSocket connection. What arrives goes to the callbacks, synchronously.

    `on_message(payload, is_text, at)` gets each whole message with its arrival stamp; `on_end(end)` is called
    once, however the connection ends; `on_pong(seconds)` gets each ping's round-trip time.
    """

    _socket: Socket
    _protocol: Protocol
    _reactor: Reactor
    on_message: MessageTaker
    on_end: Callable[[LinkEnd], None]
    on_pong: Callable[[float], None]
    end: LinkEnd | None = None
    messages_sent: int = 0
    messages_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    next_ping_at: float = 0.0
    _outbox: bytearray = attrs.field(factory=bytearray, init=False)
    _fragments: bytearray = attrs.field(factory=bytearray, init=False)
    _fragments_are_text: bool = attrs.field(default=False, init=False)
    _ping_sent_at: float | None = attrs.field(default=None, init=False)
    _closed: trio.Event | None = attrs.field(default=None, init=False)
    _released: bool = attrs.field(default=False, init=False)
    _is_open: bool = attrs.field(default=False, init=False)
    """Whether messages may be sent; as `_look_again` found it."""
    _is_between_frames: bool = attrs.field(default=False, init=False)
    """Whether what comes next begins with a frame that could be a plain one; likewise."""

    def __attrs_post_init__(self) -> None:
        self._look_again()

    def start(self, at: float) -> None:
        """Begin to read; messages that came together with the upgrade are handled at once."""
        self._reactor.watch(self)
        self._handle_frames(at)

    def _look_again(self) -> None:
        # After whatever the protocol or the owner did, so that a plain frame need not ask three objects.
        protocol = self._protocol
        self._is_open = not self._released and protocol.state is _OPEN
        self._is_between_frames = self._is_open and is_between_frames(protocol)

    def fileno(self) -> int:
        """The socket's file descriptor."""
        return self._socket.fileno()

    # Sending

    def send_nowait(self, payload: bytes, is_text: bool) -> None:
        """Send one message: what the kernel takes now, the rest from the outbox.

        On a connection that has ended nothing is sent: `on_end` has told its owner. Filling the outbox ends
        the connection as `agent_not_reading`.
        """
        if not self._is_open:
            return
        self.messages_sent += 1
        self.bytes_sent += len(payload)
        frame = plain_frame(payload, is_text)
        if frame is not None:
            self._send(frame)
            return
        if is_text:
            self._protocol.send_text(payload)
        else:
            self._protocol.send_binary(payload)
        self._flush()

    def ping(self, now: float) -> None:
        """Ask for a pong, unless one is still awaited."""
        if self._ping_sent_at is None and self._is_open:
            self._ping_sent_at = now
            self._protocol.send_ping(b"coval-load")
            self._flush()

    def _flush(self) -> None:
        for chunk in self._protocol.data_to_send():
            if chunk and not self._released:
                self._send(chunk)

    def _send(self, chunk: bytes) -> None:
        if self._outbox:
            self._queue(chunk)
            return
        try:
            sent = self._socket.send(chunk)
        except _AGAIN:
            sent = 0
        except OSError as error:
            self._finish(_dropped(error), clean=False)
            return
        if sent < len(chunk):
            self._queue(chunk[sent:])

    def _queue(self, chunk: bytes) -> None:
        if not self._outbox:
            self._reactor.wants_to_write(self, True)
        self._outbox += chunk
        if len(self._outbox) > OUTBOX_BYTES:
            self._finish(
                SimulationFailed(
                    ErrorKind.AGENT_NOT_READING,
                    f"expected the agent to read what it is sent; {len(self._outbox)} bytes wait for it beyond "
                    "the kernel's buffers: look for a handler that blocks the agent's receive loop",
                ),
                clean=False,
            )
            self.abort()

    def writable(self) -> None:
        """The kernel takes bytes again."""
        while self._outbox:
            try:
                sent = self._socket.send(self._outbox)
            except _AGAIN:
                return
            except OSError as error:
                self._finish(_dropped(error), clean=False)
                return
            del self._outbox[:sent]
        self._reactor.wants_to_write(self, False)

    # Receiving

    def readable(self, at: float) -> None:
        """Bytes have arrived."""
        try:
            data = self._socket.recv(_READ_BYTES)
        except _AGAIN:
            return
        except ssl.SSLEOFError:
            data = b""
        except OSError as error:
            self._finish(_dropped(error), clean=False)
            self._release()
            return
        if not data:
            self._protocol.receive_eof()
            self._handle_frames(at)
            self._finish_at_eof()
            self._release()
            return
        if self._is_between_frames:
            only = only_plain_frame(data)
            if only is not None:
                self.messages_received += 1
                self.bytes_received += len(only)
                self.on_message(only, data[0] == TEXT_HEAD, at)
                return
            messages, rest = take_plain_frames(data)
            for payload, is_text in messages:
                self._message(payload, is_text, at)
                if self._released:  # the owner left
                    return
            if rest == len(data):
                return
            data = data[rest:]
        self._protocol.receive_data(data)
        self._handle_frames(at)

    def _handle_frames(self, at: float) -> None:
        self._look_again()
        protocol = self._protocol
        for frame in protocol.events_received():
            assert isinstance(frame, Frame)  # the upgrade's response was taken when dialling
            if self._released:  # the owner left at an earlier message
                return
            opcode = frame.opcode
            if opcode is not _TEXT and opcode is not _BINARY:
                self._handle_other_frame(frame, at)
            elif frame.fin:
                self._message(bytes(frame.data), opcode is _TEXT, at)
            else:
                self._fragments = bytearray(frame.data)
                self._fragments_are_text = opcode is _TEXT
        if protocol.writes:
            self._flush()
        error = protocol.parser_exc
        if error is not None and not isinstance(error, EOFError):
            self._finish(_unreadable(error), clean=False)

    def _message(self, payload: bytes, is_text: bool, at: float) -> None:
        self.messages_received += 1
        self.bytes_received += len(payload)
        self.on_message(payload, is_text, at)

    def _handle_other_frame(self, frame: Frame, at: float) -> None:
        if frame.opcode is Opcode.CONT:
            self._fragments += frame.data
            if frame.fin:
                whole, self._fragments = bytes(self._fragments), bytearray()
                self._message(whole, self._fragments_are_text, at)
        elif frame.opcode is Opcode.PONG:
            if self._ping_sent_at is not None and frame.data == b"coval-load":
                self.on_pong(at - self._ping_sent_at)
                self._ping_sent_at = None
        elif frame.opcode is Opcode.CLOSE:
            self._finish_at_close_frame()

    # Ending

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """The closing handshake (RFC 6455 section 7): returns when the agent has answered and hung up.

        Bounded by the caller's own deadline; call `abort` afterwards in any case.
        """
        self._send_close(code, reason)
        if not self._released:
            if self._closed is None:
                self._closed = trio.Event()
            await self._closed.wait()

    def say_goodbye(self, code: int = 1000) -> None:
        """Begin the closing handshake, and go on reading until the agent has hung up, or `abort`."""
        self._send_close(code, "")

    def _send_close(self, code: int, reason: str) -> None:
        if self._is_open:
            self._protocol.send_close(code, reason)
            self._look_again()
            self._flush()

    def hang_up(self, code: int = 1000) -> None:
        """Say goodbye as far as the kernel takes it, and close the socket without waiting for the answer."""
        self.say_goodbye(code)
        self.abort()

    def abort(self) -> None:
        """Close the socket at once. Harmless when called again."""
        self._release()

    def broke(self, error: Exception) -> None:
        """A callback raised: the owner gets the error as it is."""
        if self.end is None:
            failure = (
                error if isinstance(error, SimulationFailed) else SimulationFailed(ErrorKind.INTERNAL, repr(error))
            )
            failure.__cause__ = None if failure is error else error
            self._finish(failure, clean=False)
        self._release()

    def _finish(self, failure: SimulationFailed, *, clean: bool) -> None:
        if self.end is None:
            received = self._protocol.close_rcvd
            if received is None:
                self.end = LinkEnd(failure, None, clean)
            else:
                self.end = LinkEnd(failure, int(received.code), clean, received.reason)
            self.on_end(self.end)

    def _finish_at_close_frame(self) -> None:
        received = self._protocol.close_rcvd
        assert received is not None
        why = f" ({received.reason[:120]})" if received.reason else ""
        if received.code == 1011:
            why += ", an error within the agent: see its log"
        self._finish(
            SimulationFailed(
                ErrorKind.CONNECTION_CLOSED,
                "expected the conversation to go on; the agent closed the connection with code "
                f"{int(received.code)}{why}",
            ),
            clean=received.code in (1000, 1001, 1005),
        )

    def _finish_at_eof(self) -> None:
        if self._protocol.close_rcvd is None:
            self._finish(_dropped(None), clean=False)

    def _release(self) -> None:
        if not self._released:
            self._released = True
            self._look_again()
            self._reactor.forget(self)
            self._socket.close()
            self._protocol.parser.close()  # else only the garbage collector could free the two
            self._outbox.clear()
            if self._closed is not None:
                self._closed.set()


def _dropped(error: OSError | None) -> SimulationFailed:
    how = f" ({error.strerror or error})" if error is not None else ""
    return SimulationFailed(
        ErrorKind.CONNECTION_CLOSED,
        f"expected the conversation to go on; the connection was dropped without a close frame{how}: "
        "look for a crash or a proxy's time limit on the agent's side",
    )


def _unreadable(error: Exception) -> SimulationFailed:
    return SimulationFailed(
        ErrorKind.INVALID_MESSAGE,
        f"expected valid WebSocket frames (RFC 6455); got what breaks the protocol: {error}",
    )
