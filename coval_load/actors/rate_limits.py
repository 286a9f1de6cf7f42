"""What an agent says of the limits of its provider: kept now and then, and noted where one is nearly used up."""

import math

import attrs

from coval_load.actors.simulation import Simulation
from coval_load.codecs.events import AgentEventReceived, RateLimit, RateLimitsReceived

_KEPT_EACH_S = 60.0
_LOW = 0.1
_MOST_NOTES = 8
_MOST_NAME = 60


@attrs.define(eq=False)
class RateLimitNotes:
    """One simulation's. A row keeps the first message and one a minute; the run has a note for each agent and limit."""

    simulation: Simulation
    _kept_at: float = attrs.field(default=-math.inf, init=False)

    def received(self, event: RateLimitsReceived, at: float) -> None:
        """The agent told its limits."""
        if at >= self._kept_at + _KEPT_EACH_S:
            self._kept_at = at
            limits = [attrs.asdict(limit) for limit in event.limits]
            self.simulation.hearsay.captured(AgentEventReceived("rate_limits", None, limits), at)
        for limit in event.limits:
            if limit.remaining < _LOW * limit.limit:
                self._note(limit)

    def _note(self, limit: RateLimit) -> None:
        results = self.simulation.services.results
        of_agent = results.clean(f"{self.simulation.identity.agent}: its rate limit ")
        beginning = results.clean(f"{of_agent}{limit.name[:_MOST_NAME]!r} ")
        noted = [note for note in results.notes if note.startswith(of_agent)]
        if len(noted) < _MOST_NOTES and not any(note.startswith(beginning) for note in noted):
            results.note(
                f"{beginning}was nearly used up: {limit.remaining} of {limit.limit} were left; expect rate_limited "
                "from there on: lower the concurrency, or have the limit raised"
            )
