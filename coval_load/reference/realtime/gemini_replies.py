"""The agent's side of a Gemini Live conversation: what it answers to each turn, and how that ends."""

from collections.abc import Sequence
from typing import Any

import attrs
import orjson
import trio
import trio_websocket

from coval_load.reference.line import Line
from coval_load.reference.options import AgentOptions
from coval_load.reference.realtime import gemini_wording as wording
from coval_load.reference.realtime.gemini_fields import INTERNAL_ERROR, Refused
from coval_load.reference.realtime.gemini_sending import Sender
from coval_load.reference.realtime.gemini_sessions import Session, Sessions
from coval_load.reference.realtime.gemini_setup import SetUp
from coval_load.reference.realtime.gemini_turns import Prompt, Turns
from coval_load.reference.realtime.mouth import Delta, Playback, Speech, Voice, reply_due, share_words
from coval_load.reference.realtime.tools import tool_call
from coval_load.reference.speaking import happens_before
from coval_load.reference.spoiling import spoil_reply

TEXT_PIECES = 4
HEARD_PIECES = 2
STRAY_DELTAS = 3
EXHAUSTED = "RESOURCE_EXHAUSTED: You exceeded your current quota, please check your plan and billing details."
# The API has no error that ends nothing; this is what its other methods send, and what its client takes for one.
COMPLAINT = {"error": {"code": 400, "message": "Request contains an invalid argument.", "status": "INVALID_ARGUMENT"}}
UNKNOWN_MESSAGE = {"futureEvent": {"level": 3}}
UNKNOWN_CONTENT = {"serverContent": {"futureField": {"level": 3}}}
# How a turn ends that was not spoken to its end, in the words of google.genai.types.TurnCompleteReason.
REASONS = {"incomplete": "MAX_REGENERATION_REACHED", "failed": "RESPONSE_REJECTED"}


