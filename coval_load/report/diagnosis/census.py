"""What a diagnosis rests on: every row of `simulations.jsonl` seen once, in bounded memory."""

import math
from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any

import attrs

from coval_load.engine import metrics
from coval_load.engine.labels import NAMES
from coval_load.report.diagnosis.reading import mapping, seconds, text
from coval_load.report.diagnosis.reservoir import Reservoir
from coval_load.report.diagnosis.time_bins import TimeBins

MOST_VALUES = 1_000
"""Of each label; what comes after them is counted together, as `OTHERS`."""
MOST_COMBINATIONS = 5_000
MOST_KINDS = 40
MOST_MESSAGES = 20
MOST_PLACES = 100
LATENCIES_A_VALUE = 200
CONVERSATIONS_WHOLE = 1_000
"""So many have all their turns sampled in time, those after them one."""
EXAMPLES = 3
OTHERS = "\0others"
BEGAN, ENDED = "\0began", "\0ended"
"""Counted in time beside the kinds of error: when conversations began, and when they were over."""
CHECKS = "\0checks"
"""As if it were a kind of error: completed, with a check that failed."""

ENDED_HOW = ("cancelled", "incomplete", "failed")
"""What `ended` of a turn begins with."""

_SEED = 20
_LONGEST = 2_000
_WAITED_FROM_START = frozenset({"connect_timeout", "handshake_timeout"})

Labels = tuple[str, ...]
"""The values of `NAMES`, in their order."""


@attrs.define
class Tally:
    """Conversations with a label: how many were settled, how many failed by kind, what they measured."""

    settled: int = 0
    failed: Counter[str] = attrs.field(factory=Counter)
    examples: dict[str, list[str]] = attrs.field(factory=dict)
    latency: Reservoir | None = None
    """The median of each conversation's response latencies, in seconds."""


