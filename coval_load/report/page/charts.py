"""The charts of the report, made with Bokeh as JSON that its script draws; the live dashboard shows the same.

Every figure draws from sources that have a name and no data: `course`, whose columns are those of
`report.course.Course.columns`, and `percentiles:<metric>`, whose columns are those of `percentile_columns`. Whoever
shows them sets `source.data`, once or as often as there is something new.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from bokeh.embed import json_item
from bokeh.models import FixedTicker, NumeralTickFormatter
from bokeh.plotting import figure
from bokeh.transform import stack

from coval_load.engine import metrics, verdict
from coval_load.report.page import captions
from coval_load.report.page.captions import Columns, Plot
from coval_load.report.page.plotting import (
    HEIGHT,
    add_border,
    add_hover,
    add_line,
    add_spans,
    finish_legend,
    named_source,
    series_tag,
    tidy,
    time_figure,
)

Spans = Sequence[tuple[float, float, str]]
"""Stretches of the run to mark: from and to in seconds, and what for."""

PERCENTILES = "percentiles:"
"""What the name of a source begins with that holds a metric's percentile plot."""

_NINES = {2: "50 %", 10: "90 %", 100: "99 %", 1000: "99.9 %", 10_000: "99.99 %"}
_NINES |= {100_000: "99.999 %", 1_000_000: "99.9999 %"}
X_MOST = 1e9
_LONG = frozenset({metrics.TURN_TIME, metrics.SIMULATION_TIME})
"""Shown when their name in the legend is clicked: beside them, latencies would all look alike."""
_OVER_TIME = ("p50", "p90", "p95", "p99", "max")
_CLOCK = ("at", "@at{00:00:00}")
_DASHES = ("solid", "dashed", "dotted", "dotdash", "dashdot")
_LATENCY_DASHES = ("solid", "solid", "solid", "solid", "dotted")


@attrs.frozen
class ChartItem:
    """One chart: `item` is what `Bokeh.embed.embed_item` takes, `caption` says in words what it shows."""

    id: str
    title: str
    caption: str
    item: Mapping[str, Any] = attrs.field(repr=False)


def chart_items(
    columns: Columns,
    percentile_plots: Mapping[str, Plot],
    kinds: Sequence[str],
    spans: Spans = (),
) -> list[ChartItem]:
    """Every chart that has something to show.

    `columns` is the course of the run and `percentile_plots` has pairs of percentile and seconds for each metric; their
    values go into captions only. `kinds` are the kinds of errors that there were, the most frequent first, and `spans`
    the stretches that findings are about.
    """
    until_s = max((at for at in columns.get("at", ()) if at is not None), default=0.0)
    over_time = _OverTime(columns, until_s, spans)
    found = [over_time.load(), over_time.rate()]
    if over_time.may_have(*(f"latency_{name}" for name in _OVER_TIME)):
        found.append(over_time.latency())
    if percentile_plots:
        found.append(_distribution(percentile_plots))
    if kinds:
        found.append(over_time.errors(kinds))
    if over_time.may_have("send_lateness_p99", "loop_lag_p99"):
        found.append(over_time.lateness())
    if over_time.may_have("cpu_share"):
        found.append(over_time.cpu())
    return found


