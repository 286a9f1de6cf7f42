"""An agent written in the test, in the test's own process, and a whole run of a plan against it.

With `virtual_time` waiting costs nothing, and what passes over the loopback still does: the clock jumps only when
nothing has moved for a millisecond.
"""

import gc
import json
import os
import wave
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import attrs
import numpy as np
import pybase64
import trio
import trio_websocket

from coval_load.actors.protocols import known_protocols, template_faults
from coval_load.codecs.audio.packaged import CLIPS
from coval_load.engine.run_folder import create, read_rows
from coval_load.plans.launch import run_plan
from coval_load.plans.loading import load_plan
from coval_load.plans.rehearsal import Ensemble

CHAT = "MODEL_TYPE_CHAT_WEBSOCKET"
VOICE = "MODEL_TYPE_WEBSOCKET"
RATE_HZ = 16_000
FRAME_S = 0.02
EXACT = 0.011
"""Seconds; sound is found in windows of 10 ms."""


def tone(seconds, rate_hz=RATE_HZ, level=8000):
    """Mono 16-bit PCM that is audible from its first to its last sample."""
    at = np.arange(round(seconds * rate_hz))
    return (level * np.cos(2 * np.pi * 440 * at / rate_hz)).astype("<i2").tobytes()


def write_tone(path, seconds):
    """A WAV file of `tone`, for a caller to say."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", None))
        file.writeframes(tone(seconds))
    return str(path)


@attrs.define
class Call:
    """One caller, as the agent of a test has it on the line."""

    websocket: trio_websocket.WebSocketConnection
    path: str
    headers: dict
    got: list = attrs.field(factory=list)
    """Every message but audio: (at, message)."""

    async def hear(self):
        """The next message that is not audio."""
        while True:
            message = await self.next()
            if not isinstance(message, bytes):
                return message

    async def next(self):
        """The next message; audio as the bytes it carries."""
        message = await self.websocket.get_message()
        if isinstance(message, bytes):
            return message
        message = json.loads(message)
        if message.get("type") == "audio_chunk":
            return pybase64.b64decode(message["data"])
        self.got.append((trio.current_time(), message))
        return message

    async def send(self, **message):
        await self.websocket.send_message(json.dumps(message))

    async def say(self, text):
        await self.send(type="message", text=text)

    async def stay(self):
        """Listen until the caller hangs up."""
        while True:
            await self.next()

    async def hang_up(self, code=1000, reason=""):
        await self.websocket.aclose(code, reason)

    async def play(self, pcm, message_s=0.1):
        """Send audio as fast as it goes."""
        for at in range(0, len(pcm), step := round(message_s * RATE_HZ) * 2):
            data = pybase64.b64encode(pcm[at : at + step]).decode()
            await self.send(type="audio_chunk", data=data)

    async def listen_out(self, silence_s=0.3):
        """The caller's turn: when its first and last loud frame came, and what came; over after `silence_s`."""
        first = last = None
        heard = bytearray()
        while last is None or trio.current_time() < last + silence_s:
            audio = await self.next()
            if isinstance(audio, bytes) and audio.strip(b"\0"):
                last = trio.current_time()
                first = last if first is None else first
                heard += audio
        return first, last + FRAME_S, bytes(heard)

    async def play_in_step(self, seconds, stops_after_s=None):
        """Send audio a frame at a time, as the caller's frames come; may stop so long after hearing the caller."""
        heard_at = None
        for _ in range(round(seconds / FRAME_S)):
            audio = await self.next()
            now = trio.current_time()
            if heard_at is None and isinstance(audio, bytes) and audio.strip(b"\0"):
                heard_at = now
            if stops_after_s is not None and heard_at is not None and now >= heard_at + stops_after_s:
                return
            await self.play(tone(FRAME_S))


Agent = Callable[[Call], Awaitable[object]]


async def answers(call, delay_s=0.6, reply_s=1.0, count=10):
    """A voice agent that answers each turn `delay_s` after the caller's last audible sample."""
    for _ in range(count):
        _, ended_at, _ = await call.listen_out()
        await trio.sleep_until(ended_at + delay_s)
        await call.play(tone(reply_s))
    await call.stay()


