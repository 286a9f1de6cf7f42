"""Checks on events that the agent's options ask to keep."""

from collections.abc import Mapping
from typing import Any

import attrs

from coval_load.actors.checks.interface import Conversation, Row
from coval_load.actors.checks.wording import after, an, excerpt, judge_any, listed, plainly, shown
from coval_load.codecs.paths import NOT_THERE, Path


@attrs.frozen
class EventFits:
    """A captured event of this type has at `path` of its payload what `equals` is; None: has anything there."""

    name: str
    message_type: str
    path: Path = attrs.field(factory=lambda: Path(()))
    equals: Any = None
    turn: int | None = None
    negate: bool = False

    def judge(self, conversation: Conversation) -> str | None:
        """See `interface.Check`."""
        came = conversation.events_after(self.turn)
        events = [event for event in came if event["message_type"] == self.message_type]
        if came and not events and not self.negate:
            types = dict.fromkeys(str(event["message_type"]) for event in came)
            return f"expected {an(self._expected())}; got events of other types: {listed(list(types), excerpt)}"
        return judge_any(events, self._fits, self._say, self._expected(), negate=self.negate)

    def _expected(self) -> str:
        value = "something" if self.equals is None else shown(self.equals)
        at = f" at {plainly(str(self.path))}" if self.path.segments else ""
        wanted = f" with {value}{at}" if at or self.equals is not None else ""
        return f"event {plainly(self.message_type)}{after(self.turn)}{wanted}"

    def _fits(self, event: Row) -> bool:
        found = self.path.find(event["payload"])
        return found is not NOT_THERE and (self.equals is None or is_same(found, self.equals))

    def _say(self, event: Row) -> str:
        found = self.path.find(event["payload"])
        return "one without it" if found is NOT_THERE else shown(found)


def is_same(given: Any, wanted: Any) -> bool:
    """Whether two values are the same JSON: 1 is 1.0, and is not true."""
    if isinstance(wanted, Mapping):
        return (
            isinstance(given, Mapping)
            and given.keys() == wanted.keys()
            and all(is_same(given[key], value) for key, value in wanted.items())
        )
    if isinstance(wanted, list | tuple):
        return isinstance(given, list | tuple) and len(given) == len(wanted) and all(map(is_same, given, wanted))
    return bool(given == wanted) and isinstance(given, bool) == isinstance(wanted, bool)
