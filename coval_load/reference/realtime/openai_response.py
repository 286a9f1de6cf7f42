"""One response of an OpenAI Realtime server, from `response.created` to `response.done`."""

from typing import Any

import attrs
import trio

from coval_load.reference.chat_reply import Call, cut
from coval_load.reference.misbehaviour import AT_REPLY
from coval_load.reference.options import AgentOptions
from coval_load.reference.realtime.mouth import Delta, Playback, Speech
from coval_load.reference.realtime.openai_items import Item, Items
from coval_load.reference.realtime.openai_limits import RateLimits
from coval_load.reference.realtime.openai_wire import Wire
from coval_load.reference.realtime.openai_wording import (
    RATE_LIMITED,
    SERVER_ERROR,
    Tokens,
    agent_message,
    function_call,
)
from coval_load.reference.speaking import happens_before
from coval_load.reference.spoiling import spoil_reply

TEXT_PIECES = 5


@attrs.frozen
class Intent:
    """What a response is going to be: `kind` is `audio`, `text`, `call` or `nothing`, `status` how it ends."""

    turn: int
    kind: str
    status: str
    due: float
    speech: Speech
    call: Call | None = None
    shown: dict[str, Any] = attrs.field(factory=dict)


class Response:
    """Runs once. `stop` breaks it off, between two deltas; `stop_reason` then says why."""

    def __init__(self, wire: Wire, items: Items, options: AgentOptions, intent: Intent) -> None:
        self.id = wire.new_id("resp")
        self.stop = trio.Event()
        self.finished = trio.Event()
        self.stop_reason = ""
        self.is_over = False
        self.playback: Playback | None = None
        self._wire = wire
        self._items = items
        self._options = options
        self._intent = intent
        self._item: Item | None = None
        self._said = ""
        self._status = intent.status
        self._previous: str | None = None

    async def run(self, limits: RateLimits, tokens: Tokens) -> None:
        """Until everything of it was sent."""
        if "silence" in self._wire.line.kinds:
            self._wire.line.stamp("misbehaved", kind="silence")
            return
        is_allowed = limits.take(trio.current_time())
        await self._wire.emit("response.created", response=self._shown("in_progress", None, None))
        await self._wire.emit("rate_limits.updated", rate_limits=limits.told(trio.current_time()))
        if not is_allowed:
            await self._finish("failed", tokens, RATE_LIMITED | {"message": limits.refusal(trio.current_time())})
            return
        if await happens_before(self.stop, self._intent.due):
            await self._finish("cancelled", tokens)
        elif self._intent.status == "failed":
            await self._finish("failed", tokens, SERVER_ERROR)
        else:
            await self._answer()
            if "unfinished" in self._wire.line.kinds:
                self._wire.line.stamp("misbehaved", kind="unfinished")
                return
            await self._finish(self._status, tokens)

    async def _answer(self) -> None:
        if "unknown-event" in self._wire.line.kinds:
            self._wire.line.stamp("misbehaved", kind="unknown-event")
            await self._emit("response.mood.changed", mood={"name": "cheerful", "words": ["hello", None]})
        match self._intent.kind:
            case "audio":
                await self._say()
            case "text":
                await self._write()
            case "call":
                await self._call()

    async def _say(self) -> None:
        speech = self._intent.speech
        if self._intent.status in ("incomplete", "cancelled"):
            speech = attrs.evolve(speech, deltas=speech.deltas[: max(1, len(speech.deltas) // 2)])
        self.playback = playback = Playback(speech, self._options.voice)
        item = await self._begin(agent_message(self._wire.new_id("item")), playback)
        await self._emit_part("response.content_part.added", {"type": "audio", "transcript": ""})
        if not await self._spoil(speech):
            # One that goes on after an interruption has not noticed it.
            stop = trio.Event() if "stray-audio" in self._wire.line.kinds else self.stop
            await playback.send(self._wire.line, self._intent.turn, stop, self._say_delta)
            if stop is not self.stop and self.stop.is_set():
                self._wire.line.stamp("misbehaved", kind="stray-audio")
        if "unfinished" in self._wire.line.kinds:
            return
        self._said = playback.words
        item.body["content"] = [{"type": "output_audio", "transcript": playback.words}]
        await self._emit_content("response.output_audio.done")
        if self._options.realtime.transcripts:
            await self._emit_content("response.output_audio_transcript.done", transcript=playback.words)
        await self._emit_part("response.content_part.done", {"type": "audio", "transcript": playback.words})
        await self._end_item(item)

    async def _spoil(self, speech: Speech) -> bool:
        if not self._wire.line.kinds & AT_REPLY:
            return False
        messages = [self._content("response.output_audio.delta", delta=delta.audio) for delta in speech.deltas]
        return await spoil_reply(self._wire.line, messages, self._options.close_code)

    async def _say_delta(self, delta: Delta) -> None:
        await self._emit_content("response.output_audio.delta", delta=delta.audio)
        if delta.words and self._options.realtime.transcripts:
            await self._emit_content("response.output_audio_transcript.delta", delta=delta.words)

    async def _write(self) -> None:
        item = await self._begin(agent_message(self._wire.new_id("item")))
        await self._emit_part("response.content_part.added", {"type": "text", "text": ""})
        pieces = cut(self._intent.speech.text, TEXT_PIECES)
        if self._intent.status in ("incomplete", "cancelled"):
            pieces = pieces[: TEXT_PIECES // 2]
        self._said = "".join(pieces)
        self._wire.line.stamp("message_out", turn=self._intent.turn, part=0, parts=1)
        for piece in pieces:
            await self._emit_content("response.output_text.delta", delta=piece)
        item.body["content"] = [{"type": "output_text", "text": self._said}]
        await self._emit_content("response.output_text.done", text=self._said)
        await self._emit_part("response.content_part.done", {"type": "text", "text": self._said})
        await self._end_item(item)

    async def _call(self) -> None:
        call = self._intent.call
        assert call is not None
        item = await self._begin(function_call(self._wire.new_id("item"), call.call_id, call.name))
        self._said = call.arguments
        self._wire.line.stamp("tool_called", turn=self._intent.turn, call_id=call.call_id)
        kind = "response.function_call_arguments"
        for piece in cut(call.arguments, 2):
            await self._emit_of_item(f"{kind}.delta", call_id=call.call_id, delta=piece)
        item.body["arguments"] = call.arguments
        await self._emit_of_item(f"{kind}.done", call_id=call.call_id, name=call.name, arguments=call.arguments)
        await self._end_item(item)

    async def _begin(self, body: dict[str, Any], playback: Playback | None = None) -> Item:
        self._item = item = Item(body, playback)
        self._previous = previous = self._items.add(item)
        await self._emit("response.output_item.added", output_index=0, item=body)
        await self._wire.emit("conversation.item.added", previous_item_id=previous, item=body)
        return item

    async def _end_item(self, item: Item) -> None:
        if self.stop.is_set():
            self._status = "cancelled"
        item.body["status"] = "completed" if self._status == "completed" else "incomplete"
        await self._wire.emit("conversation.item.done", previous_item_id=self._previous, item=item.body)
        await self._emit("response.output_item.done", output_index=0, item=item.body)

    async def _finish(self, status: str, tokens: Tokens, error: dict[str, Any] | None = None) -> None:
        details = {
            "completed": None,
            "cancelled": {"type": status, "reason": self.stop_reason or "turn_detected"},
            "incomplete": {"type": status, "reason": "max_output_tokens"},
            "failed": {"type": status, "error": error},
        }[status]
        spoken_s = self.playback.sent_s if self.playback else 0.0
        usage = tokens.usage(spoken_s, self._said) if status != "failed" else None
        self._wire.line.stamp("response_done", turn=self._intent.turn, status=status)
        # The caller may ask for the next one as soon as it has read this.
        self.is_over = True
        await self._wire.emit("response.done", response=self._shown(status, details, usage))

    def _shown(self, status: str, details: dict[str, Any] | None, usage: dict[str, Any] | None) -> dict[str, Any]:
        output = [] if self._item is None else [self._item.body]
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": output,
            "usage": usage,
            **self._intent.shown,
        }

    def _content(self, kind: str, **more: Any) -> str:
        item_id = self._item.body["id"] if self._item else ""
        place = {"response_id": self.id, "item_id": item_id, "output_index": 0, "content_index": 0}
        return self._wire.message(kind, **place, **more)

    async def _emit_content(self, kind: str, **more: Any) -> None:
        await self._wire.line.send(self._content(kind, **more))

    async def _emit_part(self, kind: str, part: dict[str, Any]) -> None:
        await self._emit_content(kind, part=part)

    async def _emit_of_item(self, kind: str, **more: Any) -> None:
        item_id = self._item.body["id"] if self._item else ""
        await self._emit(kind, item_id=item_id, output_index=0, **more)

    async def _emit(self, kind: str, **more: Any) -> None:
        await self._wire.emit(kind, response_id=self.id, **more)
