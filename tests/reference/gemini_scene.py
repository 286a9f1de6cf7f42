"""A Gemini Live agent in virtual time, on a line that is two lists."""

import base64
import json

import trio
import trio_websocket
from reference_callers import KeptStamps, options_for, tone

from coval_load.reference.line import Line
from coval_load.reference.realtime.gemini import GeminiAgent

FRAME_S = 0.02
KEY = {"x-goog-api-key": "reference-key"}
SETUP = {"model": "models/gemini-live", "sessionResumption": {}}
WHOLE_TURN = ["audio", "generationComplete", "turnComplete", "usageMetadata", "sessionResumptionUpdate"]
CUT_TURN = ["interrupted", "turnComplete", "usageMetadata", "sessionResumptionUpdate"]
SILENCE = bytes(len(tone(1.0)))


class Wire:
    """Stands for a WebSocket connection: what arrives is fed in, what is sent is kept with its time."""

    def __init__(self):
        self.feed, self._fed = trio.open_memory_channel(float("inf"))
        self.sent = []
        self.frames = []
        self.closed = None

    async def get_message(self):
        try:
            return await self._fed.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise trio_websocket.ConnectionClosed(trio_websocket.CloseReason(1000, None)) from None

    async def send_message(self, message):
        await trio.lowlevel.checkpoint()
        if self.closed:
            raise trio_websocket.ConnectionClosed(trio_websocket.CloseReason(*self.closed))
        self.frames.append(message)
        self.sent.append((trio.current_time(), json.loads(message)))

    async def aclose(self, code, reason):
        self.closed = (code, reason)
        self._fed.close()

    def say(self, **message):
        if not self.closed:
            self.feed.send_nowait(json.dumps(message))

    def input(self, **content):
        self.say(realtimeInput=content)

    def sound(self, pcm, rate_hz=16_000):
        data = base64.b64encode(pcm).decode()
        self.input(audio={"data": data, "mimeType": f"audio/pcm;rate={rate_hz}"})

    async def stream(self, pcm, rate_hz=16_000):
        """Sends audio as a caller does, a frame every 20 ms."""
        step = 2 * round(rate_hz * FRAME_S)
        for at in range(0, len(pcm), step):
            self.sound(pcm[at : at + step], rate_hz)
            await trio.sleep(FRAME_S)

    async def be_silent(self, seconds):
        await self.stream(SILENCE[:2] * round(16_000 * seconds))

    def kinds(self):
        """What the agent said, in short: adjacent messages of one kind are one."""
        kinds = []
        for _, message in self.sent:
            for kind in kinds_of(message):
                if kinds[-1:] != [kind]:
                    kinds.append(kind)
        return kinds

    def of(self, kind):
        return [(at, message) for at, message in self.sent if kind in kinds_of(message)]

    def last_handle(self):
        handles = [m["sessionResumptionUpdate"].get("newHandle") for _, m in self.of("sessionResumptionUpdate")]
        return [handle for handle in handles if handle][-1]


def kinds_of(message):
    for name, value in message.items():
        if name != "serverContent":
            yield name
        elif "modelTurn" in value:
            yield "audio" if "inlineData" in value["modelTurn"]["parts"][0] else "text"
        else:
            yield from (key for key in value if key not in ("interactionStatus", "turnCompleteReason"))


class Scene:
    """An agent with these arguments."""

    def __init__(self, *arguments):
        self.options, _ = options_for("--model-type=gemini_realtime", *arguments)
        self.agent = GeminiAgent(self.options)
        self.stamps = KeptStamps()
        self.wires = []

    async def play(self, script, setup=SETUP, kinds=frozenset(), headers=KEY, number=0):
        """Runs `script(wire)` against the agent on a connection, then hangs up; its wire."""
        wire = Wire()
        line = Line(wire, None, None, number, self.stamps, frozenset(kinds), self.options.seed)
        line.target, line.headers = "/ws", headers
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.agent.converse, line)
            if setup is not None:
                wire.say(setup=setup)
            await script(wire)
            wire.feed.close()
        return wire


async def one_turn(wire):
    await wire.stream(tone(0.5))
    await wire.be_silent(1)
    await trio.sleep(20)


async def interrupt(wire):
    await wire.stream(tone(0.5))
    await wire.be_silent(0.6 + 1)
    await wire.stream(tone(0.2))
    await wire.be_silent(1)
    await trio.sleep(20)


def content(message):
    return message["serverContent"]


def pcm_of(wire):
    parts = [content(message)["modelTurn"]["parts"][0] for _, message in wire.of("audio")]
    return b"".join(base64.b64decode(part["inlineData"]["data"], validate=True) for part in parts)
