"""What is said of a comparison, in a terminal and on a page alike."""

from collections.abc import Sequence

from coval_load.engine import metrics
from coval_load.report.comparison.measured import RunMeasured
from coval_load.report.comparison.rows import DISTRIBUTION, Row
from coval_load.report.summary_parts.text import percent
from coval_load.report.units import clock, duration, many

_LASTING = (
    metrics.TURN_TIME,
    metrics.SIMULATION_TIME,
    metrics.QUEUE_TIME,
    metrics.LEADING_SILENCE,
    metrics.AUDIO_UNDERRUN,
    metrics.AUDIO_AFTER_INTERRUPT,
)
_GROUPS = {"agents": "agent", "scenarios": "scenario"}
_SUBJECTS = {
    metrics.FAILED: "failed",
    metrics.CHECKS_PASSED: "passed all checks",
    metrics.COMPLETED: "completed a minute",
}


def subject(row: Row) -> str:
    """What a row is about, without its aggregate: `response_latency of agent support`."""
    if row.group is not None:
        return f"{row.name} of {_GROUPS[row.group]} {row.member}"
    return _SUBJECTS.get(row.name, row.name) if row.unit in ("share", "1/min") else row.name


def figure(row: Row, value: float | None) -> str:
    """A number of a row in its unit; `-` where there is none."""
    if value is None or row.aggregate == DISTRIBUTION:
        return "-"
    if row.unit == "share":
        return percent(value)
    return duration(value) if row.unit == "s" else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def said(row: Row) -> str:
    """`slower by 12 % (8 to 16 %)`, `no change beyond noise`, `too few to tell (n < 20)`."""
    if row.verdict == "too_few":
        return f"too few to tell (n < {row.needs:,})"
    if row.verdict == "not_judged" or row.change is None:
        return "no change" if row.baseline == row.value and row.verdict != "not_judged" else "not judged"
    if row.verdict == "no_change":
        return "no change beyond noise"
    if row.aggregate == DISTRIBUTION:
        return f"{direction(row)} overall (delta {row.change:+.2f})"
    return f"{direction(row)} by {_amount(row)}"


def direction(row: Row) -> str:
    """`slower` or `faster`, `longer` or `shorter`, `more` or `less`."""
    if row.unit in ("share", "1/min"):
        more, less = "more", "less"
    elif row.name.removeprefix("scheduled_") in _LASTING:
        more, less = "longer", "shorter"
    else:
        more, less = "slower", "faster"
    return more if (row.change or 0) > 0 else less


def is_worse(row: Row) -> bool | None:
    """Whether what changed is for the worse; None where nothing changed, and where it depends."""
    if row.verdict != "changed" or row.change is None:
        return None
    if row.name in (metrics.CHECKS_PASSED, metrics.COMPLETED):
        return row.change < 0
    return row.change > 0


def _amount(row: Row) -> str:
    unit = "points" if row.unit == "share" else "%"
    low, high = sorted(map(abs, row.interval)) if row.interval is not None else (0.0, 0.0)
    if row.change == float("inf"):
        return f"at least {_percents(low)} %"
    inside = f"{_percents(low)} to {_percents(high)}" if high != float("inf") else f"at least {_percents(low)}"
    return f"{_percents(abs(row.change or 0.0))} {unit} ({inside}{'' if row.unit == 'share' else ' %'})"


def _percents(share: float) -> str:
    value = share * 100
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.2g}" if value < 0.95 else f"{value:.1f}".removesuffix(".0")


_INTERRUPTED = 130


def distrust(*runs: RunMeasured) -> list[str]:
    """Which runs can't be trusted, or were changed or stopped by somebody, a sentence each."""
    told = []
    for run in runs:
        if not run.is_trusted:
            why = "; ".join(run.summary["generator"].get("reasons") or ())
            told.append(f"the numbers of {run.folder.name} can't be trusted{f': {why}' if why else ''}")
        for change in run.summary.get("changes") or ():
            told.append(
                f"in {run.folder.name} the concurrency of scenario {change['scenario']} was changed from "
                f"{change['before']} to {change['concurrency']} at {clock(change['at'])}"
            )
        if run.run.get("exit_code") == _INTERRUPTED:
            told.append(f"{run.folder.name} was interrupted: it is shorter than its plan says")
    return told


def verdict(rows: Sequence[Row]) -> str:
    """One sentence over everything."""
    judged = [row for row in rows if row.verdict in ("changed", "no_change")]
    changed = sum(row.verdict == "changed" for row in judged)
    too_few = sum(row.verdict == "too_few" for row in rows)
    left = f"; of {too_few} more there are too few values to tell" if too_few else ""
    if not judged:
        return f"nothing can be told: of {many(too_few, 'comparison')} there are too few values" if too_few else _NONE
    if not changed:
        return f"no change beyond noise in any of {many(len(judged), 'comparison')}{left}"
    return f"{changed} of {many(len(judged), 'comparison')} changed beyond noise{left}"


_NONE = "nothing can be told: the runs have nothing in common that was measured"

CERTAINTY = (
    "Two runs of the same thing differ in none of this in at least 95 % of cases; intervals are wide enough to hold "
    "together. Changes below 1 % or 1 ms are not told."
)


def notes(rows: Sequence[Row], *runs: RunMeasured) -> list[str]:
    """What a reader should know of the comparison, a sentence each."""
    told = []
    if len({run.folder.resolve() for run in runs}) < len(runs):
        told.append(f"{' and '.join(run.folder.name for run in runs)} are one and the same run")
    guessed = sorted({row.name for row in rows if row.is_guess})
    if guessed:
        told.append(
            f"rows do not tell which values of {', '.join(guessed)} belong to one simulation, so each simulation "
            "counts as one value, and only larger changes can be told"
        )
    told += [
        f"{run.folder.name} did not come to its end: what it left is compared"
        for run in runs
        if not run.recovered.is_whole
    ]
    return told


def shown(rows: Sequence[Row], *, everything: bool) -> list[Row]:
    """The main rows and all that changed, or every row."""
    return [row for row in rows if everything or row.is_main or row.verdict == "changed"]
