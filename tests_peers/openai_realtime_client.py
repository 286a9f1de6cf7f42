"""Talks to a realtime server with the `openai` package's own client. Runs in its environment.

Takes a job as JSON on standard input: `url` (of the API, without `/realtime`), `ca`, `key`, `headers`, `format` (the
API's audio format), `audio` (a file of what the caller says in it, without a header) and `scenario`, a function below.
Prints JSON: `events` as they came, audio as its number of bytes, each with `at` (seconds since the connection was up);
`faults` of those; how the connection ended.
"""

import asyncio
import base64
import json
import ssl
import sys
from contextlib import suppress
from pathlib import Path

from openai import AsyncOpenAI
from websockets.exceptions import ConnectionClosed, InvalidStatus

from openai_types import faults

FRAME_S = 0.02
SILENCE = {
    "audio/pcm": bytes(round(24_000 * FRAME_S) * 2),
    "audio/pcmu": b"\xff" * round(8_000 * FRAME_S),
    "audio/pcma": b"\xd5" * round(8_000 * FRAME_S),
}
"""A frame of each format."""
WAIT_S = 15
BY_HAND = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
TOOL = {
    "type": "function",
    "name": "look_up_order",
    "description": "looks up an order",
    "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}},
}


def session(form):
    """What is asked for, with audio of this format both ways."""
    hearing = {
        "format": form,
        "turn_detection": {"type": "server_vad"},
        "transcription": {"model": "gpt-4o-mini-transcribe"},
    }
    audio = {"input": hearing, "output": {"format": form, "voice": "alloy"}}
    return {"type": "realtime", "instructions": "be brief", "output_modalities": ["audio"], "audio": audio}


class Talk:
    """One connection: its microphone, and all that came, as the package's own objects."""

    def __init__(self, connection, form, speech):
        self.connection = connection
        self.session = session(form)
        self.silence = SILENCE[form["type"]]
        self.speech = speech
        self.events = []
        self.faults = []
        self.seen = 0
        self.ended = None
        self.news = asyncio.Event()
        self.began = asyncio.get_running_loop().time()
        self.said = []
        self.silent = asyncio.Event()

    async def listen(self):
        try:
            while True:
                self.take(await self.connection.recv_bytes())
        except ConnectionClosed as closed:
            frame = closed.rcvd
            self.ended = {"code": frame.code if frame else None, "reason": frame.reason if frame else None}
            self.news.set()

    def take(self, data):
        event, raw = self.connection.parse_event(data), json.loads(data)
        self.faults += faults("server", raw)
        if event.type == "response.output_audio.delta":
            raw["delta"] = len(base64.b64decode(event.delta, validate=True))
        self.events.append((event, {**raw, "at": asyncio.get_running_loop().time() - self.began}))
        self.news.set()

    async def until(self, kind):
        """The next event of this type after the one that was awaited last."""
        async with asyncio.timeout(WAIT_S):
            while True:
                while self.seen < len(self.events):
                    event = self.events[self.seen][0]
                    self.seen += 1
                    if event.type == kind:
                        return event
                if self.ended:
                    raise EOFError(f"the connection ended while {kind} was awaited: {self.ended}")
                self.news.clear()
                await self.news.wait()

    async def microphone(self):
        """In real time, silence where nothing is said."""
        clock = asyncio.get_running_loop()
        due = clock.time()
        with suppress(ConnectionClosed):
            while True:
                frame = self.said.pop(0) if self.said else self.silence
                if not self.said:
                    self.silent.set()
                await self.connection.input_audio_buffer.append(audio=base64.b64encode(frame).decode())
                due += FRAME_S
                await asyncio.sleep(max(0, due - clock.time()))

    def say(self):
        self.silent.clear()
        step = len(self.silence)
        self.said += [self.speech[at : at + step] for at in range(0, len(self.speech), step)]

    async def set_up(self, **changes):
        await self.until("session.created")
        await self.connection.session.update(session={**self.session, **changes})
        await self.until("session.updated")

    async def type(self, text):
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await self.connection.conversation.item.create(item=item)


