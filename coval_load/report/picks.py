"""Which conversations a page shows, where a run has more than it can."""

import heapq
import random
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import attrs

from coval_load.report.units import many

SHOWN_AT_MOST = 20_000
FAILED_AT_MOST = 8_000
SLOWEST = 2_000
RECORDED_AT_MOST = 5_000


class Pick(NamedTuple):
    """When a conversation began, in seconds of the run, and the byte its row begins at. Sorts as they began."""

    began_s: float
    offset: int


@attrs.define
class _Sample:
    """At most `at_most` of all that was added, each as likely as any other."""

    at_most: int
    chance: random.Random
    picks: list[Pick] = attrs.field(factory=list, init=False)
    seen: int = attrs.field(default=0, init=False)

    def add(self, pick: Pick) -> None:
        self.seen += 1
        if len(self.picks) < self.at_most:
            self.picks.append(pick)
        elif (place := int(self.chance.random() * self.seen)) < self.at_most:
            self.picks[place] = pick

    def some(self, amount: int) -> list[Pick]:
        return self.chance.sample(self.picks, min(amount, len(self.picks)))


@attrs.define
class Picks:
    """Picks at most 20,000 conversations, in memory that does not grow with the run.

    All where there are no more. Else up to 8,000 that failed, spread over kinds of error and time, the 2,000 with the
    highest latency, those that percentiles lead to, up to 5,000 that were recorded or kept, and a random sample of
    those that did not fail. The same `seed` picks the same.
    """

    seed: str
    total: int = attrs.field(default=0, init=False)
    _chance: random.Random = attrs.field(init=False)
    _everything: list[Pick] = attrs.field(factory=list, init=False)
    _failed: dict[str, _Sample] = attrs.field(factory=dict, init=False)
    _slowest: list[tuple[float, Pick]] = attrs.field(factory=list, init=False)
    _recorded: _Sample = attrs.field(init=False)
    _others: _Sample = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._recorded = _Sample(RECORDED_AT_MOST, self._chance)
        self._others = _Sample(SHOWN_AT_MOST, self._chance)

    def add(self, pick: Pick, kind: str | None, latency_s: float | None, recorded: bool) -> None:
        """One conversation: its kind of error, its highest latency, and whether there is more of it on disk."""
        self.total += 1
        if self.total <= SHOWN_AT_MOST:
            self._everything.append(pick)
        if kind is None:
            self._others.add(pick)
        else:
            self._sample_of(kind).add(pick)
        if recorded:
            self._recorded.add(pick)
        if latency_s is not None:
            self._add_latency(latency_s, pick)

    def chosen(self, linked: Iterable[Pick]) -> list[Pick]:
        """Those to show, as they began; `linked` are those that percentiles lead to."""
        if self.total <= SHOWN_AT_MOST:
            return sorted(self._everything)
        chosen = {*linked, *self.slowest(), *self._recorded.picks, *self._chosen_failed()}
        rest = [pick for pick in self._others.some(SHOWN_AT_MOST) if pick not in chosen]
        return sorted([*chosen, *rest[: SHOWN_AT_MOST - len(chosen)]])

    def slowest(self) -> set[Pick]:
        """The 2,000 with the highest latency."""
        return {pick for _, pick in self._slowest}

    def left_out(self, shown: int) -> list[str]:
        """What is said of those that are not among the `shown`; empty where all are."""
        if self.total <= SHOWN_AT_MOST:
            return []
        failed = sum(sample.seen for sample in self._failed.values())
        parts = [f"{min(failed, FAILED_AT_MOST):,} of {failed:,} that failed"] if failed else []
        parts += [f"the {len(self._slowest):,} slowest"] if self._slowest else []
        parts += ["those that percentiles lead to"]
        if self._recorded.seen:
            parts += [f"{len(self._recorded.picks):,} of {self._recorded.seen:,} that were recorded or kept"]
        told = f"{many(shown, 'conversation')} of {self.total:,} are shown"
        return [f"{told}: {', '.join(parts)}, and of the rest a random sample; simulations.jsonl has all"]

    def _sample_of(self, kind: str) -> _Sample:
        sample = self._failed.get(kind)
        if sample is None:
            sample = self._failed[kind] = _Sample(FAILED_AT_MOST, self._chance)
        return sample

    def _add_latency(self, latency_s: float, pick: Pick) -> None:
        if len(self._slowest) < SLOWEST:
            heapq.heappush(self._slowest, (latency_s, pick))
        elif latency_s > self._slowest[0][0]:
            heapq.heapreplace(self._slowest, (latency_s, pick))

    def _chosen_failed(self) -> list[Pick]:
        shares = shared_out(FAILED_AT_MOST, {kind: len(sample.picks) for kind, sample in self._failed.items()})
        return [pick for kind, amount in shares.items() for pick in self._failed[kind].some(amount)]


def shared_out(room: int, wanted: dict[str, int]) -> dict[str, int]:
    """How much of `room` each gets that wants so much: as evenly as can be, and none more than it wants."""
    shares = Counter(dict.fromkeys(wanted, 0))
    for left, name in zip(
        range(len(wanted), 0, -1), sorted(wanted, key=lambda name: (wanted[name], name)), strict=True
    ):
        shares[name] = min(wanted[name], room // left)
        room -= shares[name]
    return dict(shares)
