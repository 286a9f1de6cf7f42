"""What an OpenAI Realtime server hears of its caller: the audio buffer, and the turns that it finds in it."""

from typing import Any

import attrs
import pybase64
import trio

from coval_load.reference.options import AgentOptions
from coval_load.reference.realtime.ears import Ears, SpeechStarted, SpeechStopped, hear_until
from coval_load.reference.realtime.openai_items import Item, Items
from coval_load.reference.realtime.openai_replies import GONE, Replies
from coval_load.reference.realtime.openai_session import Session
from coval_load.reference.realtime.openai_wire import Refused, Wire
from coval_load.reference.realtime.openai_wording import user_speech

LEAST_COMMIT_S = 0.1
TRANSCRIPT_PATIENCE_S = 5.0


@attrs.define
class Caller:
    """Takes `input_audio_buffer.*` events. `buffered_s` is what came since the last commit,
    `began_s` where in all audio the last speech began.
    """

    wire: Wire
    items: Items
    session: Session
    replies: Replies
    options: AgentOptions
    nursery: trio.Nursery
    ears: Ears = attrs.field(init=False)
    form: tuple[int, str] = attrs.field(init=False)
    buffered_s: float = 0.0
    began_s: float = 0.0
    item_id: str = ""

    def __attrs_post_init__(self) -> None:
        self.form = self.session.form("input")
        self.ears = Ears(*self.form, self.session.end_silence_s)

    def follow_session(self) -> None:
        """Listens as the session now says."""
        heard_s = self.ears.heard_s
        if self.form != self.session.form("input"):
            self.form = self.session.form("input")
            self.ears = Ears(*self.form)
            self.ears.heard_s = heard_s
        self.ears.end_silence_s = self.session.end_silence_s

    async def append(self, audio: Any, at: float) -> None:
        """Raises Refused where it is not base64."""
        try:
            heard = pybase64.b64decode(audio, validate=True)
        except (ValueError, TypeError):
            message = f"Invalid 'audio'. Expected base64-encoded audio bytes, but got {audio!r:.40}."
            raise Refused("invalid_value", message, "audio") from None
        before_s = self.ears.heard_s
        edges = self.ears.hear(heard, at)
        self.buffered_s += self.ears.heard_s - before_s
        for edge in edges:
            if isinstance(edge, SpeechStarted):
                await self._begin(edge)
            else:
                await self._end(edge)

    async def commit(self) -> None:
        """The caller says that its turn is over. Raises Refused where it said hardly anything."""
        if self.buffered_s < LEAST_COMMIT_S - 1e-9:
            raise Refused(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio,"
                f" but buffer only has {self.buffered_s * 1000:.2f}ms of audio.",
            )
        stopped = self.ears.finish()
        if stopped is None:
            self.wire.line.turn += 1 + self.replies.take_written()
        else:
            self.wire.line.stamp("heard_end", stopped.at)
        self.replies.ask(trio.current_time() if stopped is None else stopped.at)
        await self._commit(self.buffered_s)

    async def clear(self) -> None:
        self.buffered_s = 0.0
        self.ears.finish()
        await self.wire.emit("input_audio_buffer.cleared")

    async def _begin(self, edge: SpeechStarted) -> None:
        line, detection = self.wire.line, self.session.detection
        await hear_until(edge.at)
        if self.replies.is_heard(edge.at):
            line.stamp("barge_in_heard", edge.at)
        line.turn += 1 + self.replies.take_written()
        line.stamp("heard_start", edge.at)
        self.item_id = self.wire.new_id("item")
        if detection is None:
            return
        self.began_s = max(0.0, edge.offset_s - self.session.prefix_s)
        interrupts = detection["interrupt_response"] and self.options.voice.yields
        if interrupts:
            self.replies.hush()
        line.stamp("speech_started_sent")
        await self.wire.emit(
            "input_audio_buffer.speech_started", audio_start_ms=round(self.began_s * 1000), item_id=self.item_id
        )
        if interrupts:
            self.replies.break_off("turn_detected")

    async def _end(self, edge: SpeechStopped) -> None:
        line, detection = self.wire.line, self.session.detection or {}
        await hear_until(edge.known_at)
        line.stamp("heard_end", edge.at)
        line.stamp("speech_stopped_sent")
        audio_end_ms = round(edge.known_offset_s * 1000)
        await self.wire.emit("input_audio_buffer.speech_stopped", audio_end_ms=audio_end_ms, item_id=self.item_id)
        self.replies.ask(edge.at)
        await self._commit(edge.known_offset_s - self.began_s)
        if detection.get("create_response"):
            self.nursery.start_soon(self.replies.answer)

    async def _commit(self, seconds: float) -> None:
        self.buffered_s = 0.0
        item_id, self.item_id = self.item_id or self.wire.new_id("item"), ""
        item = Item(user_speech(item_id))
        previous = self.items.add(item)
        self.replies.tokens.hear(seconds)
        await self.wire.emit("input_audio_buffer.committed", previous_item_id=previous, item_id=item_id)
        await self.wire.emit("conversation.item.added", previous_item_id=previous, item=item.body)
        await self.wire.emit("conversation.item.done", previous_item_id=previous, item=item.body)
        if self.options.realtime.complaints:
            await self.wire.refuse(
                Refused("input_audio_buffer_commit_empty", "Error committing input audio buffer: the buffer is empty.")
            )
        if self.session.transcribes and self.options.realtime.transcripts:
            self.nursery.start_soon(self._transcribe, item, self.wire.line.turn, seconds)

    async def _transcribe(self, item: Item, turn: int, seconds: float) -> None:
        """In no order with the response: before it for odd turns, after it for even ones."""
        if turn % 2 == 0:
            with trio.move_on_after(TRANSCRIPT_PATIENCE_S):
                await self.replies.next_end.wait()
        words = f"What the caller said in turn {turn}."
        item.body["content"][0]["transcript"] = words
        kind, place = "conversation.item.input_audio_transcription", {"item_id": item.body["id"], "content_index": 0}
        try:
            for piece in (words[:15], words[15:]):
                await self.wire.emit(f"{kind}.delta", **place, delta=piece)
            usage = {"type": "duration", "seconds": round(seconds, 3)}
            await self.wire.emit(f"{kind}.completed", **place, transcript=words, usage=usage)
        except GONE:
            return  # the listening side stamps it
