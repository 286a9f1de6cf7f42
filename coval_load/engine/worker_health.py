"""How each process of a run over several workers fared, and what is to be said of it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from coval_load.engine.evidence import Finding, Level
from coval_load.engine.vitals import Vitals

COORDINATOR = "coordinator"
"""What the command's own process is called among the others."""
MOST_TOLD = 3
"""So many processes are told of in full; of more only how many there are."""
JOINED_LATE_S = 1.0
"""A worker that joined later than this after the start is noted."""
LOST_WITH = ("lost with it, and ", "lost with them, and ")
"""A reason of the verdict that has one of these is about workers that were lost."""

_SEE = "see generator.workers in summary.json"
_FIGURES = (
    "watched_s",
    "cpu_share",
    "busiest_cpu_share",
    "cpu_wait_share",
    "throttled_share",
    "gc_share",
    "gc_pause_p99_s",
    "gc_pause_max_s",
    "loop_lag_p99_s",
    "loop_lag_max_s",
    "send_lateness_p99_s",
    "start_lateness_p99_s",
    "frames_skipped",
    "max_rss_bytes",
    "descriptors_most",
    "descriptors_limit",
    "ports_most",
    "ports_limit",
)
_WORST_BY = ("send_lateness_p99_s", "loop_lag_p99_s", "start_lateness_p99_s")
_RANKS: Mapping[Any, int] = {"invalid": 0, "degraded": 1}


@attrs.frozen(kw_only=True)
class WorkerHealth:
    """One process of a run; times in seconds of the run.

    `generator` is what `verdict()` returned in that process, as far as it was heard of, empty where it never was.
    `clock_error_s` is what the difference to the coordinator's clock may be off by, None where it was not measured.
    `joined_at_s` is 0 for one that was there from the start, or from when the run was resumed. `lost` says why it was
    lost, None where it was not. `simulations` were dealt to it, `simulations_lost` ended with it.
    """

    name: str
    host: str
    generator: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    clock_error_s: float | None = None
    joined_at_s: float = 0.0
    lost: str | None = None
    lost_at_s: float | None = None
    simulations: int = 0
    simulations_lost: int = 0

    @property
    def place(self) -> str:
        """`worker-3 on host-b`."""
        return f"{self.name} on {self.host}"

    def row(self) -> dict[str, Any]:
        """One of `generator.workers` in `summary.json`."""
        return {
            "name": self.name,
            "host": self.host,
            "verdict": self.generator.get("verdict"),
            "reasons": list(self.generator.get("reasons", ())),
            "simulations": self.simulations,
            "simulations_lost": self.simulations_lost,
            "joined_at_s": round(self.joined_at_s, 3),
            "lost": self.lost,
            "lost_at_s": None if self.lost_at_s is None else round(self.lost_at_s, 3),
            "clock_error_s": None if self.clock_error_s is None else round(self.clock_error_s, 6),
            **{name: self.generator.get(name) for name in _FIGURES},
        }


def worst_vitals(workers: Iterable[WorkerHealth]) -> Vitals | None:
    """Of each figure that of the process that fared worst; None where none was heard of."""
    worst = None
    for worker in workers:
        if worker.generator:
            worst = worst or Vitals()
            worst.merge(worker.generator)
    return worst


def lost_findings(workers: Iterable[WorkerHealth], takes_over: bool) -> Iterator[Finding]:
    """The workers that were lost, the first ones by name."""
    level: Level = "degraded" if takes_over else "invalid"
    then = "the others took over {} share" if takes_over else "{} share of the load was not offered"
    lost = [worker for worker in workers if worker.lost is not None]
    for worker in lost[:MOST_TOLD]:
        was_lost = _was_lost(worker.place, worker.lost, worker.lost_at_s)
        yield (
            level,
            f"{was_lost}: {_simulations_were(worker.simulations_lost)} lost with it, and {then.format('its')} from "
            "then on: look at the log of that worker, and at the memory and the network of its machine",
        )
    if more := lost[MOST_TOLD:]:
        with_them = _simulations_were(sum(worker.simulations_lost for worker in more))
        were = "worker was" if len(more) == 1 else "workers were"
        yield level, f"{len(more):,} more {were} lost: {with_them} lost with them, and {then.format('their')}: {_SEE}"


def late_findings(workers: Iterable[WorkerHealth], told: Collection[str]) -> Iterator[Finding]:
    """What each process says of itself, the worst first; reasons with any of `told` in them are left out."""
    found = [(worker, left) for worker in workers if (left := _reasons(worker, told))]
    found.sort(key=lambda pair: _badness(pair[0]))
    for worker, reasons in found[:MOST_TOLD]:
        yield from ((_level(worker), f"{worker.place}: {reason}") for reason in reasons)
    if more := found[MOST_TOLD:]:
        yield _level(more[0][0]), f"and {len(more):,} more {'worker' if len(more) == 1 else 'workers'}: {_SEE}"


def joined_notes(workers: Iterable[WorkerHealth]) -> Iterator[str]:
    """Which workers joined when the run had begun, the first ones by name."""
    late = sorted((one for one in workers if one.joined_at_s > JOINED_LATE_S), key=lambda one: one.joined_at_s)
    yield from (f"{worker.place} joined at {clock_time(worker.joined_at_s)}" for worker in late[:MOST_TOLD])
    if len(late) > MOST_TOLD:
        yield f"{len(late) - MOST_TOLD:,} more workers joined after the start: {_SEE}"


def lost_notes(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Which workers an earlier process of the same run lost, given as `generator.workers` of its summary."""
    lost = [row for row in rows if row["lost"] is not None]
    for row in lost[:MOST_TOLD]:
        place = f"{row['name']} on {row['host']}"
        yield f"{_was_lost(place, row['lost'], row['lost_at_s'])}, before the run was resumed"
    if len(lost) > MOST_TOLD:
        yield f"{len(lost) - MOST_TOLD:,} more workers were lost before the run was resumed"


def clock_time(seconds: float) -> str:
    """`0:02:10` of the run."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _reasons(worker: WorkerHealth, told: Collection[str]) -> list[str]:
    given = worker.generator.get("reasons", ())
    return [reason for reason in given if not any(topic in reason for topic in told)]


def _level(worker: WorkerHealth) -> Level:
    return "invalid" if worker.generator.get("verdict") == "invalid" else "degraded"


def _badness(worker: WorkerHealth) -> tuple[int, float, float]:
    """Smaller is worse."""
    told = worker.generator
    late_s = max(told.get(name) or 0.0 for name in _WORST_BY)
    return _RANKS.get(told.get("verdict"), 2), -late_s, -(told.get("cpu_share") or 0.0)


def _was_lost(place: str, why: str | None, at_s: float | None) -> str:
    return f"{place} was lost{'' if at_s is None else f' at {clock_time(at_s)}'} ({why})"


def _simulations_were(amount: int) -> str:
    if amount == 1:
        return "1 simulation was"
    return f"{amount:,} simulations were" if amount else "no simulations were"
