"""A chat agent: answers each message after a delay, in one or more parts."""

import math
from typing import Any

import orjson
import trio
import trio_websocket

from coval_load.reference.line import Line
from coval_load.reference.options import AgentOptions
from coval_load.reference.spoiling import spoil_reply

GREETING = "Hello, how can I help you today?"
CART_UPDATE = {"type": "cart_update", "event": "added", "items": 1}


class ChatAgent:
    """Answers each connection by itself."""

    def __init__(self, options: AgentOptions) -> None:
        self._options = options

    async def converse(self, line: Line) -> None:
        """Runs until the connection ends."""
        ready_type = self._options.chat.ready_type
        if ready_type and "no-ready" not in line.kinds:
            ready = {"type": ready_type, "session_id": f"reference-{line.number}"}
            if "no-session-id" in line.kinds:
                del ready["session_id"]
            await line.send_json(ready)
            line.stamp("ready")
        async with trio.open_nursery() as nursery:
            talk = _Talk(line, self._options)
            nursery.start_soon(talk.answer)
            await talk.listen()
            nursery.cancel_scope.cancel()


class _Talk:
    def __init__(self, line: Line, options: AgentOptions) -> None:
        self._line = line
        self._options = options
        self._chat = options.chat
        self._asked, self._to_answer = trio.open_memory_channel[tuple[int, float, str]](math.inf)

    async def listen(self) -> None:
        async for at, message in self._line.messages():
            try:
                text = self._text_in(orjson.loads(message))
            except ValueError as unreadable:
                self._line.stamp("unreadable", at, reason=str(unreadable))
                continue
            if text is not None:
                self._line.turn += 1
                self._line.stamp("message_in", at, text=text)
                self._asked.send_nowait((self._line.turn, at, text))

    def _text_in(self, message: Any) -> str | None:
        self._line.note_opening(message)
        if not isinstance(message, dict):
            return None
        if self._chat.message_format == "content":
            text = message.get("content")
        else:
            text = message.get("text") if message.get("type") == "message" else None
        return text if isinstance(text, str) else None

    def _message(self, text: str, direction: str) -> dict[str, str]:
        message = {"content": text} if self._chat.message_format == "content" else {"type": "message", "text": text}
        if self._chat.echoes:
            message["direction"] = direction
        return message

    async def answer(self) -> None:
        try:
            if self._options.greeting:
                await self._say([GREETING], 0)
            async for turn, asked_at, text in self._to_answer:
                await self._take_turn(turn, asked_at, text)
        except (trio_websocket.ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the listening side stamps it

    async def _take_turn(self, turn: int, asked_at: float, text: str) -> None:
        if self._chat.echoes:
            await self._line.send_json(self._message(text, "inbound"))
        if self._options.events:
            await self._line.send_json(CART_UPDATE)
        spread_s = self._line.random.uniform(-self._options.spread_s, self._options.spread_s)
        await trio.sleep_until(asked_at + self._options.delay_s + spread_s)
        count = self._chat.messages
        said = f"You said: {text}"
        await self._say([said] + [f"And that was part {part} of {count}." for part in range(2, count + 1)], turn)

    async def _say(self, texts: list[str], turn: int) -> None:
        reply = [orjson.dumps(self._message(text, "outbound")).decode() for text in texts]
        if await spoil_reply(self._line, reply, self._options.close_code):
            return
        for part, message in enumerate(reply):
            if part:
                await trio.sleep(self._chat.gap_s)
            self._line.stamp("message_out", turn=turn, part=part, parts=len(reply))
            await self._line.send(message)
