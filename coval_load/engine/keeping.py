"""Which simulations a run keeps whole: the slowest, the failed and a random sample, each within a bound."""

import heapq
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Literal, TypeAlias

import attrs

from coval_load.engine import metrics
from coval_load.engine.plan import Selection

Reason: TypeAlias = Literal["slowest", "failed", "sample"]

REASONS: Sequence[Reason] = ("slowest", "failed", "sample")


@attrs.frozen
class Kept:
    """Why a simulation is kept, in the order of `REASONS`; empty: it is not.

    `lessened` are earlier ones that lost a reason to it, by id, with the reasons that are left.
    """

    reasons: tuple[Reason, ...] = ()
    lessened: Mapping[str, tuple[Reason, ...]] = attrs.field(factory=dict)

    @property
    def displaced(self) -> tuple[str, ...]:
        """Earlier ones that no reason is left for: they are not kept any more."""
        return tuple(one for one, reasons in self.lessened.items() if not reasons)


@attrs.define
class Keeper:
    """Decides of each simulation that has ended whether it is kept, and which earlier ones no longer are.

    Holds no more than `selection` says, whatever comes in which order. Whether a simulation is in the sample
    depends on `seed`, its own `key` and those of the others, on no order: each has a rank by chance, and the lowest
    are kept. So whoever offers again what is kept, as after a restart, goes on as if there had been no restart.
    """

    selection: Selection
    seed: int
    _slowest: "_Highest" = attrs.field(init=False)
    _failed: "_Failures" = attrs.field(init=False)
    _sample: "_Highest" = attrs.field(init=False)
    _reasons: dict[str, tuple[Reason, ...]] = attrs.field(factory=dict, init=False)
    _offered: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._slowest = _Highest(self.selection.slowest)
        self._failed = _Failures(self.selection.failed)
        self._sample = _Highest(self.selection.sample)

    @property
    def kept(self) -> Mapping[str, tuple[Reason, ...]]:
        """What is kept now, by id, and why."""
        return self._reasons

    def may_keep(self, key: str) -> bool:
        """Whether a simulation may come to be kept that has not ended: false where it surely won't be."""
        selection = self.selection
        return selection.slowest > 0 or selection.failed > 0 or self._sample.takes((-self._ranks(key)[0], 0))

    def offer(
        self, simulation_output_id: str, *, latency_s: float | None, error_kind: str | None, key: str | None = None
    ) -> Kept:
        """Decide about one that ended; each is offered once.

        `latency_s` is its highest response latency, None where it has none; `error_kind` None: it did not fail.
        `key` is what it is called in any run of the same plan (its id, where None), for chance to be the seed's.
        """
        self._offered += 1
        in_sample, in_failed = self._ranks(simulation_output_id if key is None else key)
        lost: dict[Reason, str | None] = {"sample": self._sample.add((-in_sample, 0), simulation_output_id)}
        if latency_s is not None:  # of those as slow as each other the earlier stays
            lost["slowest"] = self._slowest.add((latency_s, -self._offered), simulation_output_id)
        if error_kind is not None:
            lost["failed"] = self._failed.add(error_kind, in_failed, simulation_output_id)
        reasons = tuple(one for one in REASONS if one in lost and lost[one] != simulation_output_id)
        return self._settle(simulation_output_id, reasons, lost)

    def _settle(self, new: str, reasons: tuple[Reason, ...], lost: Mapping[Reason, str | None]) -> Kept:
        lessened: dict[str, tuple[Reason, ...]] = {}
        for reason, loser in lost.items():
            if loser is not None and loser != new:
                lessened[loser] = tuple(one for one in lessened.get(loser, self._reasons[loser]) if one != reason)
        for loser, left in lessened.items():
            if left:
                self._reasons[loser] = left
            else:
                del self._reasons[loser]
        if reasons:
            self._reasons[new] = reasons
        return Kept(reasons, lessened)

    def _ranks(self, key: str) -> tuple[float, float]:
        # Two, so that who is in the sample is not also whom a kind of failure keeps.
        random = Random(f"{self.seed}/{key}")
        return random.random(), random.random()


@attrs.define
class _Highest:
    """At most `most` ids: those with the highest ranks."""

    most: int
    _heap: list[tuple[tuple[float, int], str]] = attrs.field(factory=list, init=False)

    def __len__(self) -> int:
        return len(self._heap)

    def takes(self, rank: tuple[float, int]) -> bool:
        return len(self._heap) < self.most or (self.most > 0 and rank > self._heap[0][0])

    def add(self, rank: tuple[float, int], new: str) -> str | None:
        """Who has to go: None where there was room, `new` itself where it ranks too low."""
        if len(self._heap) < self.most:
            heapq.heappush(self._heap, (rank, new))
            return None
        return heapq.heappushpop(self._heap, (rank, new))[1] if self.most else new

    def drop(self) -> str:
        """Have room for one less; who has to go for it."""
        self.most -= 1
        return heapq.heappop(self._heap)[1]


@attrs.define
class _Failures:
    """At most `most` ids of failed simulations, their room shared as evenly as there are kinds of failure.

    A kind that has two more than another gives room to it. Its room then never grows again, so what it keeps is
    a uniform sample of all it had, but for the first, which is always there: it shows how it began.
    """

    most: int
    _firsts: dict[str, str] = attrs.field(factory=dict, init=False)
    _others: dict[str, _Highest] = attrs.field(factory=dict, init=False)

    def _held(self, kind: str) -> int:
        return (kind in self._firsts) + len(self._others.get(kind, ()))

    def add(self, kind: str, rank: float, new: str) -> str | None:
        """Who has to go, see `_Highest.add`."""
        if sum(map(self._held, self._firsts)) < self.most:
            self._put(kind, rank, new)
            return None
        fullest = max(self._firsts, key=self._held, default=kind)
        if self._held(fullest) >= self._held(kind) + 2:
            gone = self._others[fullest].drop()
            self._put(kind, rank, new)
            return gone
        others = self._others.get(kind)
        return new if others is None else others.add((-rank, 0), new)

    def _put(self, kind: str, rank: float, new: str) -> None:
        if kind not in self._firsts:
            self._firsts[kind] = new
            self._others[kind] = _Highest(0)
            return
        self._others[kind].most += 1
        self._others[kind].add((-rank, 0), new)


def offer_row(keeper: Keeper, row: Mapping[str, Any], unknown_s: float | None = None) -> Kept:
    """Decide about the simulation of `row`, a whole one as of `simulations.jsonl`; one that was cut off is not kept.

    Its `scenario` and `number` are what it is called in any run of the plan. `unknown_s` is its latency where no turn
    of it says one.
    """
    if row["outcome"] == metrics.CANCELLED:
        return Kept()
    turns = (turn.get("metrics", {}) for turn in row["transcript"])
    latencies = [measured[metrics.RESPONSE_LATENCY] for measured in turns if metrics.RESPONSE_LATENCY in measured]
    return keeper.offer(
        row["simulation_output_id"],
        latency_s=max(latencies, default=unknown_s),
        error_kind=None if row["error"] is None else row["error"]["kind"],
        key=key_of(row["scenario"], row["number"]),
    )


def key_of(scenario: str, number: int) -> str:
    """What simulation `number` of `scenario` is called in any run of the plan; see `Keeper.offer`."""
    return f"{scenario}/{number}"
