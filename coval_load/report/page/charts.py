"""The charts of the report, made with Bokeh as JSON that its script draws; the live dashboard shows the same.

Every figure draws from sources that have a name and no data: `course` (the run over time, a column for each number)
and `percentiles:<metric>`. Whoever shows them sets `source.data`, once or as often as there is something new.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from bokeh.embed import json_item
from bokeh.models import FixedTicker, NumeralTickFormatter
from bokeh.plotting import figure

from coval_load.engine import metrics, verdict
from coval_load.report.page import captions
from coval_load.report.page.captions import Columns
from coval_load.report.page.plotting import (
    HEIGHT,
    add_border,
    add_hover,
    add_line,
    add_spans,
    finish_legend,
    named_source,
    tidy,
    time_figure,
)

Spans = Sequence[tuple[float, float, str]]
"""Stretches of the run to mark: from and to in seconds, and what for."""

PERCENTILES = "percentiles:"
"""What the name of a source begins with that holds a metric's percentile plot: `x` and `seconds`."""

_NINES = {1: "0 %", 2: "50 %", 4: "75 %", 10: "90 %", 20: "95 %", 100: "99 %", 1000: "99.9 %", 10_000: "99.99 %"}
_NINES |= {100_000: "99.999 %", 1_000_000: "99.9999 %"}
_OVER_TIME = ("p50", "p90", "p95", "p99", "max")
_CLOCK = ("at", "@at{00:00:00}")
_DASHES = ("solid", "dashed", "dotted", "dotdash", "dashdot")


@attrs.frozen
class ChartItem:
    """One chart: `item` is what `Bokeh.embed.embed_item` takes, `caption` says in words what it shows."""

    id: str
    title: str
    caption: str
    item: Mapping[str, Any] = attrs.field(repr=False)


def chart_items(
    columns: Columns,
    percentile_plots: Mapping[str, Mapping[str, Sequence[float]]],
    kinds: Sequence[str],
    spans: Spans = (),
) -> list[ChartItem]:
    """Every chart that has something to show.

    `columns` is the course of the run (its values go into the captions only), `percentile_plots` has `x`
    (1 / (1 - share)) and `seconds` for each metric, `kinds` are the kinds of errors that there were, the most frequent
    first, and `spans` the stretches that findings are about.
    """
    until_s = max((at for at in columns.get("at", ()) if at is not None), default=0.0)
    over_time = _OverTime(columns, until_s, spans)
    found = [over_time.load(), over_time.rate(), over_time.latency()]
    if percentile_plots:
        found.append(_distribution(percentile_plots))
    if kinds:
        found.append(over_time.errors(kinds))
    return [*found, over_time.lateness(), over_time.cpu()]


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
        lines = [("started_a_second", "began", "0,0.[00]"), ("ended_a_second", "ended", "0,0.[00]")]
        made = self._lines("a second", "0,0.[00]", lines)
        return self._item("rate", "Simulations a second", captions.rate_caption(self._columns), made)

    def latency(self) -> ChartItem:
        lines = [(name, name, "0.000 s") for name in _OVER_TIME]
        made = self._lines("seconds", "0.[000]", lines)
        caption = captions.latency_caption(self._columns, metrics.RESPONSE_LATENCY)
        return self._item("latency", "Response latency over time", caption, made)

    def lateness(self) -> ChartItem:
        lines = [("send_lateness_p99", "frames left late (p99)", "0.0000 s")]
        lines += [("loop_lag_p99", "the generator woke late (p99)", "0.0000 s")]
        borders = [
            (verdict.SEND_LATENESS_DEGRADED_S, "frames: care from here on"),
            (verdict.LOOP_LAG_DEGRADED_S, "wake-ups: care from here on"),
        ]
        made = self._lines("seconds", "0.[0000]", lines, borders)
        return self._item("lateness", "The generator: lateness", captions.lateness_caption(self._columns), made)

    def cpu(self) -> ChartItem:
        borders = [(verdict.CPU_SHARE_DEGRADED, "care from here on")]
        made = self._lines("share of one core", "0 %", [("cpu_share", "CPU", "0 %")], borders)
        return self._item("cpu", "The generator: CPU", captions.cpu_caption(self._columns), made)

    def errors(self, kinds: Sequence[str]) -> ChartItem:
        columns = [f"errors_{kind}" for kind in kinds]
        source = named_source("course", ["at", "middle", "seconds", *columns])
        made = time_figure("failed", self._until_s, unit="0,0")
        bars = made.vbar_stack(columns, x="middle", width="seconds", source=source, legend_label=list(kinds))
        for number, bar in enumerate(bars):
            bar.tags = [f"series-{number % 8 + 1}"]
            add_hover(made, bar, [_CLOCK, (kinds[number], f"@{{errors_{kinds[number]}}}")], mode="mouse")
        add_spans(made, self._spans)
        finish_legend(made)
        return self._item("errors", "Errors over time", captions.errors_caption(self._columns, kinds), made)

    def _lines(
        self,
        label: str,
        unit: str,
        lines: Sequence[tuple[str, str, str]],
        borders: Sequence[tuple[float, str]] = (),
    ) -> figure:
        source = named_source("course", ["at", *(column for column, _, _ in lines)])
        made = time_figure(label, self._until_s, unit=unit)
        drawn = [
            add_line(made, source, "at", column, told, number + 1, line_dash=_DASHES[number % len(_DASHES)])
            for number, (column, told, _) in enumerate(lines)
        ]
        for number, (level, told) in enumerate(borders):
            add_border(made, level, told, number + 1)
        tooltips = [_CLOCK, *((told, _shown(column, how)) for column, told, how in lines)]
        add_hover(made, drawn[0], tooltips)
        add_spans(made, self._spans)
        finish_legend(made)
        return made

    def _item(self, id_: str, title: str, caption: str, made: figure) -> ChartItem:
        return ChartItem(id_, title, caption, json_item(made))


def _shown(column: str, how: str) -> str:
    digits, _, unit = how.partition(" ")
    return f"@{column}{{0 %}}" if unit == "%" else f"@{column}{{{digits}}} {unit}".rstrip()


def _distribution(plots: Mapping[str, Mapping[str, Sequence[float]]]) -> ChartItem:
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
    made.y_range.start = 0
    for number, name in enumerate(plots):
        source = named_source(f"{PERCENTILES}{name}", ["x", "seconds", "percentile"])
        dash = _DASHES[number % len(_DASHES)]
        line = add_line(made, source, "x", "seconds", name, number % 8 + 1, line_dash=dash)
        add_hover(made, line, [(name, "@seconds{0.0000} s"), ("within it", "@percentile{0.[0000]} %")], "mouse")
    finish_legend(tidy(made))
    title = "How latencies are distributed"
    return ChartItem("distribution", title, captions.distribution_caption(plots), json_item(made))
