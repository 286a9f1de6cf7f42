"""What went wrong in conversations: checks that failed, and errors."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from coval_load.engine import metrics
from coval_load.report.paint import Paint, one_line
from coval_load.report.summary_parts.text import WIDTH, cut_off, without_middle
from coval_load.report.units import many

MOST_CHECKS = 10

_INDENT = " " * 8


def checks(summary: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    """How many checks passed and failed, and those that failed, most often first."""
    rows = summary.get("checks") or []
    counters = summary["counters"]
    passed = _sum(rows, "passed") or counters.get(metrics.CHECKS_PASSED, 0)
    failed = _sum(rows, "failed") or counters.get(metrics.CHECKS_FAILED, 0)
    if not passed and not failed:
        return
    told = f"{many(passed, 'check')} passed"
    yield paint(f"{told}, {failed:,} failed" if failed else told, "red" if failed else "green")
    failing = [row for row in rows if row["failed"]]  # they come in order
    lines = (line for row in failing[:MOST_CHECKS] for line in _failing(row, paint))
    yield from cut_off(lines, len(failing) - MOST_CHECKS, _INDENT)


def _failing(row: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    amount = f"{row['failed']:>7,} of {row['failed'] + row['passed']:,} "
    yield paint(amount + one_line(f"{row['test_case']}: {row['check']}", WIDTH - len(amount)), "red")
    if row.get("example"):
        yield from without_middle(str(row["example"]), _INDENT, lines_at_most=3)


def _sum(rows: Sequence[Mapping[str, Any]], key: str) -> int:
    return sum(row[key] for row in rows)


def errors(summary: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    """Each kind of error with how often it came and its first message, most often first."""
    for kind, amount in sorted(summary["errors"].items(), key=lambda item: -item[1]):
        yield paint(f"{amount:>7,} {kind}", "red")
        example = summary.get("error_examples", {}).get(kind)
        if example:
            yield from without_middle(str(example), _INDENT, lines_at_most=5)
