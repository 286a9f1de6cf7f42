"""The dashboard's page, which asks for how the run stands each second, and the one that asks for the token."""

from markupsafe import Markup

from coval_load.engine import metrics
from coval_load.engine.outcome import ErrorKind
from coval_load.report.course import Course
from coval_load.report.page.assembling import bokeh, data, policy, read, render, script
from coval_load.report.page.charts import PERCENTILES, chart_items

_HERE = "coval_load.report.dashboard"
_PLOTTED = (metrics.RESPONSE_LATENCY, metrics.TTFT)


def dashboard_page() -> str:
    """The page; it holds nothing of the run."""
    columns = Course().columns() | {f"errors.{kind}": [] for kind in ErrorKind}
    charts = chart_items(columns, {name: [] for name in _PLOTTED}, [str(kind) for kind in ErrorKind])
    sources = {"course": columns, **{PERCENTILES + name: _NO_PERCENTILES for name in _PLOTTED}}
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
