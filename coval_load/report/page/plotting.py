"""Figures of Bokeh as the page wants them: over named sources, without colours of their own, deaf to the page's scroll.

Colours come from the page: what has the tag `series-3` is painted in `--series-3` by its script, so that light, dark
and print each have theirs. Columns hold seconds since the start of the run and shares; nothing here needs `eval`,
which the page's Content-Security-Policy forbids.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from bokeh.models import (
    AdaptiveTicker,
    BoxAnnotation,
    ColumnDataSource,
    CompositeTicker,
    HoverTool,
    Label,
    NumeralTickFormatter,
    Range1d,
    WheelZoomTool,
)
from bokeh.plotting import figure

HEIGHT = 270
WHOLE = "0,0"
"""How whole numbers are written."""
TIME_RANGE = "time"
"""The name of each x range over time: the page's script keeps all of them alike."""

_TOOLS = "xpan,xwheel_zoom,xbox_zoom,reset"
_CLOCK = "00:00:00"
_SHORT = 8
_MINUTE, _DAY = 60, 86400
_HOURS = [3600 * hours for hours in (1, 2, 4, 6, 12)]


def named_source(name: str, columns: Iterable[str]) -> ColumnDataSource:
    """A source without data; the page sets its `data`, once or again and again."""
    return ColumnDataSource({column: [] for column in columns}, name=name)


def time_figure(label: str, until_s: float, *, unit: str = "0,0.[00]") -> figure:
    """A figure over the time of the run, in seconds from 0 to `until_s`; `label` says what its y axis shows."""
    made = figure(
        height=HEIGHT,
        sizing_mode="stretch_width",
        x_range=Range1d(0, max(until_s, 1.0), bounds=(0, None), name=TIME_RANGE),
        tools=_TOOLS,
        toolbar_location="above",
        y_axis_label=label,
        active_drag=None,
        active_scroll=None,
        output_backend="canvas",
    )
    made.xaxis.ticker = _time_ticker()
    made.xaxis.formatter = NumeralTickFormatter(format=_CLOCK)
    made.yaxis.formatter = NumeralTickFormatter(format=unit)
    if unit == WHOLE:
        made.yaxis.ticker.min_interval = 1
    return tidy(made)


def tidy(made: figure) -> figure:
    """Take away Bokeh's own signature, and keep the wheel for the page until it is asked for."""
    made.toolbar.logo = None
    made.toolbar.autohide = False
    made.min_border_right = 16
    made.y_range.start = 0
    made.y_range.only_visible = True
    for tool in made.select(WheelZoomTool):
        tool.zoom_on_axis = False
    return made


def add_line(
    made: figure, source: ColumnDataSource, x: str, y: str, label: str, series: int, *, dash: str, shown: bool = True
) -> Any:
    """A line with its points, which a click into the legend hides, or shows; returns the line's renderer."""
    known = {"source": source, "legend_label": label, "visible": shown}
    line = made.line(x, y, line_width=2, line_dash=dash, **known)
    points = made.scatter(x, y, size=3, **known)
    line.tags = points.tags = series_tag(series)
    return line


def series_tag(series: int) -> list[str]:
    """What a renderer's `tags` are, so that the page paints it: there are eight colours."""
    return [f"series-{(series - 1) % 8 + 1}"]


def add_border(made: figure, at: float, label: str, series: int) -> None:
    """A dashed level that the verdict judges by; the scale reaches up to it, so that it is always seen."""
    border = made.hspan(y=[at], legend_label=label, line_width=1.5, line_dash="dashed")
    border.tags = series_tag(series)


def add_hover(made: figure, renderer: Any, tooltips: Sequence[tuple[str, str]], mode: str = "vline") -> None:
    """What is said beside the pointer; `renderer` is the one that is listened to."""
    made.add_tools(HoverTool(renderers=[renderer], tooltips=list(tooltips), mode=mode, attachment="horizontal"))


def add_spans(made: figure, spans: Sequence[tuple[float, float, str]]) -> None:
    """Stretches of the run, from and to in seconds, that a finding is about."""
    for begins, ends, label in spans:
        made.add_layout(BoxAnnotation(left=begins, right=ends, fill_alpha=0.12, line_alpha=0.5, tags=["finding"]))
        made.add_layout(Label(x=begins, y=0, y_units="screen", y_offset=4, x_offset=3, text=label, tags=["finding"]))


def finish_legend(made: figure) -> None:
    """A click hides; the legend stands above the plot, where it covers nothing."""
    if made.legend:
        legend = made.legend[0]
        made.add_layout(legend, "above")
        legend.click_policy = "hide"
        legend.orientation = "horizontal"
        longest = max(len(item.label.value) for item in legend.items)
        legend.ncols = 2 if longest > _SHORT else 5  # so that it fits a phone
        legend.margin = legend.padding = 2
        legend.spacing = 6
        legend.border_line_color = None


def _time_ticker() -> CompositeTicker:
    return CompositeTicker(
        tickers=[
            # Without one for what is shorter, a chart of some seconds finds no ticker and can't be drawn.
            AdaptiveTicker(base=10, mantissas=[1, 2, 5], min_interval=0.0, max_interval=0.5),
            AdaptiveTicker(base=_MINUTE, mantissas=[1, 2, 5, 10, 15, 30], min_interval=1, max_interval=30 * _MINUTE),
            AdaptiveTicker(base=24, mantissas=_HOURS, min_interval=_HOURS[0], max_interval=_HOURS[-1]),
            AdaptiveTicker(base=10, mantissas=[_DAY * n for n in (1, 2, 5)], min_interval=_DAY),
        ],
        num_minor_ticks=0,
        desired_num_ticks=5,  # as many as there is room for on a phone
    )
