"""An agent that speaks the OpenAI Realtime API: its sessions, and the client events it takes."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import trio

from coval_load.reference.line import Line
from coval_load.reference.options import AgentOptions
from coval_load.reference.realtime.mouth import Voice
from coval_load.reference.realtime.openai_caller import Caller
from coval_load.reference.realtime.openai_fields import FORMS, as_object, check_known, check_modalities
from coval_load.reference.realtime.openai_items import Item, Items
from coval_load.reference.realtime.openai_replies import GONE, Replies
from coval_load.reference.realtime.openai_session import MOST_SESSION_S, Session
from coval_load.reference.realtime.openai_wire import INVALID, Refused, Wire
from coval_load.reference.realtime.papers import AUDIO_FORMATS

BETA_GONE = 4000
GOING_AWAY = 1001


class OpenAIAgent:
    """Answers each connection by itself; holds what all of them share."""

    def __init__(self, options: AgentOptions) -> None:
        self._options = options
        self._voice = Voice(options.voice)
        self._voice.prepare(*FORMS[AUDIO_FORMATS[options.voice.encoding]])

    async def converse(self, line: Line) -> None:
        """Runs until the connection ends."""
        wire = Wire(line)
        try:
            if "openai-beta" in line.headers:
                await _refuse_beta(wire)
                return
            async with trio.open_nursery() as nursery:
                await _Talk(wire, self._options, self._voice, nursery).listen()
                nursery.cancel_scope.cancel()
        except* GONE:
            line.stamp("closed", code=None)


async def _refuse_beta(wire: Wire) -> None:
    message = "The Realtime Beta API is no longer supported. Please use the GA API instead."
    await wire.report(INVALID, "beta_api_shape_disabled", message)
    await wire.line.close(BETA_GONE, INVALID + ".beta_api_shape_disabled")


class _Talk:
    def __init__(self, wire: Wire, options: AgentOptions, voice: Voice, nursery: trio.Nursery) -> None:
        self._wire = wire
        self._options = options
        self._nursery = nursery
        self._items = Items()
        model = parse_qs(urlsplit(wire.line.target).query).get("model", ["gpt-realtime"])[0]
        self._session = Session(wire.new_id("sess"), model, options.realtime.session_limit_s, options.voice)
        self._replies = Replies(wire, self._items, self._session, options, voice, nursery)
        self._caller = Caller(wire, self._items, self._session, self._replies, options, nursery)
        self._is_ready = False
        self._takes: Mapping[str, Callable[[dict[str, Any], float], Awaitable[None]]] = {
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
            "session.update": self._update,
            "conversation.item.create": self._create_item,
            "conversation.item.truncate": self._truncate,
            "conversation.item.delete": self._delete,
            "conversation.item.retrieve": self._retrieve,
            "response.create": self._create,
            "response.cancel": self._cancel,
        }

    async def listen(self) -> None:
        if "no-ready" not in self._wire.line.kinds:
            await self._wire.emit("session.created", session=self._session.settings)
        self._nursery.start_soon(self._expire)
        async for at, message in self._wire.line.messages():
            event_id = None
            try:
                event = _read(message)
                event_id = event.get("event_id")
                await self._take(event, at)
            except Refused as refused:
                self._wire.line.stamp("unreadable", at, reason=str(refused))
                await self._wire.refuse(refused, event_id if isinstance(event_id, str) else None)

    async def _take(self, event: dict[str, Any], at: float) -> None:
        kind = event.get("type")
        take = self._takes.get(kind) if isinstance(kind, str) else None
        if take is None:
            names = ", ".join(f"'{name}'" for name in self._takes)
            raise Refused("invalid_value", f"Invalid value: {kind!r:.80}. Supported values are: {names}.", "type")
        await take(event, at)

    async def _expire(self) -> None:
        limit_s = self._options.realtime.session_limit_s
        lasts_s = MOST_SESSION_S if limit_s is None else limit_s
        await trio.sleep(lasts_s)
        message = f"Your session hit the maximum duration of {lasts_s / 60:g} minutes."
        self._wire.line.stamp("expired")
        try:
            await self._wire.report(INVALID, "session_expired", message)
            await self._wire.line.close(GOING_AWAY, message)
        except GONE:
            return  # the listening side stamps it

    async def _append(self, event: dict[str, Any], at: float) -> None:
        await self._caller.append(event.get("audio"), at)

    async def _commit(self, event: dict[str, Any], at: float) -> None:
        await self._caller.commit()

    async def _clear(self, event: dict[str, Any], at: float) -> None:
        await self._caller.clear()

    async def _update(self, event: dict[str, Any], at: float) -> None:
        line = self._wire.line
        if "refused-setup" in line.kinds:
            line.stamp("misbehaved", kind="refused-setup")
            raise Refused("invalid_model", f'Model "{self._session.settings["model"]}" is not supported.', "model")
        self._session.update(event.get("session"))
        self._caller.follow_session()
        if "no-ready" in line.kinds:
            return
        await self._wire.emit("session.updated", session=self._session.settings)
        if not self._is_ready:
            self._is_ready = True
            line.stamp("ready")

    async def _create_item(self, event: dict[str, Any], at: float) -> None:
        body = dict(as_object(event.get("item"), "item"))
        kind = body.get("type")
        if kind not in ("message", "function_call", "function_call_output"):
            raise Refused("invalid_value", f"Invalid value: {kind!r:.80}.", "item.type")
        if kind == "function_call_output" and not self._items.has_call(body.get("call_id")):
            words = f"Tool call ID {body.get('call_id')!r:.80} not found in conversation."
            raise Refused("invalid_tool_call_id", words, "item.call_id")
        body = {"id": self._wire.new_id("item"), "object": "realtime.item", "status": "completed", **body}
        previous = self._items.add(Item(body), event.get("previous_item_id"))
        self._replies.tokens.read(orjson.dumps(body).decode())
        await self._wire.emit("conversation.item.added", previous_item_id=previous, item=body)
        await self._wire.emit("conversation.item.done", previous_item_id=previous, item=body)
        self._note(body, at)

    def _note(self, body: dict[str, Any], at: float) -> None:
        line = self._wire.line
        if body["type"] == "function_call_output":
            line.stamp("tool_answered", at, call_id=body["call_id"])
        elif body.get("role") == "user":
            self._replies.write(at)

    async def _truncate(self, event: dict[str, Any], at: float) -> None:
        end_ms = event.get("audio_end_ms")
        item = self._items.truncate(event.get("item_id"), event.get("content_index"), end_ms)
        place = {"item_id": item.body["id"], "content_index": 0, "audio_end_ms": end_ms}
        heard_s = item.playback.heard_s(at) if item.playback else 0.0
        self._wire.line.stamp("truncated", at, **place, heard_s=heard_s)
        await self._wire.emit("conversation.item.truncated", **place)

    async def _delete(self, event: dict[str, Any], at: float) -> None:
        self._items.delete(event.get("item_id"))
        await self._wire.emit("conversation.item.deleted", item_id=event["item_id"])

    async def _retrieve(self, event: dict[str, Any], at: float) -> None:
        item = self._items.get(event.get("item_id"), "retrieve")
        await self._wire.emit("conversation.item.retrieved", item=item.body)

    async def _create(self, event: dict[str, Any], at: float) -> None:
        params = event.get("response") or {}
        check_known(params, "response")
        if "output_modalities" in params:
            check_modalities(params["output_modalities"], "response.output_modalities")
        self._replies.create(params)

    async def _cancel(self, event: dict[str, Any], at: float) -> None:
        if not self._replies.break_off("client_cancelled", event.get("response_id")):
            raise Refused("response_cancel_not_active", "Cancellation failed: no active response found")


def _read(message: str | bytes) -> dict[str, Any]:
    try:
        return as_object(orjson.loads(message), "event")
    except ValueError:
        raise Refused("invalid_json", "Could not parse the message as JSON.") from None
