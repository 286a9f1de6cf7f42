"""A small chart of block characters for a terminal: a number over time."""

from collections.abc import Callable, Sequence

from coval_load.report.units import clock

COLUMNS = 72
ROWS = 8
_LABEL = 6
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_NICE = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
_TICKS = 4
_DAYS_FROM_S = 2 * 24 * 3600


def chart(values: Sequence[float], duration_s: float) -> list[str]:
    """Ten lines of at most 80 columns: `values`, one for each column, over `duration_s`, above an axis of times."""
    top = _round_up(max(values, default=0.0))
    lines = []
    for row in range(ROWS, 0, -1):
        label = _number(top * row / ROWS) if row in (ROWS, ROWS // 2) else ""
        cells = (_cell(value / top * ROWS - (row - 1)) for value in values)
        lines.append(f"{label:>{_LABEL}} {'┤' if label else '│'}{''.join(cells)}".rstrip())
    lines.append(f"{'0':>{_LABEL}} ┼{'─' * len(values)}")
    lines.append(" " * (_LABEL + 2) + _times(len(values), duration_s))
    return lines


def columns_of(
    buckets: Sequence[float],
    bucket_s: float,
    duration_s: float,
    merge: Callable[[Sequence[tuple[float, float]]], float],
) -> list[float]:
    """One number for each column: `merge` of the (value, seconds) of the buckets that share time with it."""
    width_s = duration_s / COLUMNS
    columns = []
    for column in range(COLUMNS if width_s > 0 else 0):
        begins, ends = column * width_s, (column + 1) * width_s
        first = min(int(begins / bucket_s), len(buckets) - 1)
        shared = []
        for at in range(first, min(int(ends / bucket_s) + 1, len(buckets))):
            seconds = min(ends, (at + 1) * bucket_s) - max(begins, at * bucket_s)
            if seconds > 1e-9 * duration_s:
                shared.append((buckets[at], seconds))
        columns.append(merge(shared or [(buckets[first], width_s)]))
    return columns


def highest(shared: Sequence[tuple[float, float]]) -> float:
    """The highest value: for what must not be overlooked, however short it was."""
    return max(value for value, _ in shared)


def average(shared: Sequence[tuple[float, float]]) -> float:
    """The average over the time."""
    return sum(value * seconds for value, seconds in shared) / sum(seconds for _, seconds in shared)


def when(seconds: float, within_s: float = 0.0) -> str:
    """As `clock`; in days and hours, `6d12h`, from two days on, or where it is a part of so long a time."""
    if max(seconds, within_s) < _DAYS_FROM_S or seconds == 0:
        return clock(seconds)
    hours = round(seconds / 3600)
    return f"{hours // 24}d{hours % 24:02}h"


def _cell(eighths: float) -> str:
    filled = round(eighths * 8)
    return _EIGHTHS[min(max(filled, 0), 8)]


def _round_up(value: float) -> float:
    """The next number that is easily halved and read."""
    if value <= 0:
        return 1.0
    scale = 10.0 ** (len(str(int(value))) - 1) if value >= 1 else 10.0 ** -len(f"{1 / value:.0f}")
    return next((scale * nice for nice in _NICE if value <= scale * nice * (1 + 1e-9)), scale * 10)


def _number(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _times(columns: int, duration_s: float) -> str:
    line = [" "] * columns
    for tick in range(_TICKS + 1):
        text = when(duration_s * tick / _TICKS, duration_s)
        at = min(max(round(columns * tick / _TICKS) - (0 if tick == 0 else len(text) // 2), 0), columns - len(text))
        line[at : at + len(text)] = text
    return "".join(line).rstrip()
