"""The dashboard's page, which asks for how the run stands each second, and the one that asks for the token."""

from markupsafe import Markup

from coval_load.engine.outcome import ErrorKind
from coval_load.report.course import Course
from coval_load.report.dashboard.snapshot import PLOTTED
from coval_load.report.page.assembling import bokeh, data, policy, read, render, script
from coval_load.report.page.charts import PERCENTILES, chart_items

_HERE = "coval_load.report.dashboard"
_CAPTIONS = {
    "load": "Simulations that went on, and those that waited for a place under their agent's limit.",
    "rate": "How many began and ended in each second; those that ended completed or failed.",
    "latency": "Percentiles of each second by itself, in a long run of more. Those of the whole run stand above.",
    "distribution": "Of the whole run. Each nine has as much room, so that the slowest ones can be told apart.",
    "errors": "Simulations that failed, by kind.",
    "lateness": "How late the generator itself was. Above the border its delays show in what it measures.",
    "cpu": "What the generator uses of its core. Above the border it can't keep up for long.",
}


def dashboard_page() -> str:
    """The page; it holds nothing of the run."""
    columns = Course().columns() | {f"errors.{kind}": [] for kind in ErrorKind}
    charts = chart_items(columns, {name: [] for name in PLOTTED}, [str(kind) for kind in ErrorKind])
    sources = {"course": columns, **{PERCENTILES + name: _NO_PERCENTILES for name in PLOTTED}}
    held = {"sources": sources, "items": {chart.id: chart.item for chart in charts}}
    live = script(read("scripts/text.js"), read("live.js", _HERE))
    drawing = script(read("scripts/charts.js"), read("live_charts.js", _HERE))
    scripts = (bokeh(), drawing, live)
    return render(
        read("dashboard.html", _HERE),
        {
            "css": Markup(read("page.css") + read("dashboard.css", _HERE)),
            "policy": policy(*scripts, connect_src="'self'", form_action="'none'"),
            "charts": charts,
            "captions": _CAPTIONS,
            "chart_data": data(held),
            "bokeh": scripts[0],
            "drawing": drawing,
            "live": live,
        },
    )


def sign_in_page() -> str:
    """The page that asks for the token."""
    css = Markup(read("page.css") + read("dashboard.css", _HERE))
    return render(read("sign_in.html", _HERE), {"css": css, "policy": policy(form_action="'self'")})


_NO_PERCENTILES: dict[str, list[float]] = {"x": [], "percentile": [], "seconds": []}
