"""Whether response latency changed: from when on, and whether it did with the load."""

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from coval_load.report.diagnosis.blame import Blame, Whose
from coval_load.report.diagnosis.census import Census
from coval_load.report.diagnosis.change import Stretch, stretches
from coval_load.report.diagnosis.course import Interval
from coval_load.report.diagnosis.finding import About, Finding, Severity
from coval_load.report.diagnosis.load import WITH_LOAD, by_load, is_level, levels, span
from coval_load.report.diagnosis.words import between
from coval_load.report.units import clock, duration

SLOTS = 64
SAMPLES_AT_LEAST = 40
"""Of the whole run, and a tenth of it on either side of a change."""
SIDE_AT_LEAST = 10
P50_TIMES, P50_APART_S = 1.25, 0.02
P95_TIMES, P95_APART_S = 1.5, 0.05
BAD_TIMES = 1.5

_Numbers = NDArray[np.float64]


@attrs.frozen
class Samples:
    """Latencies in seconds in slots of the run; slot `k` begins at `edges_s[k]`. `running` is the load in each."""

    values: _Numbers
    slots: NDArray[np.int64]
    edges_s: _Numbers
    running: _Numbers | None = None


@attrs.frozen
class Levels:
    """p50 and p95 in seconds before (or elsewhere) and after (or within)."""

    p50_s: tuple[float, float]
    p95_s: tuple[float, float]

    @property
    def times(self) -> float:
        """The greater of the two changes."""
        return max(after / max(before, 1e-9) for before, after in (self.p50_s, self.p95_s))

    @property
    def rise_s(self) -> float:
        """The smaller of the two changes that anyone would notice, in seconds."""
        return min(after - before for before, after in self._changed())

    @property
    def matters(self) -> bool:
        """Whether anyone would notice."""
        return bool(self._changed())

    def _changed(self) -> list[tuple[float, float]]:
        borders = ((self.p50_s, P50_TIMES, P50_APART_S), (self.p95_s, P95_TIMES, P95_APART_S))
        return [
            (before, after)
            for (before, after), times, apart_s in borders
            if after >= times * before and after - before >= apart_s
        ]

    def __str__(self) -> str:
        told = (f"{name} {duration(was)} -> {duration(came)}" for name, (was, came) in self._named())
        return ", ".join(told)

    def title(self) -> str:
        """The one that changed more."""
        name, (was, came) = max(self._named(), key=lambda one: one[1][1] / max(one[1][0], 1e-9))
        return f"response latency {name} {duration(was)} -> {duration(came)}"

    def _named(self) -> tuple[tuple[str, tuple[float, float]], ...]:
        return ("p50", self.p50_s), ("p95", self.p95_s)


def samples(census: Census, timeline: Sequence[Interval]) -> Samples:
    """From the rows where they have transcripts, else from the timeline's percentiles."""
    if sum(len(kept.values) for kept in census.bins.latencies) >= SAMPLES_AT_LEAST:
        return _of_rows(census)
    return _of_timeline(timeline)


