"""Callers of the reference agent: real sockets to a real process."""

import base64
import json
import ssl
from contextlib import asynccontextmanager

import attrs
import numpy as np
import pytest
import trio
import trio_websocket

from coval_load.reference.process import start_reference_agent

PATIENCE_S = 20
CHAT = ("--model-type", "MODEL_TYPE_CHAT_WEBSOCKET")


def tone(seconds, rate_hz=16_000):
    at = np.arange(round(seconds * rate_hz))
    return (8000 * np.sin(2 * np.pi * 440 * at / rate_hz)).astype("<i2").tobytes()


@attrs.define
class Caller:
    """One connection to the agent, and what can be said on it."""

    websocket: trio_websocket.WebSocketConnection

    async def say(self, message):
        await self.websocket.send_message(json.dumps(message))

    async def sound(self, seconds):
        """A tone in one message: it plays for `seconds` from now on."""
        await self.say({"type": "audio_chunk", "data": base64.b64encode(tone(seconds)).decode()})

    async def hear(self):
        return json.loads(await self.websocket.get_message())

    async def hear_seconds(self, seconds, rate_hz=24_000):
        """Mono PCM of at least `seconds`."""
        pcm = b""
        while len(pcm) < seconds * rate_hz * 2:
            message = await self.hear()
            assert message["type"] == "audio_chunk"
            pcm += base64.b64decode(message["data"], validate=True)
        return pcm


def trust(agent):
    return ssl.create_default_context(cafile=agent.ca_file) if agent.ca_file else None


@asynccontextmanager
async def call(agent, url=None, **more):
    """A connection on which the agent said that it is ready, if it says so."""
    with trio.fail_after(PATIENCE_S):
        async with trio_websocket.open_websocket_url(
            url or agent.endpoint, trust(agent), **more
        ) as websocket:
            yield Caller(websocket)


def stamped(agent, what):
    """The stamps of one kind. Complete once the agent's process has ended."""
    return [stamp for stamp in agent.stamps() if stamp["what"] == what]


@pytest.fixture
def reference(tmp_path):
    """Starts an agent with these arguments; its files are in the test's own folder."""

    def start(*arguments):
        return start_reference_agent(arguments, tmp_path / "agent")

    return start
