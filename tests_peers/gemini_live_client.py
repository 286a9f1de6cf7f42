"""Talks to a server of Gemini Live with the `google-genai` package's own client. Runs in its environment.

Takes a job as JSON on standard input: `url` (without a path), `key`, `version` (of the API; null: the client's own),
`audio` (a file of what the caller says: 16-bit mono PCM at 16,000 Hz, without a header) and `scenario`, a function
below; the CA file is in SSL_CERT_FILE. Prints JSON: `messages` as they came, over all connections, audio as its number
of bytes, each with `at` (seconds) and `connection` (from 0); `faults` of those; how the last connection ended.
"""

import asyncio
import base64
import json
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from google import genai
from google.genai import errors, types
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gemini_types import faults

RATE_HZ, FRAME_S = 16_000, 0.02
FRAME_BYTES = round(RATE_HZ * FRAME_S) * 2
WAIT_S = 15
TOOL = {
    "name": "look_up_order",
    "description": "looks up an order",
    "parameters": {"type": "OBJECT", "properties": {"order_id": {"type": "STRING"}}},
}
CONFIG = {
    "response_modalities": ["AUDIO"],
    "temperature": 0.7,
    "speech_config": {"voice_config": {"prebuilt_voice_config": {"voice_name": "Puck"}}},
    "system_instruction": "be brief",
    "session_resumption": {},
    "input_audio_transcription": {},
    "output_audio_transcription": {},
}
BY_HAND = {"realtime_input_config": {"automatic_activity_detection": {"disabled": True}}}


class Talk:
    """A caller's connections, one after another, and all that came, as the package's own objects."""

    def __init__(self, client, speech):
        self.client = client
        self.speech = speech
        self.messages = []
        self.raw = []
        self.faults = []
        self.seen = 0
        self.connections = 0
        self.ended = None
        self.said = []
        self.silent = asyncio.Event()
        self.began = asyncio.get_running_loop().time()
        self.news = asyncio.Event()

    @asynccontextmanager
    async def connect(self, **changes):
        config = types.LiveConnectConfig(**{**CONFIG, **changes})
        async with self.client.aio.live.connect(model="gemini-live", config=config) as session:
            self.session, self.ended, self.said = session, None, []
            assert session.setup_complete is not None, "the first message was no setupComplete"
            self._overhear(session)
            tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._microphone())]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                self.connections += 1

    def _overhear(self, session):
        """The package drops what it does not know: look at what came before it does."""
        receive = session._ws.recv

        async def recv(**options):
            payload = await receive(**options)
            raw = json.loads(payload)
            self.faults += faults("server", raw)
            self.raw.append(self._noted(raw))
            return payload

        session._ws.recv = recv

    def _noted(self, raw):
        raw = json.loads(json.dumps(raw))
        for part in (raw.get("serverContent", {}).get("modelTurn") or {}).get("parts", []):
            if "inlineData" in part:
                part["inlineData"]["data"] = len(base64.b64decode(part["inlineData"]["data"], validate=True))
        return {**raw, "at": asyncio.get_running_loop().time() - self.began, "connection": self.connections}

    async def _listen(self):
        try:
            while True:
                async for message in self.session.receive():
                    self.messages.append(message)
                    self.news.set()
        except (errors.APIError, ConnectionClosed) as error:
            self.ended = {"code": getattr(error, "code", None), "reason": str(error)}
            self.news.set()

    async def until(self, *path, is_awaited=lambda found: found):
        """The next message after the one that was awaited last that has a value at this path of attributes."""
        async with asyncio.timeout(WAIT_S):
            while True:
                while self.seen < len(self.messages):
                    found = self.messages[self.seen]
                    self.seen += 1
                    for name in path:
                        found = getattr(found, name, None)
                    if found is not None and is_awaited(found):
                        return found
                if self.ended:
                    raise EOFError(f"the connection ended while {'.'.join(path)} was awaited: {self.ended}")
                self.news.clear()
                await self.news.wait()

    async def turn_complete(self):
        await self.until("server_content", "turn_complete")

    async def _microphone(self):
        """In real time, silence where nothing is said."""
        clock = asyncio.get_running_loop()
        due = clock.time()
        with suppress(ConnectionClosed):
            while True:
                frame = self.said.pop(0) if self.said else bytes(FRAME_BYTES)
                if not self.said:
                    self.silent.set()
                audio = types.Blob(data=frame, mime_type=f"audio/pcm;rate={RATE_HZ}")
                await self.session.send_realtime_input(audio=audio)
                due += FRAME_S
                await asyncio.sleep(max(0, due - clock.time()))

    def say(self):
        self.silent.clear()
        self.said += [self.speech[at : at + FRAME_BYTES] for at in range(0, len(self.speech), FRAME_BYTES)]

    async def say_out(self):
        self.say()
        await self.silent.wait()