async def turns(talk):
    """Two turns, detected by the server."""
    await talk.set_up()
    for _ in range(2):
        talk.say()
        await talk.until("response.done")
        await asyncio.sleep(0.5)


async def by_hand(talk):
    """A turn that the caller commits, without detection."""
    await talk.set_up()
    await talk.connection.session.update(session=BY_HAND)
    await talk.until("session.updated")
    talk.say()
    await talk.silent.wait()
    await asyncio.sleep(0.5)
    await talk.connection.input_audio_buffer.commit()
    await talk.until("input_audio_buffer.committed")
    await talk.connection.response.create()
    await talk.until("response.done")


async def barge_in(talk):
    """The caller speaks over the reply, and says how much of it was heard."""
    await talk.set_up()
    talk.say()
    first = await talk.until("response.output_audio.delta")
    await asyncio.sleep(0.5)
    talk.say()
    await talk.until("input_audio_buffer.speech_started")
    await talk.connection.conversation.item.truncate(item_id=first.item_id, content_index=0, audio_end_ms=400)
    await talk.until("conversation.item.truncated")
    await talk.until("response.done")


async def cancel(talk):
    """The caller's side breaks a reply off by a message of its own."""
    await talk.set_up()
    await talk.type("hello")
    await talk.connection.response.create()
    await talk.until("response.output_audio.delta")
    await talk.connection.response.cancel()
    await talk.until("response.done")


async def tool(talk):
    """A call of a tool is answered, and the reply goes on."""
    await talk.set_up(tools=[TOOL], tool_choice="auto")
    talk.say()
    called = await talk.until("response.function_call_arguments.done")
    await talk.until("response.done")
    output = {"type": "function_call_output", "call_id": called.call_id, "output": '{"state": "sent"}'}
    await talk.connection.conversation.item.create(item=output)
    await talk.connection.response.create()
    await talk.until("response.done")


async def text(talk):
    """The caller types, and wants text."""
    await talk.set_up(output_modalities=["text"])
    await talk.type("hello")
    await talk.connection.response.create()
    await talk.until("response.done")


async def mistakes(talk):
    """What the session survives: then a turn as ever."""
    await talk.set_up()
    await talk.connection.send_raw(json.dumps({"type": "input_audio_buffer.appendix", "event_id": "mine-1"}))
    await talk.until("error")
    await talk.connection.response.cancel(event_id="mine-2")
    await talk.until("error")
    await talk.connection.conversation.item.truncate(
        item_id="nobody", content_index=0, audio_end_ms=1, event_id="mine-3"
    )
    await talk.until("error")
    await talk.connection.send_raw("no JSON")
    await talk.until("error")
    talk.say()
    await talk.until("response.done")


async def until_the_end(talk):
    """Until the server ends the session."""
    await talk.set_up()
    with suppress(EOFError):
        await talk.until("nothing")


async def one_reply(talk):
    """Whatever becomes of the reply."""
    await talk.set_up()
    talk.say()
    await talk.until("response.done")


async def _run(job, speech):
    client = AsyncOpenAI(api_key=job["key"], base_url=job["url"])
    options = {"ssl": ssl.create_default_context(cafile=job["ca"])}
    try:
        async with client.realtime.connect(
            model="gpt-realtime", extra_headers=job["headers"], websocket_connection_options=options
        ) as connection:
            return await _talk(connection, job, speech)
    except InvalidStatus as refused:
        return {"refused": refused.response.status_code}


async def _talk(connection, job, speech):
    talk = Talk(connection, job["format"], speech)
    tasks = [asyncio.create_task(talk.listen()), asyncio.create_task(talk.microphone())]
    stuck = None
    try:
        await globals()[job["scenario"]](talk)
    except (TimeoutError, EOFError, ConnectionClosed) as error:
        stuck = repr(error)
    for task in tasks:
        task.cancel()
    events = [raw for _, raw in talk.events]
    return {"events": events, "faults": talk.faults, "ended": talk.ended, "stuck": stuck, "refused": None}


if __name__ == "__main__":
    given = json.load(sys.stdin)
    print(json.dumps(asyncio.run(_run(given, Path(given["audio"]).read_bytes()))))