@attrs.define
class Replies:
    """Answers the prompts of one connection."""

    line: Line
    sender: Sender
    options: AgentOptions
    voice: Voice
    setup: SetUp
    session: Session
    sessions: Sessions
    turns: Turns
    _replied: int = 0

    async def answer(self) -> None:
        """Runs until it is cancelled. Raises `Refused` where the API ends the connection."""
        try:
            async for prompt in self.turns.prompts:
                if not self.turns.is_over(prompt):
                    await self._answer(prompt)
        except (trio_websocket.ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the listening side stamps it

    async def _answer(self, prompt: Prompt) -> None:
        self.turns.stop = trio.Event()
        self.turns.is_replying = True
        self.session.turn = prompt.turn
        await self._tell_what_was_heard(prompt)
        if not await happens_before(self.turns.stop, self._due(prompt)):
            await self._reply(prompt)
        self.turns.is_replying = False

    def _due(self, prompt: Prompt) -> float:
        # A caller may ask for a silence before the end of its turn that is longer than the delay.
        now = trio.current_time()
        return max(now, reply_due(self.options, self.line.random, prompt.ended_at)) if prompt.turn else now

    async def _tell_what_was_heard(self, prompt: Prompt) -> None:
        self.session.text_tokens += wording.tokens_of(prompt.text) if prompt.text else 0
        self.session.audio_tokens += round(prompt.seconds * wording.AUDIO_TOKENS_PER_S)
        if prompt.seconds and self.setup.transcribes_caller and self.options.realtime.transcripts:
            pieces = share_words(f"what the caller said in turn {prompt.turn}", HEARD_PIECES)
            for nth, piece in enumerate(pieces, start=1):
                await self.sender.send(wording.heard_words(piece, finished=nth == HEARD_PIECES))

    async def _reply(self, prompt: Prompt) -> None:
        self._count()
        speech = self._speech(prompt)
        if await spoil_reply(self.line, self._whole(speech), self.options.close_code):
            return
        if "unknown-event" in self.line.kinds:
            self.line.stamp("misbehaved", kind="unknown-event")
            await self.sender.send(UNKNOWN_MESSAGE)
            await self.sender.send(UNKNOWN_CONTENT)
        if self.options.realtime.complaints:
            await self.sender.send(COMPLAINT)
        usage = wording.Usage(self.session)
        if not await self._call_tools(prompt, usage):
            await self._end_interrupted(usage)
            return
        match self._kind(prompt), self._status(prompt):
            case _, "failed":
                await self._end(usage, "failed")
            case "nothing", _:
                await self.sender.send(wording.WAITING_FOR_INPUT)
                await self._end(usage, "completed")
            case "text", status:
                await self._write(speech, prompt, status, usage)
            case _, status:
                await self._speak(speech, prompt, status, usage)

    def _count(self) -> None:
        limit = self.options.realtime.requests_limit
        if limit is not None and self._replied >= limit:
            self.line.stamp("misbehaved", kind="rate-limit")
            raise Refused(INTERNAL_ERROR, EXHAUSTED)
        self._replied += 1

    def _kind(self, prompt: Prompt) -> str:
        kind = self.options.realtime.reply_kind(prompt.turn) if prompt.turn else "audio"
        return "text" if kind == "audio" and not self.setup.speaks else kind

    def _status(self, prompt: Prompt) -> str:
        return self.options.realtime.reply_status(prompt.turn) if prompt.turn else "completed"

    def _speech(self, prompt: Prompt) -> Speech:
        rate_hz = self.options.voice.agent_rate_hz
        return self.voice.reply(prompt.turn, rate_hz, "pcm") if prompt.turn else self.voice.greeting(rate_hz, "pcm")

    def _whole(self, speech: Speech) -> Sequence[str]:
        if not self.line.kinds:
            return ()
        rate_hz = self.options.voice.agent_rate_hz
        audio = [wording.encode_audio(delta.audio, rate_hz).decode() for delta in speech.deltas]
        ending = (wording.GENERATION_COMPLETE, wording.turn_complete(None, None))
        return [*audio, *(orjson.dumps(message).decode() for message in ending)]

    async def _call_tools(self, prompt: Prompt, usage: wording.Usage) -> bool:
        """Whether all results came; False where the caller went on before."""
        for nth in range(1, self.options.realtime.tool_rounds + 1 if prompt.turn else 1):
            call = tool_call(prompt.turn, nth)
            name = call.name if call.name in self.setup.tools or not self.setup.tools else self.setup.tools[0]
            # Handles are for between turns: "resuming in such state will result in some data loss".
            await self._tell_of_handle(wording.NOT_RESUMABLE)
            self.turns.await_results([call.call_id])
            usage.wrote(call.arguments)
            self.line.stamp("tool_called", turn=prompt.turn, call_id=call.call_id)
            function = {"id": call.call_id, "name": name, "args": orjson.loads(call.arguments)}
            await self.sender.send(wording.tool_call([function]))
            if not await self._get_results():
                await self.sender.send(wording.tool_call_cancellation(self.turns.cancel_calls()))
                return False
            due = reply_due(self.options, self.line.random, trio.current_time())
            if await happens_before(self.turns.stop, due):
                return False
        return True

    async def _get_results(self) -> bool:
        """Whether they came before the caller went on."""
        async with trio.open_nursery() as nursery:
            for event in (self.turns.stop, self.turns.has_results):
                nursery.start_soon(_cancel_after, event, nursery.cancel_scope)
        return self.turns.has_results.is_set()

    async def _write(self, speech: Speech, prompt: Prompt, status: str, usage: wording.Usage) -> None:
        pieces = [piece for piece in share_words(speech.text, TEXT_PIECES) if piece]
        if status != "completed":
            pieces = pieces[: len(pieces) // 2]
        self.line.stamp("message_out", turn=prompt.turn, part=0, parts=1)
        for piece in pieces:
            usage.wrote(piece)
            await self.sender.send(wording.text_part(piece))
        await self._end_as(status, usage, played=None)

    async def _speak(self, speech: Speech, prompt: Prompt, status: str, usage: wording.Usage) -> None:
        if status != "completed":
            speech = attrs.evolve(speech, deltas=speech.deltas[: max(1, len(speech.deltas) // 2)])
        playback = Playback(speech, self.options.voice)
        await playback.send(self.line, prompt.turn, self.turns.stop, self._send_delta)
        usage.said(playback.sent_s)
        if self.turns.stop.is_set():
            await self._end_interrupted(usage, speech)
        else:
            await self._end_as(status, usage, playback)

    async def _send_delta(self, delta: Delta) -> None:
        await self.sender.send_encoded(wording.encode_audio(delta.audio, self.options.voice.agent_rate_hz))
        if delta.words and self.setup.transcribes_agent and self.options.realtime.transcripts:
            await self.sender.send(wording.said_words(delta.words))

    async def _end_as(self, status: str, usage: wording.Usage, played: Playback | None) -> None:
        if "unfinished" in self.line.kinds:
            self.line.stamp("misbehaved", kind="unfinished")
            return
        if status == "cancelled":
            await self._end_interrupted(usage)
            return
        if played and self.setup.transcribes_agent and self.options.realtime.transcripts:
            await self.sender.send(wording.said_words("", finished=True))
        if status == "completed":
            await self.sender.send(wording.GENERATION_COMPLETE)
        if played and await played.hear_out(self.turns.stop):
            await self._end_interrupted(usage, played.speech)
        else:
            await self._end(usage, status)

    async def _end_interrupted(self, usage: wording.Usage, speech: Speech | None = None) -> None:
        await self.sender.send(wording.INTERRUPTED)
        if speech and "stray-audio" in self.line.kinds:
            self.line.stamp("misbehaved", kind="stray-audio")
            for delta in speech.deltas[-STRAY_DELTAS:]:
                await self._send_delta(delta)
        await self._end(usage, "cancelled")

    async def _end(self, usage: wording.Usage, status: str) -> None:
        await self.sender.send(wording.turn_complete(usage.metadata(), REASONS.get(status)))
        self.line.stamp("response_done", turn=self.session.turn, status=status)
        await self._tell_of_handle()

    async def _tell_of_handle(self, update: dict[str, Any] | None = None) -> None:
        if self.setup.resumes and self.options.realtime.resumption:
            await self.sender.send(update or wording.resumption_update(self.sessions.keep(self.session)))


async def _cancel_after(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
