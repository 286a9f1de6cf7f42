"""What a plan will do, for a terminal of 80 columns: how much, when, and what will have to wait."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from coval_load.report.chart import average, chart, columns_of, highest, when
from coval_load.report.paint import Paint, one_line, printable
from coval_load.report.units import duration, many

WIDTH = 80
_NAME = 23

_ADVICE = {
    "dropped": "would be dropped: their places are taken when they are due",
    "queued": "would have to wait for a place",
    "never_started": "would still wait for a place at the end, and never start",
    "cut_off": "would be cut off at the end of the grace period: see timeouts.grace",
    "too_long": "would be cut off as too long: see timeouts.simulation",
}


def plan_text(name: str, preview: Mapping[str, Any], basis: str, colour: bool) -> str:
    """The preview in lines of at most 80 columns, with a newline at the end.

    `preview` is `plans.preview.Preview.as_json()`; `basis` says what conversations were taken to last.
    """
    paint = Paint(colour)
    parts = (
        _headline(name, preview, basis, paint),
        _table(preview, paint),
        _losses(preview, paint),
        _limits(preview, paint),
        _charts(preview, paint),
    )
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part))) + "\n"


def _headline(name: str, preview: Mapping[str, Any], basis: str, paint: Paint) -> Iterator[str]:
    yield paint(one_line(name, WIDTH), "bold")
    much = f"{many(preview['counts']['started'], 'simulation')} in {when(preview['duration_s'])}, " + (
        f"up to {preview['peak_concurrency']:,} at once and {_rate(preview['peak_starts_per_s'])} started in a second"
    )
    yield from textwrap.wrap(much, WIDTH)
    told = f"tried without an agent, {basis}"
    if preview["divisor"] > 1:
        told += f"; at 1/{preview['divisor']} of its size, so the numbers are rounded"
    yield from textwrap.wrap(printable(told), WIDTH)


def _table(preview: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    yield paint(
        f"{'scenario':{_NAME}}{'simulations':>12}{'at once':>9}{'a second':>9}{'from':>8}{'to':>8}{'each':>10}", "dim"
    )
    for scenario in preview["scenarios"]:
        begins, ends = scenario["begins_s"], scenario["ends_s"]
        yield (
            f"{one_line(scenario['name'], _NAME - 1):{_NAME}}{scenario['started']:>12,}"
            f"{scenario['peak_concurrency']:>9,}{_rate(scenario['peak_starts_per_s']):>9}"
            f"{'-' if begins is None else when(begins):>8}{'-' if ends is None else when(ends):>8}"
            f"{duration(scenario['mean_length_s']):>10}"
        )


def _losses(preview: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    several = len(preview["scenarios"]) > 1
    for scenario in preview["scenarios"]:
        whose = f" of {one_line(scenario['name'], 40)}" if several else ""
        for count, advice in _ADVICE.items():
            if scenario[count]:
                share = f"{scenario[count]:,} of {scenario['offered']:,} simulations{whose} {advice}"
                yield from (paint(line, "yellow") for line in textwrap.wrap(printable(share), WIDTH))


def _limits(preview: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    for name, agent in preview["agents"].items():
        peak, limit = agent["peak_concurrency"], agent["limit"]
        if limit is not None and peak >= limit:
            yield paint(f"{one_line(name, 40)}: its limit of {limit:,} at once is reached", "yellow")
        elif len(preview["agents"]) > 1:
            allowed = "" if limit is None else f" of {limit:,}"
            yield f"{one_line(name, 40)}: up to {peak:,}{allowed} at once"


def _charts(preview: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    timeline = preview["timeline"]
    bucket_s = timeline["bucket_s"]
    buckets = len(timeline["concurrency"])
    lasts = min(preview["duration_s"], buckets * bucket_s)
    if lasts <= 0:
        return
    levels = [float(bucket["max"]) for bucket in timeline["concurrency"]]
    yield paint("simulations at once", "dim")
    yield from chart(columns_of(levels, bucket_s, lasts, highest), lasts)
    if any(scenario["is_open"] for scenario in preview["scenarios"]):
        yield ""
        yield paint("started a second", "dim")
        yield from chart(columns_of(timeline["starts_per_s"], bucket_s, lasts, average), lasts)


def _rate(per_s: float) -> str:
    return f"{per_s:,.0f}" if per_s >= 10 or per_s == round(per_s) else f"{per_s:.2g}"
