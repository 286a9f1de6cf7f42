"""An agent that costs next to nothing: it answers canned bytes over plain TCP and never looks into a message.

    python benchmarks/light_agent.py chat|frames

Prints its endpoint. It then writes its counts as a line of JSON for each line it reads, and ends with its standard
input. `chat` answers each message with the same short one, `frames` each with the next 20 ms of a speech that never
ends, made beforehand. It is one `epoll` without any library: of a client's frame only the header is read, to know where
it ends, so that what is left is one `recv` and one `send` of the kernel's for a message.
"""

import base64
import hashlib
import json
import os
import select
import socket
import struct
import sys
from contextlib import suppress

import attrs

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
CLOSED = b"\x88\x02\x03\xe8"
CLOSE, PING, PONG = 0x8, 0x9, 0xA
FRAME_BYTES = 640
READ_BYTES = 65_536


def text_frame(text: bytes) -> bytes:
    """A whole message as a server sends it, RFC 6455 section 5.2."""
    if len(text) < 126:
        return bytes((0x81, len(text))) + text
    return struct.pack("!BBH", 0x81, 126, len(text)) + text


def speech() -> list[bytes]:
    """Messages of 20 ms at 16 kHz each."""
    from coval_load.codecs.audio.files import read_audio
    from coval_load.codecs.audio.packaged import read_clip
    from coval_load.codecs.audio.pcm import from_float
    from coval_load.codecs.audio.resampling import resample_best

    clip = read_audio(read_clip("pizza-order"), "clip:pizza-order")
    pcm = from_float(resample_best(clip.samples, clip.rate_hz, 16_000))
    pieces = (pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm) - FRAME_BYTES, FRAME_BYTES))
    return [text_frame(b'{"type":"audio_chunk","data":"%b"}' % base64.b64encode(piece)) for piece in pieces]


def canned(work: str) -> list[bytes]:
    """What is answered, in turn."""
    return speech() if work == "frames" else [text_frame(b'{"type":"message","text":"A large one, certainly."}')]


def upgraded(request: bytes) -> bytes:
    """The answer to a whole upgrade request."""
    for line in request.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"sec-websocket-key":
            key = base64.b64encode(hashlib.sha1(value.strip() + GUID).digest())
            return ACCEPTED + key + b"\r\n\r\n"
    raise ValueError("expected a WebSocket upgrade")


def frame_end(data: bytes, at: int) -> int:
    """Where the masked frame that begins at `at` ends; beyond the data where it is not all there."""
    if len(data) < at + 2:
        return at + 6
    length = data[at + 1] & 0x7F
    if length < 126:
        return at + 6 + length
    wide = 2 if length == 126 else 8
    if len(data) < at + 2 + wide:
        return at + 6 + wide
    return at + 6 + wide + int.from_bytes(data[at + 2 : at + 2 + wide], "big")


@attrs.define
class Tally:
    """What happened since the start. `units` are messages answered, `cut` connections without a closing handshake."""

    opened: int = 0
    units: int = 0
    closed: int = 0
    cut: int = 0


@attrs.define(eq=False)
class Connection:
    """One caller."""

    socket: socket.socket
    replies: list[bytes]
    tally: Tally
    is_upgraded: bool = False
    rest: bytes = b""
    """What came of a frame, or of the request, that is not all there."""
    answered: int = 0

    def readable(self) -> bool:
        """Answer what has arrived; returns whether the connection goes on."""
        try:
            data = self.socket.recv(READ_BYTES)
            if not data:
                return self._ended()
            return self._answer(self.rest + data if self.rest else data)
        except (OSError, ValueError):  # also a `send` that would block: the caller does not read
            return self._ended()

    def _ended(self) -> bool:
        self.tally.cut += 1
        return False

    def _answer(self, data: bytes) -> bool:
        if not self.is_upgraded:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self.rest = head
                return True
            self.socket.send(upgraded(head))
            self.is_upgraded = True
            self.tally.opened += 1
        out: list[bytes] = []
        at, size, is_closed = 0, len(data), False
        while at < size and not is_closed and (end := frame_end(data, at)) <= size:
            opcode = data[at] & 0xF
            if opcode < CLOSE:
                out.append(self.replies[self.answered % len(self.replies)])
                self.answered += 1
                self.tally.units += 1
            elif opcode == PING:
                out.append(pong(data[at:end]))
            elif opcode == CLOSE:
                out.append(CLOSED)
                self.tally.closed += 1
                is_closed = True
            at = end
        self.rest = data[at:]
        if out:
            self.socket.send(out[0] if len(out) == 1 else b"".join(out))
        return not is_closed


def pong(ping: bytes) -> bytes:
    """With the same payload, which is the only one that is ever unmasked."""
    mask, masked = ping[2:6], ping[6:]
    payload = bytes(byte ^ mask[k % 4] for k, byte in enumerate(masked))
    return bytes((0x80 | PONG, len(payload))) + payload


def serve(listener: socket.socket, replies: list[bytes], tally: Tally) -> None:
    """Until standard input ends."""
    poll, connections = select.epoll(), {}
    poll.register(listener.fileno(), select.EPOLLIN)
    poll.register(sys.stdin.fileno(), select.EPOLLIN)
    while True:
        for descriptor, _ in poll.poll():
            connection = connections.get(descriptor)
            if connection is not None:
                if not connection.readable():
                    del connections[descriptor]
                    connection.socket.close()
            elif descriptor == listener.fileno():
                for caller in waiting(listener):
                    connections[caller.fileno()] = Connection(caller, replies, tally)
                    poll.register(caller.fileno(), select.EPOLLIN)
            elif not report(tally):
                return


def waiting(listener: socket.socket) -> list[socket.socket]:
    """All who have connected."""
    callers = []
    with suppress(BlockingIOError):
        while True:
            caller, _ = listener.accept()
            caller.setblocking(False)
            caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            callers.append(caller)
    return callers


def report(tally: Tally) -> bool:
    """Answer whoever asks; False where nobody will any more."""
    asked = os.read(sys.stdin.fileno(), READ_BYTES)
    for _ in range(asked.count(b"\n")):
        print(json.dumps(attrs.asdict(tally)), flush=True)
    return bool(asked)


def main(work: str) -> None:
    replies = canned(work)
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        listener.setblocking(False)
        print(f"ws://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
        serve(listener, replies, Tally())


if __name__ == "__main__":
    main(sys.argv[1])
