"""The page's table of the processes of a run over several: the worst first, and only so many."""

from collections.abc import Mapping
from typing import Any

import attrs

from coval_load.report.page.tables import Cell, exact
from coval_load.report.summary_parts.ending import workers
from coval_load.report.units import clock, duration, many

MOST = 50

_LEVELS = {"valid": "good", "degraded": "warn", "invalid": "bad"}
_ORDER = ("lost", "invalid", "degraded")


@attrs.frozen
class WorkerRow:
    """One process: `level` is that of its badge, `lost` when, with what and why it was lost."""

    name: str
    host: str
    verdict: str
    level: str
    cpu: str
    frames_late: Cell
    woke_late: Cell
    simulations: int
    lost: str


def worker_rows(summary: Mapping[str, Any]) -> list[WorkerRow]:
    """The processes of the run, at most `MOST`; none where there is only one."""
    found = summary["generator"].get("workers") or []
    return [_row(one) for one in sorted(found, key=_badness)[:MOST]]


def counted(summary: Mapping[str, Any]) -> str:
    """`4 on 2 hosts, clocks within 0.4 ms`."""
    return workers(summary["generator"])


def left_out(summary: Mapping[str, Any]) -> int:
    """How many more there are."""
    return max(0, len(summary["generator"].get("workers") or []) - MOST)


def _badness(row: Mapping[str, Any]) -> int:
    word = "lost" if row["lost"] is not None else row["verdict"]
    return _ORDER.index(word) if word in _ORDER else len(_ORDER)


def _row(row: Mapping[str, Any]) -> WorkerRow:
    verdict = row["verdict"] or "not heard of"
    share = row.get("cpu_share")
    return WorkerRow(
        name=row["name"],
        host=row["host"],
        verdict="lost" if row["lost"] is not None else verdict,
        level="bad" if row["lost"] is not None else _LEVELS.get(verdict, "warn"),
        cpu="-" if share is None else f"{share:.0%}",
        frames_late=_cell(row.get("send_lateness_p99_s")),
        woke_late=_cell(row.get("loop_lag_p99_s")),
        simulations=row["simulations"],
        lost=_lost(row),
    )


def _lost(row: Mapping[str, Any]) -> str:
    if row["lost"] is None:
        return ""
    when = "" if row["lost_at_s"] is None else f"at {clock(row['lost_at_s'])} "
    return f"{when}with {many(row['simulations_lost'], 'simulation')}: {row['lost']}"


def _cell(seconds: float | None) -> Cell:
    return Cell(duration(seconds), exact(seconds))
