"""What the run had to keep to, and whether it did."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from coval_load.report.paint import Paint
from coval_load.report.summary_parts.text import cut_off, wrapped
from coval_load.report.units import many

MOST = 20

_WORDS = {True: ("ok     ", "green"), False: ("CROSSED", "red")}
_IN_MS_BELOW_S = 0.1
_HANGING = " " * 10
_LIMIT = re.compile(r"(-?[0-9.]+)([a-z%]*)$")
_UNITS = {
    "s": " s",
    "1": "",
    "bytes": " bytes",
    "1/s": " a second",
    "bytes/s": " bytes a second",
}


def thresholds(rows: Sequence[Mapping[str, Any]], paint: Paint) -> Iterator[str]:
    """A line for each, those that were crossed first where not all are shown, and how many held."""
    if not rows:
        return
    shown = rows if len(rows) <= MOST else sorted(rows, key=lambda row: bool(row["passed"]))[:MOST]
    lines = (line for row in shown for line in _lines(row, paint))
    yield from cut_off(lines, len(rows) - len(shown))
    held = sum(1 for row in rows if row["passed"])
    yield paint(f"{held:,} of {many(len(rows), 'threshold')} held", "green" if held == len(rows) else "red")


def _lines(row: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    word, colour = _WORDS[bool(row["passed"])]
    stopped = " (stopped the run)" if row.get("aborted") else ""
    text = f"{row['metric']} {row['threshold']}: {came(row)}{stopped}"
    for number, line in enumerate(wrapped(text, indent=" " * 8, hanging=_HANGING)):
        yield line if number else f"{paint(word, colour)} {line.lstrip()}"


def came(row: Mapping[str, Any]) -> str:
    """What was measured for a threshold, in the unit that its limit has, or why nothing was."""
    baseline = row.get("baseline")
    if row["value"] is None:
        reason = str(row.get("reason") or "nothing was measured for it")
        return reason.removeprefix(f"expected {row['threshold']}; got ") if baseline is None else reason
    if baseline is None:
        return figure(row["value"], row["unit"], row["threshold"])
    value, limit, before = (
        figure(each, row["unit"], row["threshold"], against=row["limit"])
        for each in (row["value"], row["limit"], baseline)
    )
    return f"{value} (limit {limit}, baseline {before})"


def figure(value: float, unit: str, expression: str, *, against: float | None = None) -> str:
    """A value in the unit that its limit has, in as many digits as it takes to tell it from the limit.

    `against`: the limit, in `unit`, where `expression` takes it from a baseline and so does not say it.
    """
    found = _LIMIT.search(expression) if against is None else None
    limit, of_limit = (float(found[1]), found[2]) if found else (against, "")
    scale, suffix = 1.0, _UNITS.get(unit, f" {unit}")
    if unit == "s" and (of_limit == "ms" or value < _IN_MS_BELOW_S):
        scale, suffix = 1e3, " ms"
        limit = limit if limit is None or of_limit == "ms" else limit * 1e3
    elif unit == "1/h" or (unit == "1" and expression.startswith("rate")):
        # A share may be written 0.01 as well as 1%: people read percents.
        scale, suffix = 100.0, " % an hour" if unit == "1/h" else " %"
        limit = limit if limit is None or of_limit == "%" else limit * 100
    return f"{_digits(value * scale, limit if value != against else None)}{suffix}"


def _digits(value: float, limit: float | None) -> str:
    if value == int(value):
        return f"{int(value):,}"
    for digits in range(3, 10):
        shown = float(f"{value:.{digits}g}")
        if shown != limit:
            break
    return f"{shown:,.0f}" if abs(shown) >= 1000 else f"{shown:.{digits}g}"
