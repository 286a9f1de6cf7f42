"""`report.html`: everything about a run in one file that asks nobody for anything."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import attrs
from markupsafe import Markup

from coval_load.engine.run_folder import read_rows, write_atomically
from coval_load.report.contents import Contents, gather
from coval_load.report.diagnosis import Census, Diagnosis, diagnose
from coval_load.report.page import tables, words, workers
from coval_load.report.page.assembling import bokeh, data, policy, read, render, script
from coval_load.report.units import clock
from coval_load.report.visible import visible

if TYPE_CHECKING:
    from coval_load.report.page.charts import ChartItem

POINTS_AT_LEAST = 2
"""Of the run's course, for charts: fewer make no line, and who ran for seconds should not wait for Bokeh."""
_SCRIPTS = ("text.js", "store.js", "speech.js", "detail.js", "table.js", "start.js")
_KINDS_AT_MOST = 16
_APART = 0.03
"""Of the run: as wide as a number that stands beside a stretch's edge."""


@attrs.frozen
class Found:
    """What there is to show of a run, and what went wrong in it."""

    contents: Contents = attrs.field(repr=False)
    diagnosis: Diagnosis


def look_into(folder: Path, summary: Mapping[str, Any], run: Mapping[str, Any]) -> Found:
    """The run in `folder`, whose `summary.json` and `run.json` are given, or would be.

    Error handling: Faulty where a file of the run can't be read.
    """
    census = Census()
    contents = gather(folder, summary, run, [census])
    return Found(contents, diagnose(summary, run, census, _timeline(folder)))


def write_report(found: Found, path: Path) -> None:
    """Write the page. Error handling: OSError where it can't be written; what was there before stays then."""
    page = report_html(found.contents, found.diagnosis).encode()
    try:
        write_atomically(path, page)
    except BaseException:  # Ctrl-C, too
        path.with_name(f"{path.name}.part").unlink(missing_ok=True)
        raise


def _timeline(folder: Path) -> Iterator[Mapping[str, Any]]:
    file = folder / "timeline.jsonl"
    return read_rows(file) if file.exists() else iter(())


def report_html(contents: Contents, diagnosis: Diagnosis) -> str:
    """The page as one text, which can be encoded as UTF-8."""
    charts = _charts(contents, diagnosis)
    scripts = [_scripts(*_SCRIPTS), *([bokeh(), _scripts("charts.js")] if charts else [])]
    values = {
        "contents": contents,
        "summary": contents.summary,
        "run": contents.run,
        "diagnosis": diagnosis,
        "charts": charts,
        "words": words,
        "tables": tables,
        "workers": workers,
        "clock": clock,
        "fragment": _fragment,
        "plan": json.dumps(contents.run.get("plan"), indent=2, ensure_ascii=False),
        "css": Markup(read("page.css")),
        "policy": policy(*scripts, media_src="'self' file:", form_action="'none'"),
        "scripts": scripts,
        "data": data({"shown": contents.shown, "total": contents.total, "recordings": contents.has_recordings}),
        "chart_data": data(_chart_data(contents, charts)),
    }
    return render(read("page.html"), values)


def _scripts(*names: str) -> Markup:
    return script(*(read(f"scripts/{name}") for name in names))


def _charts(contents: Contents, diagnosis: Diagnosis) -> "list[ChartItem]":
    if len(contents.course.get("at", ())) < POINTS_AT_LEAST:
        return []
    from coval_load.report.page.charts import chart_items  # Bokeh takes a second to load

    errors = contents.summary["errors"]
    kinds = [kind for kind in sorted(errors, key=lambda one: -errors[one]) if f"errors.{kind}" in contents.course]
    spans = _spans(diagnosis, max(at for at in contents.course["at"] if at is not None))
    return chart_items(contents.course, contents.plots, kinds[:_KINDS_AT_MOST], spans)


def _spans(diagnosis: Diagnosis, end_s: float) -> list[tuple[float, float, str]]:
    """The stretches that findings are about, with the numbers of these; those that a chart can't part are one."""
    found: list[tuple[float, float, list[int]]] = []
    for number, finding in enumerate(diagnosis.findings, start=1):
        if finding.from_s is None or finding.severity == "good":
            continue
        begins, ends = finding.from_s, end_s if finding.until_s is None else finding.until_s
        for other_begins, other_ends, numbers in found:
            if max(abs(begins - other_begins), abs(ends - other_ends)) < _APART * end_s:
                numbers.append(number)
                break
        else:
            found.append((begins, ends, [number]))
    return [(begins, ends, ", ".join(map(str, numbers))) for begins, ends, numbers in found]


def _chart_data(contents: Contents, charts: "Sequence[ChartItem]") -> dict[str, Any]:
    if not charts:
        return {}
    from coval_load.report.page.charts import PERCENTILES, percentile_columns

    sources: dict[str, Any] = {PERCENTILES + name: percentile_columns(plot) for name, plot in contents.plots.items()}
    return {"sources": {"course": contents.course, **sources}, "items": {chart.id: chart.item for chart in charts}}


def _fragment(text: str) -> str:
    """What the page's script finds again in its address: texts of its table are `visible`, too."""
    return quote(visible(text), safe="")