async def turns(talk):
    """Two turns, detected by the server."""
    async with talk.connect():
        for _ in range(2):
            talk.say()
            await talk.turn_complete()
            await asyncio.sleep(0.3)


async def by_hand(talk):
    """A turn whose begin and end the caller tells."""
    async with talk.connect(**BY_HAND):
        await talk.session.send_realtime_input(activity_start=types.ActivityStart())
        await talk.say_out()
        await asyncio.sleep(0.5)
        await talk.session.send_realtime_input(activity_end=types.ActivityEnd())
        await talk.turn_complete()


async def flushed(talk):
    """The microphone is turned off as soon as all is said, rather than that silence follows."""
    async with talk.connect():
        await talk.say_out()
        await talk.session.send_realtime_input(audio_stream_end=True)
        await talk.turn_complete()


async def barge_in(talk):
    """The caller speaks over the reply."""
    async with talk.connect():
        talk.say()
        await talk.until("data")
        await asyncio.sleep(0.5)
        talk.say()
        await talk.until("server_content", "interrupted")
        await talk.turn_complete()
        await talk.turn_complete()


async def tool(talk):
    """A call of a tool is answered, and the reply goes on."""
    async with talk.connect(tools=[{"function_declarations": [TOOL]}]):
        talk.say()
        (call,) = await talk.until("tool_call", "function_calls")
        answer = types.FunctionResponse(id=call.id, name=call.name, response={"state": "sent"})
        await talk.session.send_tool_response(function_responses=answer)
        await talk.turn_complete()


async def text(talk):
    """The caller types, and wants text; a turn as it is spoken, and one of content."""
    async with talk.connect(response_modalities=["TEXT"]):
        await talk.session.send_client_content(
            turns=types.Content(role="user", parts=[types.Part(text="hello")]), turn_complete=True
        )
        await talk.turn_complete()
        await talk.session.send_realtime_input(text="hello again")
        await talk.turn_complete()


async def resumed(talk):
    """The server is to go away: the conversation goes on over another connection."""
    async with talk.connect():
        talk.say()
        await talk.turn_complete()
        handle = await talk.until("session_resumption_update", "new_handle")
        await talk.until("go_away")
    async with talk.connect(session_resumption={"handle": handle}):
        talk.say()
        await talk.turn_complete()


async def seeded(talk):
    """What was said before comes first, and ends with the agent's own words."""
    said = [("user", "a pizza"), ("model", "which one?")]
    turns = [types.Content(role=role, parts=[types.Part(text=text)]) for role, text in said]
    async with talk.connect(history_config={"initial_history_in_client_content": True}):
        await talk.session.send_client_content(turns=turns, turn_complete=True)
        await asyncio.sleep(1)
        talk.say()
        await talk.turn_complete()


async def resumed_wrongly(talk):
    """A handle that the server never gave."""
    async with talk.connect(session_resumption={"handle": "nobody's"}):
        await talk.turn_complete()


async def until_the_end(talk):
    """Until the server ends the connection."""
    async with talk.connect():
        with suppress(EOFError):
            await talk.until("nothing")


async def one_reply(talk):
    """Whatever becomes of the reply."""
    async with talk.connect():
        talk.say()
        await talk.turn_complete()


async def _run(job, speech):
    options = types.HttpOptions(base_url=job["url"], api_version=job["version"])
    talk = Talk(genai.Client(api_key=job["key"], http_options=options), speech)
    refused = stuck = None
    try:
        await globals()[job["scenario"]](talk)
    except InvalidStatus as error:
        refused = error.response.status_code
    except errors.APIError as error:  # instead of setupComplete
        talk.ended = {"code": error.code, "reason": str(error)}
    except (TimeoutError, EOFError, AssertionError, ConnectionClosed) as error:
        stuck = repr(error)
    return {
        "messages": talk.raw,
        "faults": talk.faults,
        "connections": talk.connections,
        "ended": talk.ended,
        "stuck": stuck,
        "refused": refused,
    }


if __name__ == "__main__":
    given = json.load(sys.stdin)
    print(json.dumps(asyncio.run(_run(given, Path(given["audio"]).read_bytes()))))