@attrs.define
class KindSeen:
    """One kind of error: where it came, what was said, between which seconds of the run."""

    places: Counter[tuple[str, int | None]] = attrs.field(factory=Counter)
    messages: Counter[str] = attrs.field(factory=Counter)
    first_s: float = math.inf
    last_s: float = 0.0

    def add(self, at_s: float, said: str, place: tuple[str, int | None] | None) -> None:
        """One more, in trouble from `at_s` on."""
        self.first_s, self.last_s = min(self.first_s, at_s), max(self.last_s, at_s)
        if place is not None and (place in self.places or len(self.places) < MOST_PLACES):
            self.places[place] += 1
        said = said if len(said) <= _LONGEST else said[: _LONGEST // 2] + said[-_LONGEST // 2 :]
        if said in self.messages or len(self.messages) < MOST_MESSAGES:
            self.messages[said] += 1


@attrs.define
class Census:
    """A visitor of rows. `offset` of a row is where it begins in its file, in bytes; kept for examples.

    A row that lacks a field, or has something else in it, counts as far as it can be read; nothing is raised.
    """

    chance: Random = attrs.field(factory=lambda: Random(_SEED))
    bins: TimeBins = attrs.field(init=False)
    whole: Tally = attrs.field(factory=Tally)
    values: tuple[dict[str, Tally], ...] = attrs.field(factory=lambda: tuple({} for _ in NAMES))
    """For each of `NAMES` the tallies of its values."""
    combinations: dict[Labels, Tally] = attrs.field(factory=dict)
    complete: bool = True
    """Whether `combinations` has all that there were."""
    kinds: dict[str, KindSeen] = attrs.field(factory=dict)
    offsets: dict[str, int] = attrs.field(factory=dict)
    """Of the rows of examples, by id."""
    ended: dict[str, list[str]] = attrs.field(factory=dict)
    """Examples of conversations in which a reply of the agent did not complete, by the first word of how it ended."""
    outcomes: Counter[str] = attrs.field(factory=Counter)
    last_s: float = 0.0
    last_completed_s: float | None = None
    since_completed: Counter[str] = attrs.field(factory=Counter)
    """Of the failed ones that began after the last one that was completed, by kind; rows come in order of their end."""
    since_s: float | None = None
    """When the first of these was in trouble."""
    since_examples: list[str] = attrs.field(factory=list)
    _latencies: int = 0
    _paths: dict[Labels, tuple[Tally, ...]] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.bins = TimeBins(self.chance)

    def add(self, row: Mapping[str, Any], offset: int = 0) -> None:
        """Take in one row."""
        outcome = text(row.get("outcome"))
        if outcome not in (metrics.COMPLETED, metrics.FAILED, metrics.CANCELLED):
            return
        self.outcomes[outcome] += 1
        ended_s = seconds(row.get("ended_at")) or 0.0
        began_s = seconds(row.get("started_at"))
        self.last_s = max(self.last_s, ended_s)
        if began_s is not None or outcome != metrics.CANCELLED:
            began_s = ended_s if began_s is None else began_s
            self.bins.count(BEGAN, began_s)
            self.bins.count(ENDED, max(began_s, ended_s))
        if outcome == metrics.CANCELLED or began_s is None:
            return
        path = self._path(row)
        for tally in path:
            tally.settled += 1
        self._add_latencies(row, ended_s, path)
        self._add_ended(row, offset)
        seen = _Seen(row, offset, began_s, ended_s, path)
        if outcome == metrics.FAILED:
            self._add_failure(seen)
            return
        if self.last_completed_s is None or ended_s > self.last_completed_s:
            self.last_completed_s = ended_s
            if self.since_completed:
                self.since_completed.clear()
                self.since_examples.clear()
                self.since_s = None
        if "checks" in row:
            self._add_checks(seen)

    def _path(self, row: Mapping[str, Any]) -> tuple[Tally, ...]:
        key = tuple([text(row.get(name)) for name in NAMES])
        path = self._paths.get(key)
        if path is None:
            path = (self.whole, *(self._value(place, value) for place, value in enumerate(key)))
            if len(self._paths) < MOST_COMBINATIONS:
                path = (*path, self.combinations.setdefault(self._known(key), Tally()))
                self._paths[key] = path
            else:
                self.complete = False
        return path

    def _known(self, key: Labels) -> Labels:
        return tuple(value if value in self.values[place] else OTHERS for place, value in enumerate(key))

    def _value(self, place: int, value: str) -> Tally:
        tallies = self.values[place]
        if value not in tallies:
            if len(tallies) >= MOST_VALUES:
                value = OTHERS
            if value not in tallies:
                tallies[value] = Tally(latency=Reservoir(LATENCIES_A_VALUE, self.chance))
        return tallies[value]

    def _add_latencies(self, row: Mapping[str, Any], ended_s: float, path: tuple[Tally, ...]) -> None:
        turns = row.get("transcript")
        if not isinstance(turns, list):
            return
        found = []
        for turn in turns:
            if isinstance(turn, dict) and "metrics" in turn:
                latency_s = seconds(mapping(turn["metrics"]).get(metrics.RESPONSE_LATENCY))
                if latency_s is not None:
                    found.append((latency_s, turn))
        if not found:
            return
        # Of a long run one turn of each conversation tells as much as all of them, and costs less.
        self._latencies += 1
        all_of_them = self._latencies <= CONVERSATIONS_WHOLE
        for latency_s, turn in found if all_of_them else [found[self._latencies % len(found)]]:
            at_s = seconds(turn.get("start"))
            self.bins.sample(ended_s if at_s is None else at_s, latency_s)
        middle_s = sorted([latency_s for latency_s, _ in found])[len(found) // 2]
        for tally in path:
            if tally.latency is not None:
                tally.latency.add(middle_s)

    def _add_ended(self, row: Mapping[str, Any], offset: int) -> None:
        turns = row.get("transcript")
        for turn in turns if isinstance(turns, list) else ():
            if not isinstance(turn, dict) or "ended" not in turn:
                continue
            how = text(turn["ended"])[:20].partition(":")[0]
            if how not in ENDED_HOW or (how == "cancelled" and turn.get("interrupted")):
                continue
            examples = self.ended.setdefault(how, [])
            simulation = text(row.get("simulation_output_id"))[:200]
            if simulation and len(examples) < EXAMPLES and simulation not in examples:
                examples.append(simulation)
                self.offsets[simulation] = offset

    def _add_failure(self, seen: "_Seen") -> None:
        error = mapping(seen.row.get("error"))
        kind = text(error.get("kind"))[:60] or "unknown"
        if kind not in self.kinds and len(self.kinds) >= MOST_KINDS:
            kind = "others"
        at_s = _in_trouble_from(kind, seen.row, seen.ended_s)
        if self.last_completed_s is not None and seen.began_s >= self.last_completed_s:
            self.since_completed[kind] += 1
            self.since_s = at_s if self.since_s is None else min(self.since_s, at_s)
            if len(self.since_examples) < EXAMPLES:
                self.since_examples.append(text(seen.row.get("simulation_output_id"))[:200])
        turn = error.get("turn")
        place = (text(error.get("stage"))[:20], turn if isinstance(turn, int) else None)
        self._fail(kind, at_s, seen, text(error.get("message")), place)

    def _add_checks(self, seen: "_Seen") -> None:
        checks = seen.row["checks"]
        for check in checks if isinstance(checks, list) else ():
            if isinstance(check, dict) and check.get("passed") is False:
                self._fail(CHECKS, seen.ended_s, seen, text(check.get("message")), None)
                return

    def _fail(self, kind: str, at_s: float, seen: "_Seen", said: str, place: tuple[str, int | None] | None) -> None:
        self.bins.count(kind, seen.began_s)
        self.bins.span(kind, seen.began_s, at_s)
        self.kinds.setdefault(kind, KindSeen()).add(at_s, said, place)
        simulation = text(seen.row.get("simulation_output_id"))[:200]
        for tally in seen.path:
            tally.failed[kind] += 1
            examples = tally.examples.setdefault(kind, [])
            if simulation and len(examples) < EXAMPLES:
                examples.append(simulation)
                self.offsets[simulation] = seen.offset


@attrs.frozen
class _Seen:
    """A row that is being counted, and the tallies that it belongs to."""

    row: Mapping[str, Any]
    offset: int
    began_s: float
    ended_s: float
    path: tuple[Tally, ...]


def _in_trouble_from(kind: str, row: Mapping[str, Any], ended_s: float) -> float:
    """When a conversation that waited in vain began to wait; of all others when it ended."""
    at_s: float | None = None
    if kind in _WAITED_FROM_START:
        at_s = seconds(row.get("started_at"))
    elif kind == "no_response":
        turns = row.get("transcript")
        if isinstance(turns, list) and turns and isinstance(turns[-1], dict):
            at_s = seconds(turns[-1].get("end"))
    return ended_s if at_s is None else min(at_s, ended_s)
