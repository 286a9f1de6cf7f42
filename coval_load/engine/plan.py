"""How many simulations, how long, and under which deadlines: the part of a plan that knows no protocol."""

from collections.abc import Mapping

import attrs


@attrs.frozen
class Timeouts:
    """Deadlines in seconds, one for each stage of a simulation, and for the end of the run (`grace_s`)."""

    setup_s: float = 30.0
    connect_s: float = 10.0
    response_s: float = 30.0
    close_s: float = 5.0
    simulation_s: float = 600.0
    grace_s: float = 30.0


@attrs.frozen
class Limits:
    """Simultaneous simulations for each agent, by the agent's name. None: the concurrency is the limit."""

    per_agent: Mapping[str, int | None] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Selection:
    """At most so many simulations that are kept whole, for each reason: the slowest, failed ones, a random sample."""

    slowest: int = 0
    failed: int = 0
    sample: int = 0

    @property
    def most(self) -> int:
        """At most so many in all."""
        return self.slowest + self.failed + self.sample


@attrs.frozen
class Recording:
    """Which simulations are kept in full: `transcripts` (with events) and `audio`, each of `all`, `none` or some.

    What was measured is kept each `timeline_every_s` seconds.
    """

    transcripts: str | Selection = "all"
    audio: str | Selection = "none"
    timeline_every_s: float = 10.0

    @property
    def needs_turns(self) -> bool:
        """Whether rows are to have what was said, be it only for somebody to decide by it what is kept."""
        return self.transcripts != "none" or isinstance(self.audio, Selection)