@asynccontextmanager
async def on_the_line(agent: Agent):
    """The endpoint at which `agent` takes calls; it hangs up by returning."""

    async def take(request):
        headers = {name.decode().lower(): value.decode() for name, value in request.headers}
        call = Call(await request.accept(), request.path, headers)
        try:
            await agent(call)
        except trio_websocket.ConnectionClosed:
            return

    serve = partial(trio_websocket.serve_websocket, take, "127.0.0.1", 0, None)
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve, message_queue_size=1000, max_message_size=2**24))
        yield f"ws://127.0.0.1:{server.port}"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def on_the_port(serve):
    """`host:port` at which `serve(stream)` gets every TCP connection."""

    async def take(stream):
        try:
            async with stream:
                await serve(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, take, 0, host="127.0.0.1"))
        yield "127.0.0.1:{1}".format(*listeners[0].socket.getsockname())
        nursery.cancel_scope.cancel()


@attrs.frozen
class Ran:
    """A run that is over, as its folder and its exit code tell it."""

    folder: Path
    summary: dict
    exit_code: int
    rows: list

    @property
    def row(self):
        (only,) = self.rows
        return only

    @property
    def error(self):
        return self.row["error"]

    def turns(self, role):
        return [entry for entry in self.row["transcript"] if entry["role"] == role]

    @property
    def said(self):
        """The transcript as (role, content)."""
        return [(entry["role"], entry["content"]) for entry in self.row["transcript"]]

    @property
    def lasted(self):
        return self.row["ended_at"] - self.row["started_at"]

    def of_metric(self, name):
        """Its values in the order of the turns."""
        return [turn["metrics"][name] for turn in self.row["transcript"] if name in turn.get("metrics", {})]


def rehearse(plan):
    """As the command line does it. Raises Faulty."""
    protocols = known_protocols()
    return Ensemble.rehearse(
        load_plan(
            plan,
            environ=os.environ,
            options={model_type: protocol.options for model_type, protocol in protocols.items()},
            clip_names=CLIPS,
            checks=lambda agent: template_faults(agent, protocols),
        ),
        protocols,
    )


async def launch(plan, folder, **more):
    """Loads, rehearses and runs a plan; `more` goes to `run_plan`.

    The run begins with a full collection and ends with nothing exempt from one, as in a process of its own. Here it
    would go through all of pytest and what other tests left each time, for a tenth of a second: so that is exempt,
    unless a test looks for garbage itself and has the collector off.
    """
    ensemble = rehearse(plan)
    if gc.isenabled():
        gc.freeze()
    return await run_plan(ensemble, folder, **more)


async def run(plan, out):
    """Loads, rehearses and runs a plan."""
    folder = create(out, "test", datetime.now(UTC))
    finished = await launch(plan, folder)
    return Ran(
        folder.path,
        json.loads(folder.summary_file.read_bytes()),
        finished.exit_code,
        list(read_rows(folder.simulations_file)),
    )


def plan_for(model_type, metadata, turns, **sections):
    """A plan of one agent and one test case, `turns` of which may be texts."""
    written = [{"type": "text", "text": turn} if isinstance(turn, str) else turn for turn in turns]
    return {
        "agents": [{"display_name": "in process", "model_type": model_type, "metadata": metadata}],
        "test_set": [{"id": "case", "turns": written, "attributes": {"account": "42"}}],
        "targets": {"allow_private": True, "allow_plaintext": True},
        "generator": {"accept_invalid": True},  # a machine that is busy with other tests
        **sections,
    }


def chat_plan(endpoint, *turns, metadata=None, **sections):
    """Chat in which a reply is complete half a second after its last text, unless `metadata` says otherwise."""
    return plan_for(
        CHAT, {"endpoint": endpoint, "coalesce_timeout_seconds": 0.5, **(metadata or {})}, turns, **sections
    )


def voice_plan(endpoint, *turns, metadata=None, **sections):
    """Voice at 16 kHz mono both ways, played out as it would be heard."""
    ours = {
        "endpoint": endpoint,
        "handshake_ready_message_type": "",
        "handshake_requires_session_id": False,
        "receive_audio_channels": 1,
        "receive_sample_rate_hertz": RATE_HZ,
        "pace_inbound_binary_audio": True,
    }
    return plan_for(VOICE, {**ours, **(metadata or {})}, turns, **sections)
