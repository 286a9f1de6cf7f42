"""A comparison as one HTML file that needs nothing else: no script, no network."""

import math
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import attrs
import jinja2
from markupsafe import Markup

from coval_load.engine import metrics
from coval_load.report.comparison import words
from coval_load.report.comparison.comparison import Comparison
from coval_load.report.comparison.measured import RunMeasured
from coval_load.report.comparison.rows import Row
from coval_load.report.summary_parts.thresholds import figure
from coval_load.report.units import clock
from coval_load.report.visible import visible

_MIDDLE, _HALF = 110.0, 100.0
_LEAST_SCALE = 0.05
_MOST_SCALE = 1.0


def comparison_page(comparisons: Sequence[Comparison], *, everything: bool = False) -> str:
    """The page; `everything`: also the metrics that did not change."""
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        finalize=_seen,
        loader=jinja2.PackageLoader("coval_load.report.comparison", "."),
    )
    css = _text("coval_load.report.page", "page.css") + _text("coval_load.report.comparison", "comparison.css")
    return environment.get_template("comparison.html").render(
        css=Markup(css.replace("</", "<\\/")),
        baseline=_run(comparisons[0].before),
        blocks=[_block(one, everything) for one in comparisons],
        certainty=words.CERTAINTY,
    )


def _text(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text("utf-8")


def _seen(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _run(run: RunMeasured) -> Mapping[str, Any]:
    return {
        "name": run.run["name"],
        "folder": run.folder.name,
        "started": run.run["started"],
        "completed": f"{run.counts[metrics.COMPLETED]:,}",
        "failed": f"{run.counts[metrics.FAILED]:,}",
        "took": clock(run.elapsed_s),
    }


def _block(one: Comparison, everything: bool) -> Mapping[str, Any]:
    rows = words.shown(one.rows, everything=everything)
    return {
        "run": _run(one.after),
        "verdict": words.verdict(one.rows),
        "level": _level(one.rows),
        "distrust": words.distrust(one.before, one.after),
        "differing": one.differing,
        "notes": words.notes(one.rows, one.before, one.after),
        "rows": list(_lines(rows)),
        "hidden": len(one.rows) - len(rows),
        "thresholds": [_threshold(row) for row in one.thresholds],
    }


def _level(rows: Sequence[Row]) -> str:
    worse = [words.is_worse(row) for row in rows]
    return (
        "bad" if True in worse else "good" if any(row.verdict in ("changed", "no_change") for row in rows) else "warn"
    )


def _lines(rows: Sequence[Row]) -> Iterator[Mapping[str, Any]]:
    """Rows as they stand in the table; `first` where another subject begins than that of the row above."""
    scales = {points: _scale(rows, points) for points in (True, False)}
    above = ""
    for row in rows:
        subject = words.subject(row)
        worse = words.is_worse(row)
        yield {
            "subject": subject,
            "first": subject != above,
            "aggregate": "" if row.unit in ("share", "1/min") else row.aggregate,
            "baseline": words.figure(row, row.baseline),
            "value": words.figure(row, row.value),
            "said": words.said(row),
            "level": {True: "bad", False: "good", None: ""}[worse],
            "bar": _bar(row, scales[row.unit == "share"]),
        }
        above = subject


def _scale(rows: Sequence[Row], points: bool) -> float:
    """What the whole width to one side stands for, of shares or of ratios."""
    ends = [abs(end) for row in rows if row.interval and (row.unit == "share") is points for end in row.interval]
    return max(_LEAST_SCALE, min(_MOST_SCALE, max(filter(math.isfinite, ends), default=0.0)))


@attrs.frozen
class Bar:
    """An interval on an axis of 220, whose middle stands for no change."""

    left: float
    width: float
    at: float
    title: str


def _bar(row: Row, scale: float) -> Bar | None:
    if row.interval is None or row.change is None:
        return None
    left, at, right = (_place(value, scale) for value in (row.interval[0], row.change, row.interval[1]))
    unit = "points" if row.unit == "share" else "%"
    low, high = (f"{value * 100:+.1f}" if math.isfinite(value) else "any" for value in row.interval)
    return Bar(left, max(right - left, 1.0), at, f"between {low} and {high} {unit}")


def _place(value: float, scale: float) -> float:
    return round(_MIDDLE + _HALF * max(-1.0, min(1.0, value / scale)), 1)


def _threshold(row: Mapping[str, Any]) -> Mapping[str, Any]:
    def shown(value: float | None) -> str:
        if value is None:
            return "-"
        return figure(
            value, row["unit"], row["threshold"], against=row["limit"] if row["baseline"] is not None else None
        )

    return {
        "text": f"{row['metric']} {row['threshold']}",
        "passed": row["passed"],
        "value": shown(row["value"]),
        "limit": shown(row["limit"]),
        "baseline": shown(row["baseline"]),
        "reason": row["reason"],
    }
