"""What a check sees of a conversation, and what it says about it."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import attrs

Row = Mapping[str, Any]
"""An entry of `transcript` or `events` of a line of `simulations.jsonl`."""


@attrs.frozen(kw_only=True)
class Conversation:
    """A conversation that went through all its turns, as its line of `simulations.jsonl` has it.

    `transcript` and `events` are in the order in which they began; times are seconds since the start of the run.
    `attributes` are those of the test case. Nothing of it is to be changed: it is what the line is written from.

    The caller's turns are counted from 1; what came after the N-th one began and before the next one did belongs to
    turn N, what came before the first one, such as a greeting, to turn 0. A `skip` says nothing, so it is no turn
    here. A negative number counts from the end: -1 is the last turn that the caller took.
    """

    agent: str = ""
    test_case: str = ""
    persona: str = ""
    transcript: Sequence[Row] = attrs.field(default=(), repr=False)
    events: Sequence[Row] = attrs.field(default=(), repr=False)
    metrics: Mapping[str, float] = attrs.field(factory=dict, repr=False)
    attributes: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

    @classmethod
    def of_row(cls, row: Row, attributes: Mapping[str, Any] | None = None) -> "Conversation":
        """The conversation of a line of `simulations.jsonl`, to try a check on."""
        kept = {field.name: row[field.name] for field in attrs.fields(cls) if field.name in row}
        return cls(**{**kept, "attributes": attributes or {}})

    @property
    def turns(self) -> int:
        """How many turns the caller took."""
        return sum(map(_is_callers, self.transcript))

    def entries(self, turn: int | None = None) -> list[Row]:
        """What the agent said and did, and what tools gave back, after the caller's turn `turn`; None: after any."""
        return [row for row in self._rows(turn) if not _is_callers(row)]

    def replies(self, turn: int | None = None) -> list[Row]:
        """The entries in which the agent spoke or wrote; `content` is None where its words are not known."""
        return [row for row in self.entries(turn) if row["role"] == "assistant" and row.get("type", "text") == "text"]

    def texts(self, turn: int | None = None) -> list[str]:
        """The words of the replies, where they are known."""
        return [row["content"] for row in self.replies(turn) if row["content"] is not None]

    def tool_calls(self, turn: int | None = None) -> list[Row]:
        """The entries in which the agent called a tool: `tool` has `name` and, as the agent's own text, `arguments`."""
        return [row for row in self.entries(turn) if row.get("type") == "tool_call"]

    def events_after(self, turn: int | None = None) -> list[Row]:
        """The captured events that came after the caller's turn `turn`; None: all."""
        if turn is None:
            return list(self.events)
        began, wanted = [row["start"] for row in self.transcript if _is_callers(row)], self._number(turn)
        return [event for event in self.events if bisect_right(began, event["at"]) == wanted]

    def only(self, turn: int) -> "Conversation":
        """The same as if there were only the caller's turn `turn`, which is turn 1 then, and what came after it."""
        return attrs.evolve(self, transcript=list(self._rows(turn)), events=self.events_after(turn))

    def _rows(self, turn: int | None) -> Iterator[Row]:
        wanted = None if turn is None else self._number(turn)
        number = 0
        for row in self.transcript:
            number += _is_callers(row)
            if turn is None or number == wanted:
                yield row

    def _number(self, turn: int) -> int | None:
        """From the beginning; None where the caller took too few turns for a number from the end."""
        if turn >= 0:
            return turn
        number = self.turns + 1 + turn
        return number if number > 0 else None


def _is_callers(row: Row) -> bool:
    return bool(row["role"] == "user")


class Check(Protocol):
    """Something that a conversation is expected to keep to."""

    @property
    def name(self) -> str:
        """What it is called in the results."""
        ...

    def judge(self, conversation: Conversation) -> str | None:
        """None where the conversation passes; otherwise what was expected, and what came. Never raises."""
        ...


@attrs.frozen
class CheckResult:
    """What came of one check; `message` is None where it passed."""

    name: str
    passed: bool
    message: str | None = None

    def row(self) -> dict[str, Any]:
        """As in `simulations.jsonl`."""
        row: dict[str, Any] = {"name": self.name, "passed": self.passed}
        return row if self.message is None else row | {"message": self.message}
