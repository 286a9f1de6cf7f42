"""How the workers of a run fare, as one figure for each: that of the busiest, second by second."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
import trio

from coval_load.cluster.member import Member
from coval_load.engine.results import Results
from coval_load.engine.vitals import Used
from coval_load.engine.worker_health import WorkerHealth

EVERY_S = 1.0
_SECONDS = ("cpu_s", "cpu_wait_s", "throttled_s", "gc_s")
_NOTHING: Mapping[str, Any] = dict.fromkeys(("watched_s", *_SECONDS), 0.0)


@attrs.define(eq=False)
class CrewVitals:
    """Keeps `results.vitals` up to date: CPU of the busiest process each second, memory of all, and the worst of each
    limit.

    `own` are the coordinator's; `origin` is the start of the run on the Trio clock, in seconds; `health` tells how
    each process fares, for `results.workers`.
    """

    members: Mapping[str, Member]
    results: Results
    own: Results
    origin: float
    health: Callable[[], Iterable[WorkerHealth]]
    _before: dict[str, Mapping[str, Any]] = attrs.field(factory=dict, init=False)

    async def run(self) -> None:
        """Until cancelled."""
        # Workers report on the second of the run: half a second later all have.
        due = self.origin + EVERY_S / 2
        try:
            while True:
                due += EVERY_S * max(1, math.ceil((trio.current_time() - due) / EVERY_S))
                await trio.sleep_until(due)
                self.look()
        finally:
            self.look()

    def look(self) -> None:
        """Take in what was reported since the last look."""
        reports = {name: member.report["vitals"] for name, member in self.members.items() if member.report}
        self.results.roll()
        self.own.roll()
        vitals = self.results.vitals
        looks = [(self._before.get(name, _NOTHING), now) for name, now in reports.items()]
        grown = [(before, now) for before, now in looks if now["watched_s"] > before["watched_s"]]
        self._before = reports
        passed_s = max((now["watched_s"] - before["watched_s"] for before, now in grown), default=0.0)
        vitals.watched_s += passed_s
        for name in _SECONDS:
            shares = [_share(before, now, name) for before, now in grown if now[name] is not None]
            if shares:
                setattr(vitals, name, (getattr(vitals, name) or 0.0) + max(shares) * passed_s)
        self._note_limits(list(reports.values()))
        self.results.workers[:] = self.health()

    def _note_limits(self, reports: list[Mapping[str, Any]]) -> None:
        vitals, own = self.results.vitals, self.own.vitals
        busiest = (one["busiest_cpu_share"] for one in reports)
        vitals.busiest_cpu_share = max(vitals.busiest_cpu_share, *busiest, 0.0)
        for name in ("rss_bytes", "max_rss_bytes"):
            known = [one[name] for one in (*reports, attrs.asdict(own, recurse=False)) if one[name] is not None]
            setattr(vitals, name, sum(known) if known else None)
        vitals.descriptors = vitals.descriptors.or_worse(own.descriptors.most, own.descriptors.limit)
        for one in reports:
            vitals.descriptors = vitals.descriptors.or_worse(*one["descriptors"])
            vitals.ports = vitals.ports.or_worse(*one["ports"])


def _share(before: Mapping[str, Any], now: Mapping[str, Any], name: str) -> float:
    grown: float = now[name] - (before[name] or 0.0)
    watched: float = now["watched_s"] - before["watched_s"]
    return grown / watched


def told(vitals: Any) -> dict[str, Any]:
    """A worker's vitals as its reports have them."""
    plain = attrs.asdict(vitals, recurse=False)
    return {name: [value.most, value.limit] if isinstance(value, Used) else value for name, value in plain.items()}
