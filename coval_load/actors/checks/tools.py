"""Checks on the tools that the agent called."""

from collections.abc import Mapping
from typing import Any

import attrs
import orjson

from coval_load.actors.checks.interface import Conversation, Row
from coval_load.actors.checks.wording import after, excerpt, judge_any, plainly
from coval_load.actors.persona import ToolAnswer
from coval_load.engine.plain_json import dump_json


@attrs.frozen
class ToolCalled:
    """The agent called `tool`, with these `arguments` and maybe others; None: with any."""

    name: str
    tool: str
    arguments: Mapping[str, Any] | None = None
    turn: int | None = None
    negate: bool = False

    def judge(self, conversation: Conversation) -> str | None:
        """See `interface.Check`."""
        expected = f"call of the tool {plainly(self.tool)}{after(self.turn)}"
        if self.arguments is not None:
            expected += f" with {excerpt(dump_json(self.arguments).decode())}"
        return judge_any(conversation.tool_calls(self.turn), self._fits, _say, expected, negate=self.negate)

    def _fits(self, call: Row) -> bool:
        tool = call["tool"]
        return ToolAnswer(self.tool, self.arguments).fits(tool["name"], _parsed(tool["arguments"]))


def _say(call: Row) -> str:
    return f"{excerpt(call['tool']['name'])} with {excerpt(call['tool']['arguments'])}"


def _parsed(arguments: str) -> object:
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
