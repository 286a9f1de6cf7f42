"""What each agent of a run did: agents that are called side by side are not one number."""

from collections.abc import Mapping
from typing import Any

import attrs

from coval_load.engine import metrics
from coval_load.engine.distribution import Distribution
from coval_load.engine.outcome import Outcome

_STATUSES = (metrics.COMPLETED, metrics.FAILED, metrics.CANCELLED)


@attrs.define
class AgentTally:
    """Simulations by status, errors by kind, and `response_latency` of one agent."""

    counts: dict[str, int] = attrs.field(factory=lambda: dict.fromkeys(_STATUSES, 0))
    errors: dict[str, int] = attrs.field(factory=dict)
    latency: Distribution = attrs.field(factory=Distribution)

    def finished(self, outcome: Outcome) -> None:
        """Count a simulation that ended."""
        self.counts[outcome.status] += 1
        if outcome.error is not None:
            kind = str(outcome.error.kind)
            self.errors[kind] = self.errors.get(kind, 0) + 1

    def summary(self) -> dict[str, Any]:
        """One entry of `agents` in `summary.json`; `response_latency` is null where none was measured."""
        measured = self.latency.summary() if self.latency.count else None
        return {"counts": dict(self.counts), "errors": dict(self.errors), metrics.RESPONSE_LATENCY: measured}

    def merge(self, summary: Mapping[str, Any]) -> None:
        """Add what another process measured of this agent, given as its `summary()`."""
        for status, amount in summary["counts"].items():
            self.counts[status] += amount
        for kind, amount in summary["errors"].items():
            self.errors[kind] = self.errors.get(kind, 0) + amount
        if summary[metrics.RESPONSE_LATENCY] is not None:
            self.latency.merge(summary[metrics.RESPONSE_LATENCY])