@attrs.frozen
class _OverTime:
    _columns: Columns
    _until_s: float
    _spans: Spans

    def load(self) -> ChartItem:
        lines = [("running", "running", "0,0"), ("queued", "waiting", "0,0")]
        made = self._lines("simulations", "0,0", lines)
        return self._item("load", "Simulations at once", captions.load_caption(self._columns), made)

    def rate(self) -> ChartItem:
        lines = [("started_per_s", "began", "0,0.[00]"), ("ended_per_s", "ended", "0,0.[00]")]
        made = self._lines("a second", "0,0.[00]", lines)
        return self._item("rate", "Simulations a second", captions.rate_caption(self._columns), made)

    def latency(self) -> ChartItem:
        lines = [(f"latency_{name}", name, "0.000 s") for name in _OVER_TIME]
        made = self._lines("seconds", "0.[000]", lines, dashes=_LATENCY_DASHES)
        caption = captions.latency_caption(self._columns, metrics.RESPONSE_LATENCY)
        return self._item("latency", "Response latency over time", caption, made)

    def lateness(self) -> ChartItem:
        told = [
            ("send_lateness_p99", "frames", verdict.SEND_LATENESS_DEGRADED_S),
            ("loop_lag_p99", "wake-ups", verdict.LOOP_LAG_DEGRADED_S),
        ]
        there = [one for one in told if self.may_have(one[0])]  # a border has its line's colour and goes with it
        lines = [(column, name, "0.0000 s") for column, name, _ in there]
        borders = [(level, f"border for {name}") for _, name, level in there]
        made = self._lines("seconds", "0.[0000]", lines, borders)
        return self._item("lateness", "The generator: how late (p99)", captions.lateness_caption(self._columns), made)

    def cpu(self) -> ChartItem:
        borders = [(verdict.CPU_SHARE_DEGRADED, "border")]
        made = self._lines("share of one core", "0 %", [("cpu_share", "CPU", "0 %")], borders)
        return self._item("cpu", "The generator: CPU", captions.cpu_caption(self._columns), made)

    def errors(self, kinds: Sequence[str]) -> ChartItem:
        columns = [f"errors.{kind}" for kind in kinds]
        source = named_source("course", ["start", "at", *columns])
        made = time_figure("failed", self._until_s, unit="0,0")
        for number, (kind, column) in enumerate(zip(kinds, columns, strict=True)):
            bars = made.quad(
                left="start",
                right="at",
                bottom=stack(*columns[:number]),
                top=stack(*columns[: number + 1]),
                source=source,
                legend_label=kind,
                line_width=0,
            )
            bars.tags = series_tag(number + 1)
            add_hover(made, bars, [_CLOCK, (kind, f"@{{{column}}}")], mode="mouse")
        add_spans(made, self._spans)
        finish_legend(made)
        return self._item("errors", "Errors over time", captions.errors_caption(self._columns, kinds), made)

    def _lines(
        self,
        label: str,
        unit: str,
        lines: Sequence[tuple[str, str, str]],
        borders: Sequence[tuple[float, str]] = (),
        dashes: Sequence[str] = _DASHES,
    ) -> figure:
        lines = [line for line in lines if self.may_have(line[0])]
        source = named_source("course", ["at", *(column for column, _, _ in lines)])
        made = time_figure(label, self._until_s, unit=unit)
        drawn = [
            add_line(made, source, "at", column, told, number + 1, dash=dashes[number])
            for number, (column, told, _) in enumerate(lines)
        ]
        for number, (level, told) in enumerate(borders):
            add_border(made, level, told, number + 1)
        tooltips = [_CLOCK, *((told, _shown(column, how)) for column, told, how in lines)]
        add_hover(made, drawn[0], tooltips)
        add_spans(made, self._spans)
        finish_legend(made)
        return made

    def may_have(self, *columns: str) -> bool:
        """False where there are points and none of them has one of these, as frames in a chat."""
        found = [self._columns.get(column, ()) for column in columns]
        return any(not values or any(value is not None for value in values) for values in found)

    def _item(self, id_: str, title: str, caption: str, made: figure) -> ChartItem:
        return ChartItem(id_, title, caption, json_item(made))


def _shown(column: str, how: str) -> str:
    digits, _, unit = how.partition(" ")
    return f"@{column}{{0 %}}" if unit == "%" else f"@{column}{{{digits}}} {unit}".rstrip()


def percentile_columns(plot: Plot) -> dict[str, list[float]]:
    """What the source of a percentile plot takes: `x` is 1 / (1 - share), so that each nine has as much room."""
    x = [min(100 / (100 - percentile), X_MOST) if percentile < 100 else X_MOST for percentile, _ in plot]
    last = max((value for value in x if value < X_MOST), default=1.0)  # the slowest of all is no nine further
    percentiles, seconds = [one for one, _ in plot], [one for _, one in plot]
    return {"x": [min(value, last * 2) for value in x], "percentile": percentiles, "seconds": seconds}


def _distribution(plots: Mapping[str, Plot]) -> ChartItem:
    made = figure(
        height=HEIGHT,
        sizing_mode="stretch_width",
        x_axis_type="log",
        x_axis_label="share of the measurements",
        y_axis_label="seconds",
        tools="pan,wheel_zoom,box_zoom,reset",
        toolbar_location="above",
        active_drag=None,
        active_scroll=None,
    )
    made.xaxis.ticker = FixedTicker(ticks=list(_NINES))
    made.xaxis.major_label_overrides = dict(_NINES)
    made.yaxis.formatter = NumeralTickFormatter(format="0.[000]")
    for number, name in enumerate(plots):
        source = named_source(f"{PERCENTILES}{name}", ["x", "seconds", "percentile"])
        dash = _DASHES[number % len(_DASHES)]
        line = add_line(made, source, "x", "seconds", name, number + 1, dash=dash, shown=name not in _LONG)
        add_hover(made, line, [(name, "@seconds{0.0000} s"), ("within it", "@percentile{0.[0000]} %")], "mouse")
    finish_legend(tidy(made))
    title = "How latencies are distributed"
    return ChartItem("distribution", title, captions.distribution_caption(plots), json_item(made))
