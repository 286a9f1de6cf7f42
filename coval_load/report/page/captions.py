"""What a chart shows, in words: for whoever can't see it, and for whoever has ten seconds."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence

from coval_load.report.units import clock, duration, many

Columns = Mapping[str, Sequence[float | None]]
"""Of the same length; None or not a number where nothing was measured."""
Plot = Sequence[tuple[float, float]]
"""Pairs of percentile, 0..100, and seconds, both rising: `Contents.plots` has them."""


def peak(columns: Columns, name: str) -> tuple[float, float] | None:
    """The highest value of a column, and the time it stands at; None where there is none."""
    found = [
        (value, at)
        for value, at in zip(columns.get(name, ()), columns.get("at", ()), strict=False)
        if value is not None and at is not None and value == value
    ]
    return max(found, key=lambda pair: pair[0]) if found else None


def highest(columns: Columns, name: str, what: str, told: Callable[[float], str]) -> str:
    """`p99 was highest at 3m05s: 1.25 s`; empty where the column has no value."""
    found = peak(columns, name)
    return "" if found is None else f"{what} was highest at {clock(found[1])}: {told(found[0])}"


def sentences(*parts: str) -> str:
    """The parts that say something, each with a full stop."""
    return " ".join(f"{part}." for part in parts if part)


def count(value: float) -> str:
    """`1,234`."""
    return f"{value:,.0f}"


def per_second(value: float) -> str:
    """`12.5 a second`."""
    return f"{value:,.3g} a second"


def share(value: float) -> str:
    """`97 %`."""
    return f"{value * 100:.0f} %"


def load_caption(columns: Columns) -> str:
    """Of how many ran and waited."""
    return sentences(
        "How many simulations ran at the same time, and how many waited for a place",
        highest(columns, "running", "The number of running ones", count),
        highest(columns, "queued", "The number of waiting ones", count) if any(columns.get("queued", ())) else "",
    )


def rate_caption(columns: Columns) -> str:
    """Of how many began and ended in a second."""
    return sentences(
        "How many simulations began and ended in a second",
        highest(columns, "started_per_s", "The rate of starts", per_second),
    )


def latency_caption(columns: Columns, name: str) -> str:
    """Of a metric's percentiles over time."""
    return sentences(
        f"Percentiles of {name} in each stretch of the run",
        highest(columns, "latency_p50", "The median", duration),
        highest(columns, "latency_p99", "p99", duration),
        highest(columns, "latency_max", "The slowest", duration),
    )


def distribution_caption(plots: Mapping[str, Plot]) -> str:
    """Of the percentile plot."""
    values = (
        f"{name}: half within {duration(_within(plot, 50))}, 99 % within {duration(_within(plot, 99))}, "
        f"all within {duration(plot[-1][1])}"
        for name, plot in plots.items()
        if plot
    )
    return sentences("Which share of all measurements stayed within which time; the slowest is at the right", *values)


def _within(plot: Plot, percentile: float) -> float:
    found = bisect_left(plot, (percentile, 0.0))
    return plot[min(found, len(plot) - 1)][1]


def errors_caption(columns: Columns, kinds: Sequence[str]) -> str:
    """Of failed simulations over time."""
    worst = (highest(columns, f"errors.{kind}", kind, lambda value: many(round(value), "failure")) for kind in kinds)
    return sentences("Simulations that failed, by kind of error, in each stretch of the run", *worst)


def lateness_caption(columns: Columns) -> str:
    """Of what the generator itself was late with."""
    return sentences(
        "How late the generator left frames and woke up (p99): above a dashed line the numbers deserve care",
        highest(columns, "send_lateness_p99", "Lateness of frames", duration),
        highest(columns, "loop_lag_p99", "Lateness of wake-ups", duration),
    )


def cpu_caption(columns: Columns) -> str:
    """Of the generator's CPU."""
    return sentences(
        "Which share of one core the generator used: above the dashed line the next simulation makes all of them late",
        highest(columns, "cpu_share", "Its use", share),
    )
