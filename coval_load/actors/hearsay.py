"""What came from the agent that was neither speech nor text: kept within bounds, and told when nothing else came."""

from collections import Counter
from typing import Any

import attrs

from coval_load.codecs.dialects.json_messages import cut
from coval_load.codecs.events import AgentComplained, AgentEventReceived, MessageIgnored
from coval_load.engine import metrics
from coval_load.engine.plain_json import dump_json
from coval_load.engine.tally import Account

_MOST_EVENTS = 1_000
_MOST_EVENT_BYTES = 1024 * 1024
_MOST_REASONS = 20
_MOST_REASON = 300


@attrs.define
class Hearsay:
    """Captured events, errors after which the agent went on, and why other messages were ignored."""

    account: Account
    _events: list[dict[str, Any]] = attrs.field(factory=list, init=False)
    _event_bytes: int = attrs.field(default=0, init=False)
    _events_left_out: int = attrs.field(default=0, init=False)
    _left_out_since: float = attrs.field(default=0.0, init=False)
    _ignored_since_answer: int = attrs.field(default=0, init=False)
    _ignored: Counter[str] = attrs.field(factory=Counter, init=False)
    _complaint: str = attrs.field(default="", init=False)

    def captured(self, event: AgentEventReceived, at: float) -> None:
        """Keep an event; at most 1,000 of them and 1 MiB are kept for one simulation."""
        size = len(dump_json(event.payload))
        if len(self._events) >= _MOST_EVENTS or self._event_bytes + size > _MOST_EVENT_BYTES:
            if not self._events_left_out:
                self._left_out_since = at
            self._events_left_out += 1
            return
        self._event_bytes += size
        self._events.append(
            {"at": at, "message_type": event.message_type, "event": event.event, "payload": event.payload}
        )

    def ignored(self, event: MessageIgnored) -> None:
        """Count a message that the agent's options give no meaning to."""
        self.account.count(metrics.MESSAGES_IGNORED)
        self._ignored_since_answer += 1
        if event.reason in self._ignored or len(self._ignored) < _MOST_REASONS:
            self._ignored[event.reason] += 1

    def complained(self, event: AgentComplained, at: float) -> None:
        """Count an error that the agent reported, and keep it as an event of type `error`."""
        self.account.count(metrics.AGENT_COMPLAINTS)
        self._complaint = cut(event.reason, _MOST_REASON)
        self.captured(AgentEventReceived("error", None, {"reason": self._complaint}), at)

    def answered(self) -> None:
        """A reply was heard: what came before it explains no later silence."""
        self._complaint = ""
        self._ignored.clear()
        self._ignored_since_answer = 0

    def explain(self) -> str:
        """What came instead of what was waited for, most frequent first; empty if nothing did."""
        complaint = f"the agent reported an error: {self._complaint}" if self._complaint else ""
        return "; ".join(filter(None, (complaint, self._explain_ignored())))

    def _explain_ignored(self) -> str:
        if not self._ignored:
            return ""
        counted = "; ".join(f"{reason} ({count}x)" for reason, count in self._ignored.most_common(3))
        if self._ignored_since_answer == 1:
            return f"1 other message came and was ignored: {next(iter(self._ignored))}"
        return f"{self._ignored_since_answer} other messages came and were ignored: {counted}"

    def rows(self, origin: float) -> list[dict[str, Any]]:
        """The captured events, as in `simulations.jsonl`."""
        rows = [{**event, "at": event["at"] - origin} for event in self._events]
        if self._events_left_out:
            left_out = {"left_out": self._events_left_out}
            at = self._left_out_since - origin
            rows.append({"at": at, "message_type": "", "event": None, "payload": left_out})
        return rows
