"""Whether trouble and a generator that fell behind came at the same time."""

from collections.abc import Mapping, Sequence
from typing import Literal

import attrs

from coval_load.engine import metrics
from coval_load.engine.outcome import NOT_THE_AGENTS, ErrorKind
from coval_load.engine.verdict import CPU_SHARE_DEGRADED
from coval_load.report.diagnosis.course import Interval
from coval_load.report.diagnosis.words import share
from coval_load.report.units import duration

STRAINED = 0.5
"""Of the time of the trouble: where the generator fell behind for so much of it, latencies are its own."""
CLEAR = 0.1
"""Of the time of the trouble: where it fell behind for less, it was the agent."""

NEGLIGIBLE = 0.1
"""Of what it would have to explain (the rise of a latency, a wait in vain): a generator late by less did not do it."""

_INSTANT_S = 1e-3

WAITED_IN_VAIN = frozenset(
    {
        ErrorKind.NO_RESPONSE,
        ErrorKind.SIMULATION_TIMEOUT,
        ErrorKind.CONNECT_TIMEOUT,
        ErrorKind.HANDSHAKE_TIMEOUT,
        ErrorKind.AGENT_NOT_READING,
        ErrorKind.CONNECTION_CLOSED,
    }
)
"""What a generator that falls behind could bring about, too; all other errors are the agent's own words."""

Whose = Literal["agent", "generator", "both", "unknown"]


@attrs.frozen
class Strain:
    """Of a stretch of the run: the share of it in which the generator fell behind, and how it fared at worst."""

    share: float
    late_s: float | None
    frames_late_s: float | None
    cpu_share: float | None

    def explains(self, effect_s: float | None) -> bool:
        """Whether so late a generator can have made an effect of this size; None: one of any size."""
        if (self.cpu_share or 0.0) > CPU_SHARE_DEGRADED:
            return True  # what waits to be read while the one thread is busy shows in no lateness of ours
        late_s = [late for late in (self.late_s, self.frames_late_s) if late is not None]
        return effect_s is None or not late_s or max(late_s) >= NEGLIGIBLE * effect_s


@attrs.frozen
class Blame:
    """Holds what went wrong against how the generator fared at that time.

    `waits_s` is how long is waited before an error of a kind is one, by kind, in seconds; those of other kinds are
    explained by a generator that is late by any time.
    """

    intervals: Sequence[Interval]
    waits_s: Mapping[str, float] = attrs.field(factory=dict)

    def strain(self, from_s: float | None, until_s: float | None) -> Strain | None:
        """Between two seconds of the run; None where the generator was not watched then."""
        begin, end = from_s or 0.0, float("inf") if until_s is None else until_s
        end = max(end, begin + _INSTANT_S)
        met = [one for one in self.intervals if one.is_watched and one.from_s < end and one.until_s > begin]
        if not met:
            return None
        lengths = [min(one.until_s, end) - max(one.from_s, begin) for one in met]
        behind = sum(length for one, length in zip(met, lengths, strict=True) if one.is_strained)
        return Strain(
            behind / sum(lengths),
            max((one.late_s[metrics.LOOP_LAG] for one in met if metrics.LOOP_LAG in one.late_s), default=None),
            max(
                (one.late_s[metrics.SEND_LATENESS] for one in met if metrics.SEND_LATENESS in one.late_s), default=None
            ),
            max((one.cpu_share for one in met if one.cpu_share is not None), default=None),
        )

    def of_error(self, kind: str, from_s: float | None, until_s: float | None) -> str | None:
        """What is to be said of errors of a kind; None where the generator was not watched."""
        if kind in NOT_THE_AGENTS:
            return "errors of this kind are the generator's own: it was not the agent"
        found = self.strain(from_s, until_s)
        if found is None:
            return None
        if found.share < CLEAR:
            return f"meanwhile {_pace(found)}: it was the agent"
        behind = f"the generator fell behind in {share(found.share, 1)} of that time: {_pace(found)}"
        if kind in WAITED_IN_VAIN and not found.explains(self.waits_s.get(kind)):
            return f"{behind}, little beside the {duration(self.waits_s[kind])} waited: it was the agent"
        if kind in WAITED_IN_VAIN:
            return f"{behind}; agent and generator can't be told apart there"
        return f"{behind}, which does not bring about errors of this kind"

    def whose_error(self, kind: str, from_s: float | None, until_s: float | None) -> Whose:
        """Who is to look at errors of a kind."""
        if kind in NOT_THE_AGENTS:
            return "generator"
        found = self.strain(from_s, until_s)
        if found is None:
            return "unknown"
        late = found.share >= CLEAR and found.explains(self.waits_s.get(kind))
        return "both" if kind in WAITED_IN_VAIN and late else "agent"

    def whose_latency(
        self, from_s: float | None, until_s: float | None, rise_s: float | None = None
    ) -> tuple[Whose, str | None]:
        """Who is to look at latencies that rose by `rise_s` seconds, and what is to be said of it."""
        found = self.strain(from_s, until_s)
        if found is None:
            return "unknown", None
        if found.share >= CLEAR and not found.explains(rise_s):
            behind = f"the generator fell behind in {share(found.share, 1)} of that time: {_pace(found)}"
            return "agent", f"{behind}, little beside the {duration(rise_s)} that latencies rose by: it was the agent"
        if found.share >= STRAINED:
            return "generator", f"at the same time {_pace(found)}: these latencies are the generator's own"
        if found.share < CLEAR:
            return "agent", f"meanwhile {_pace(found)}: it was the agent"
        behind = f"the generator fell behind in {share(found.share, 1)} of that time: {_pace(found)}"
        return "both", f"{behind}; agent and generator can't be told apart there"


def _pace(found: Strain) -> str:
    said = []
    if found.late_s is not None:
        said.append(f"woke at most {duration(found.late_s)} late (p99)")
    if found.frames_late_s is not None:
        said.append(f"sent frames at most {duration(found.frames_late_s)} late (p99)")
    if found.cpu_share is not None:
        said.append(f"used at most {found.cpu_share:.0%} of a core")
    if not said:
        return "nothing was late that the generator did"
    return "the generator " + (", ".join(said[:-1]) + " and " if len(said) > 1 else "") + said[-1]
