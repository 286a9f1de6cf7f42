"""A voice agent: hears the end of its caller's turn, answers after a delay, can be interrupted."""

from collections.abc import Mapping
from typing import Any

import orjson
import trio
import trio_websocket

from coval_load.reference.hearing import Heard, Hearing, audio_in
from coval_load.reference.line import Line
from coval_load.reference.options import AgentOptions
from coval_load.reference.speaking import GREETING, Utterance, happens_before, prepare, replies_of, speak
from coval_load.reference.spoiling import spoil_reply

CART_UPDATE = {"type": "cart_update", "event": "added", "items": 1}
# Whatever else a caller sends (an initialization message, say) gets no answer.
ANSWERED_TYPES = ("dtmf", "media")


class VoiceAgent:
    """Answers each connection by itself; holds what all of them share."""

    def __init__(self, options: AgentOptions) -> None:
        self._options = options
        self._utterances: Mapping[str, Utterance] = {} if options.voice.echo else prepare(options.voice)

    async def converse(self, line: Line) -> None:
        """Runs until the connection ends."""
        if "no-ready" not in line.kinds:
            ready = {"type": "session_ready", "session_id": f"reference-{line.number}"}
            if "no-session-id" in line.kinds:
                del ready["session_id"]
            await line.send_json(ready)
            line.stamp("ready")
        if self._options.voice.echo:
            await _echo(line)
            return
        async with trio.open_nursery() as nursery:
            talk = _Talk(line, self._options, self._utterances)
            nursery.start_soon(talk.answer)
            await talk.listen()
            nursery.cancel_scope.cancel()


async def _echo(line: Line) -> None:
    async for _, message in line.messages():
        if isinstance(message, bytes) or '"audio_chunk"' in message:
            await line.send(message)


class _Talk:
    def __init__(self, line: Line, options: AgentOptions, utterances: Mapping[str, Utterance]) -> None:
        self._line = line
        self._options = options
        self._utterances = utterances
        encoding = "ulaw" if options.voice.encoding == "ulaw" else "pcm"
        self._hearing = Hearing(options.voice.caller_rate_hz, encoding)
        self._caller_began = trio.Event()
        self._last_audible_at = 0.0
        self._replying = False
        self._stop = trio.Event()

    async def listen(self) -> None:
        async for at, message in self._line.messages():
            try:
                if isinstance(message, bytes):
                    self._take_sound(self._hearing.hear(message, at))
                else:
                    self._take_message(orjson.loads(message), at)
            except ValueError as unreadable:
                self._line.stamp("unreadable", at, reason=str(unreadable))

    def _take_message(self, message: Any, at: float) -> None:
        audio = audio_in(message)
        if audio is not None:
            self._take_sound(self._hearing.hear(audio, at))
        elif isinstance(message, dict) and message.get("type") in ANSWERED_TYPES:
            self._line.stamp("message_in", at, kind=message["type"], digit=message.get("digit"))
            self._take_sound(Heard(at, at))
        else:
            self._line.note_opening(message)

    def _take_sound(self, heard: Heard | None) -> None:
        if heard is None:
            return
        if not self._caller_began.is_set():
            if self._replying:
                self._line.stamp("barge_in_heard", heard.first_at)
                if self._options.voice.yields:
                    self._stop.set()
            self._line.turn += 1
            self._line.stamp("heard_start", heard.first_at)
            self._caller_began.set()
        self._last_audible_at = max(self._last_audible_at, heard.last_at)

    async def answer(self) -> None:
        try:
            if self._options.greeting:
                await self._reply(0, GREETING, trio.current_time())
            while True:
                await self._caller_began.wait()
                await self._hear_out()
                turn = self._line.turn
                replies = replies_of(self._options.voice)
                await self._reply(turn, replies[(turn - 1) % len(replies)], self._due())
        except (trio_websocket.ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the listening side stamps it

    async def _hear_out(self) -> None:
        end_silence_s = self._options.voice.end_silence_s
        # The caller may go on while this sleeps; no event tells that it did not.
        while trio.current_time() < self._last_audible_at + end_silence_s:  # noqa: ASYNC110
            await trio.sleep_until(self._last_audible_at + end_silence_s)
        self._caller_began = trio.Event()
        self._line.stamp("heard_end", self._last_audible_at)

    def _due(self) -> float:
        spread_s = self._line.random.uniform(-self._options.spread_s, self._options.spread_s)
        return self._last_audible_at + self._options.delay_s + spread_s

    async def _reply(self, turn: int, name: str, due: float) -> None:
        self._stop = trio.Event()
        self._replying = True
        if self._options.events and turn:
            await self._line.send_json(CART_UPDATE)
        if not await happens_before(self._stop, due):
            await self._say(self._utterances[name], turn)
        self._replying = False

    async def _say(self, utterance: Utterance, turn: int) -> None:
        if await spoil_reply(self._line, utterance.messages, self._options.close_code):
            return
        began = trio.current_time()
        await speak(self._line, utterance, self._options.voice, turn, self._stop)
        # What was sent ahead of time is still to be heard: a caller who speaks now speaks over it.
        await happens_before(self._stop, began + utterance.duration_s)
