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


@attrs.frozen
class Recording:
    """Which simulations are kept in full: `transcripts` `all` or `none`; `audio` `none`, `all` or a count.

    What was measured is kept each `timeline_every_s` seconds.
    """

    transcripts: str = "all"
    audio: str | int = "none"
    timeline_every_s: float = 10.0
