"""The wire of an OpenAI Realtime session: server events with ids of their own, and errors."""

import itertools
from typing import Any

import orjson

from coval_load.reference.line import Line

INVALID = "invalid_request_error"


class Refused(Exception):
    """What the caller asked for can't be had: becomes an `error` event with these words."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class Wire:
    """Sends server events over one connection. Ids are unlike those of any other connection."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._events = itertools.count(1)
        self._ids = itertools.count(1)

    def new_id(self, prefix: str) -> str:
        """`item_3_7`: the seventh id of connection 3."""
        return f"{prefix}_{self.line.number}_{next(self._ids)}"

    def message(self, kind: str, **fields: Any) -> str:
        """A server event, ready to be sent."""
        event = {"type": kind, "event_id": f"event_{self.line.number}_{next(self._events)}", **fields}
        return orjson.dumps(event).decode()

    async def emit(self, kind: str, **fields: Any) -> None:
        """Raises `trio_websocket.ConnectionClosed`."""
        await self.line.send(self.message(kind, **fields))

    async def refuse(self, refused: Refused, event_id: str | None = None) -> None:
        """An `error` that ends nothing; `event_id` is that of the client event at fault."""
        await self.report(INVALID, refused.code, str(refused), refused.param, event_id)

    async def report(
        self, kind: str, code: str, message: str, param: str | None = None, event_id: str | None = None
    ) -> None:
        error = {"type": kind, "code": code, "message": message, "param": param, "event_id": event_id}
        await self.emit("error", error=error)
