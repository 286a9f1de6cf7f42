"""Calls of tools that the agent makes, answered with what the test case has for them."""

from collections.abc import Sequence

import attrs
import orjson
import trio

from coval_load.actors.persona import TestCase
from coval_load.actors.simulation import Simulation
from coval_load.actors.transcript import Entry
from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.encoding import as_text
from coval_load.codecs.events import ToolCallReceived
from coval_load.engine import metrics

MOST_TOOL_ROUNDS = 10
"""How often in a turn an agent may call tools, where its options name no other bound."""


@attrs.frozen
class ToolAnswers:
    """Looks up results in `case`, and puts calls and results into the transcript of `simulation`."""

    simulation: Simulation
    case: TestCase

    def note_calls(self, calls: Sequence[ToolCallReceived], called_at: Sequence[float]) -> None:
        """`calls` were made, each at its time of the Trio clock."""
        self.simulation.account.count(metrics.TOOL_CALLS, len(calls))
        for call, at in zip(calls, called_at, strict=True):
            called = {"id": call.call_id, "name": call.name, "arguments": call.arguments}
            self.simulation.transcript.add(Entry("assistant", None, at, at, kind="tool_call", tool=called))
            self.simulation.tell("the agent called a tool", f"{call.name} {call.arguments}")

    def results_for(self, calls: Sequence[ToolCallReceived]) -> Sequence[ToolResult] | None:
        """A result for each of `calls`; None where the test case lacks one."""
        results = []
        for call in calls:
            answer = self.case.result_for(call.name, _parsed(call.arguments))
            if answer is None:
                return None
            results.append(ToolResult(call.call_id, call.name, as_text(answer.result)))
        return results

    def note_results(self, results: Sequence[ToolResult]) -> None:
        """`results` are given to the agent now."""
        now = trio.current_time()
        for result in results:
            called = {"id": result.call_id, "name": result.name}
            self.simulation.transcript.add(Entry("tool", result.content, now, now, kind="tool_result", tool=called))
            self.simulation.tell("the tool gave", result.content)

    def missing(self, calls: Sequence[ToolCallReceived]) -> str | None:
        """What to say of the first of `calls` that the test case has no result for; None: there is none."""
        for call in calls:
            if self.case.result_for(call.name, _parsed(call.arguments)) is None:
                return (
                    f"the agent called the tool {call.name[:80]!r}, and test case {self.case.id} has no result for it: "
                    "add one to its tool_results"
                )
        return None


def _parsed(arguments: str) -> object:
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
