"""Callers of the reference agent, over real sockets."""

import base64
import json
import ssl
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import attrs
import numpy as np
import trio
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from coval_load.reference.command import read_options, reference_agent
from coval_load.reference.process import ReferenceProcess
from coval_load.reference.stamps import Stamps

PATIENCE_S = 20
CHAT = "--model-type=MODEL_TYPE_CHAT_WEBSOCKET"
QUICK = ("--end-silence=20ms", "--delay=40ms", "--reply-seconds=0.3")


def tone(seconds, rate_hz=16_000):
    at = np.arange(round(seconds * rate_hz))
    return (8000 * np.sin(2 * np.pi * 440 * at / rate_hz)).astype("<i2").tobytes()


def options_for(*arguments):
    """What these command-line arguments mean."""
    context = reference_agent.make_context("reference-agent", list(arguments))
    return read_options(context.params)


class KeptStamps(Stamps):
    """Keeps what is stamped, with its time of the Trio clock."""

    def __init__(self):
        super().__init__(None)
        self.all = []

    def add(self, what, at=None, **more):
        self.all.append({"what": what, "at": trio.current_time() if at is None else at, **more})

    def of(self, what):
        return [stamp for stamp in self.all if stamp["what"] == what]

    def times(self, what):
        return [stamp["at"] for stamp in self.of(what)]

    def story(self):
        return [(stamp["what"], stamp["turn"]) for stamp in self.all]


class Refused(Exception):
    """The agent did not agree to speak WebSocket; `status` is its answer's, None if there was none."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class HungUp(Exception):
    """The connection ended; `code` is 1006 where that was without a close frame."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


@attrs.define
class Caller:
    """One connection to the agent, and what can be said on it. Another WebSocket library than the agent's."""

    stream: trio.abc.Stream
    protocol: ClientProtocol
    arrived: list = attrs.field(factory=list)
    gone: bool = False

    async def shake_hands(self, headers):
        request = self.protocol.connect()
        request.headers.update(headers)
        self.protocol.send_request(request)
        response = await self._next_event()
        if self.protocol.state is not State.OPEN:
            raise Refused(response and response.status_code)

    async def _next_event(self):
        """A response or a frame; None at the end of the connection."""
        while not self.arrived:
            try:
                await self._flush()
                data = await self.stream.receive_some(65536)
            except trio.BrokenResourceError:
                data = b""
            if data:
                self.protocol.receive_data(data)
            else:
                self.protocol.receive_eof()
            self.arrived += self.protocol.events_received()
            if not data and not self.arrived:
                return None
        return self.arrived.pop(0)

    async def _flush(self):
        for data in self.protocol.data_to_send():
            if data:
                await self.stream.send_all(data)

    async def send(self, text):
        self.protocol.send_text(text.encode())
        await self._flush()

    async def receive(self):
        """One message, as it came. Raises HungUp."""
        frame = await self._next_event()
        if frame is None:
            raise HungUp(1006)
        if frame.opcode is Opcode.CLOSE:
            raise HungUp(self.protocol.close_rcvd.code)
        assert frame.fin
        return frame.data.decode() if frame.opcode is Opcode.TEXT else bytes(frame.data)

    async def hang_up(self):
        """Closes and waits until the agent has done so too; does nothing if one of the two went before."""
        if self.protocol.state is State.OPEN and not self.gone:
            self.protocol.send_close(1000)
            while await self._next_event():
                pass

    async def say(self, message):
        await self.send(json.dumps(message))

    async def sound(self, seconds=0.02):
        """A tone in one message: it plays for `seconds` from now on."""
        await self.say({"type": "audio_chunk", "data": base64.b64encode(tone(seconds)).decode()})

    async def hear(self):
        return json.loads(await self.receive())

    async def hear_seconds(self, seconds, rate_hz=24_000):
        """Mono PCM of at least `seconds`."""
        pcm = b""
        while len(pcm) < seconds * rate_hz * 2:
            message = await self.hear()
            assert message["type"] == "audio_chunk"
            pcm += base64.b64decode(message["data"], validate=True)
        return pcm


@attrs.define
class Agent:
    """A running agent and how to call it."""

    process: ReferenceProcess

    @property
    def body(self):
        return json.loads(self.process.agent_file.read_text())

    @property
    def metadata(self):
        return self.body["metadata"]

    @property
    def trust(self):
        return ssl.create_default_context(cafile=self.process.ca_file) if self.process.ca_file else None

    async def connect(self):
        """A TCP connection."""
        return await trio.open_tcp_stream("127.0.0.1", urlsplit(self.process.endpoint).port)

    @asynccontextmanager
    async def call(self, url=None, headers=()):
        url = url or self.process.endpoint
        with trio.fail_after(PATIENCE_S):
            stream = await self.connect()
            if self.trust:
                stream = trio.SSLStream(stream, self.trust, server_hostname="127.0.0.1", https_compatible=True)
            async with stream:
                caller = Caller(stream, ClientProtocol(parse_uri(url), max_size=None))
                await caller.shake_hands(headers)
                yield caller
                await caller.hang_up()

    def stamped(self, what):
        """The stamps of one kind. Complete once the agent has stopped."""
        return [stamp for stamp in self.process.stamps() if stamp["what"] == what]