def _of_rows(census: Census) -> Samples:
    bins, width_s = census.bins, census.bins.width_s
    wide = max(1, -(-len(bins.latencies) // SLOTS))
    values = [np.asarray(kept.values, dtype=np.float64) for kept in bins.latencies]
    slots = [np.full(len(kept), number // wide) for number, kept in enumerate(values)]
    count = -(-len(values) // wide)
    running = levels(census)
    at_once = np.array([running[at * wide : (at + 1) * wide].max(initial=1.0) for at in range(count)])
    edges_s = np.arange(count + 1, dtype=np.float64) * (wide * width_s)
    return Samples(np.concatenate(values), np.concatenate(slots).astype(np.int64), edges_s, at_once)


def _of_timeline(timeline: Sequence[Interval]) -> Samples:
    known = [one for one in timeline if one.latencies and len(one.latency) > 1]
    wide = max(1, -(-len(known) // SLOTS))
    values, slots = [], []
    for number, one in enumerate(known):
        shares, at_s = zip(*one.latency, strict=True)
        count = min(one.latencies, SLOTS)
        values.append(np.interp((np.arange(count) + 0.5) / count, shares, at_s))
        slots.append(np.full(count, number // wide))
    if not values:
        return Samples(np.array([]), np.array([], dtype=np.int64), np.array([0.0]))
    edges_s = np.array([*(one.from_s for one in known[::wide]), known[-1].until_s])
    return Samples(np.concatenate(values), np.concatenate(slots).astype(np.int64), edges_s)


@attrs.frozen
class Changed:
    """A latency that changed, and whose that was."""

    finding: Finding
    whose: Whose


def latency_finding(found: Samples, blame: Blame) -> "Changed | None":
    """The change of response latency over the time or with the load; None where there is none that matters."""
    if len(found.values) < SAMPLES_AT_LEAST:
        return None
    changes = [change for share in (0.5, 0.9) if (change := _change(found, share)) is not None]
    if not changes:
        return None
    slow, stretch, with_load = max(changes, key=lambda change: change[0].times)
    begins, ends = stretch.begin, stretch.end
    to_the_end, from_the_start = ends >= len(found.edges_s) - 1, begins == 0
    from_s = None if from_the_start else float(found.edges_s[begins])
    until_s = None if to_the_end else float(found.edges_s[ends])
    when = f"from {clock(from_s or 0.0)} on" if to_the_end else f"until {clock(until_s or 0.0)}"
    if not to_the_end and not from_the_start:
        when = between(from_s or 0.0, until_s or 0.0)
    whose, blamed = blame.whose_latency(from_s, until_s, slow.rise_s)
    about: About = "generator" if whose == "generator" else "agent"
    severity: Severity = "bad" if slow.times >= BAD_TIMES and not from_the_start else "warning"
    sentences: list[str | None] = [
        f"{when} {'against before that' if to_the_end else 'against the rest of the run'}: {slow}"
    ]
    sentences.append(with_load or _load_meanwhile(found, stretch))
    finding = Finding(
        about=about,
        severity=severity,
        title=f"{slow.title()} {when}",
        sentences=tuple(sentence for sentence in (*sentences, blamed) if sentence),
        from_s=from_s,
        until_s=until_s,
    )
    return Changed(finding, whose)


def _change(found: Samples, share: float) -> tuple[Levels, Stretch, str] | None:
    border_s = np.quantile(found.values, share)
    slots = len(found.edges_s) - 1
    tried = np.bincount(found.slots, minlength=slots).astype(np.float64)
    slow = np.bincount(found.slots, weights=found.values > border_s, minlength=slots).astype(np.float64)
    at = stretches(tried, slow)
    if not at:
        return None
    one = max(at, key=lambda stretch: stretch.gain)
    inside = (found.slots >= one.begin) & (found.slots < one.end)
    levels_found = _levels(found.values, inside)
    if levels_found is None or not levels_found.matters:
        return None
    return levels_found, one, _with_load(found, tried, slow, one)


def _levels(values: _Numbers, inside: NDArray[np.bool_]) -> Levels | None:
    if min(inside.sum(), (~inside).sum()) < SIDE_AT_LEAST:
        return None
    (was, was_slow), (came, came_slow) = (np.quantile(values[side], (0.5, 0.95)) for side in (~inside, inside))
    return Levels((float(was), float(came)), (float(was_slow), float(came_slow)))


def _with_load(found: Samples, tried: _Numbers, slow: _Numbers, stretch: Stretch) -> str:
    if found.running is None or is_level(*span(found.running, tried)):
        return ""
    by = by_load(found.running, tried, slow)
    if by is None or by.found.gain < WITH_LOAD * stretch.gain:
        return ""
    apart = _levels(found.values, found.running[found.slots] >= by.level)
    if apart is None or not apart.matters:
        return ""
    return f"it rose with the load: with up to {by.below:,} at once against {by.level:,} or more: {apart}"


def _load_meanwhile(found: Samples, stretch: Stretch) -> str | None:
    if found.running is None:
        return None
    inside = np.zeros(len(found.running), dtype=bool)
    inside[stretch.begin : stretch.end] = True
    was, came = (int(np.median(found.running[side])) for side in (~inside, inside))
    if is_level(min(was, came), max(was, came)):
        return f"the load was the same: about {came:,} ran at once"
    return f"meanwhile {came:,} ran at once, else {was:,}"
