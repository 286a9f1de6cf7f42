"""Whether the run can be trusted, what else is to be known, and what it exits with."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from coval_load.engine import metrics
from coval_load.engine.worker_health import COORDINATOR
from coval_load.report.paint import Paint
from coval_load.report.summary_parts.text import cut_off, wrapped
from coval_load.report.units import duration, many

MOST_NOTES = 20

_VERDICTS = {
    "valid": ("green", "can be trusted"),
    "degraded": ("yellow", "can be trusted with care"),
    "invalid": ("red", "can't be trusted"),
}
_EXIT_CODES = {
    1: "a fault of coval-load itself",
    2: "the plan, the agent or the command line is wrong",
    3: "no simulation completed",
    97: "a worker was lost",
    98: "the run can't be trusted",
    99: "a threshold was crossed",
    130: "the run was interrupted",
}


def generator(summary: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    """The verdict, the pace that the generator kept, and the reasons."""
    found, measured = summary["generator"], summary["metrics"]
    colour, words = _VERDICTS[found["verdict"]]
    if found["verdict"] == "valid" and not summary["counts"][metrics.COMPLETED]:
        colour, words = "yellow", "completed no simulation; the generator was not why"
    verdict = f"this run {words}"
    first, *others = wrapped(verdict + _pace(found, measured), indent="", hanging="  ")
    yield paint(verdict, colour) + first.removeprefix(verdict)
    yield from others
    if told := workers(found):
        yield f"  workers: {told}"
    if found.get("dropped") or found.get("never_started"):
        yield f"  {found['started']:,} of the {many(found['offered'], 'simulation')} due were started"
    for reason in found["reasons"]:
        yield from wrapped(reason, indent="  ")


def workers(found: Mapping[str, Any]) -> str:
    """`4 on 2 hosts, clocks within 0.4 ms`, given `generator` of the summary; empty for a run of one process."""
    rows = [row for row in found.get("workers") or () if row["name"] != COORDINATOR]
    if not rows:
        return ""
    lost = sum(row["lost"] is not None for row in rows)
    errors_s = [row["clock_error_s"] for row in rows if row["clock_error_s"] is not None]
    return (
        f"{len(rows):,} on {many(len({row['host'] for row in rows}), 'host')}"
        + (f", {lost:,} of them lost" if lost else "")
        + (f", clocks within {duration(max(errors_s))}" if errors_s else "")
    )


def _pace(found: Mapping[str, Any], measured: Mapping[str, Any]) -> str:
    lateness, lag = measured.get(metrics.SEND_LATENESS), measured.get(metrics.LOOP_LAG)
    said = []
    if lateness:
        said.append(f"frames left {duration(lateness['p99'])} late (p99)")
    elif lag:
        said.append(f"the generator woke {duration(lag['p99'])} late (p99)")
    if found.get("cpu_share") is not None:
        most = "most " if found.get("workers") else ""
        said.append(f"CPU at {most}{found['cpu_share']:.0%}")
    return ": " + ", ".join(said) if said else ""


def notes(sentences: Sequence[str]) -> Iterator[str]:
    """What a reader should know."""
    lines = (line for note in sentences[:MOST_NOTES] for line in wrapped(f"note: {note}", indent=""))
    yield from cut_off(lines, len(sentences) - MOST_NOTES)


def exit_code(run: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    """Of a run that does not exit with 0, why."""
    code = run.get("exit_code")
    if code:
        why = _EXIT_CODES.get(code)
        yield paint(f"exit code {code}" + (f": {why}" if why else ""), "red")
