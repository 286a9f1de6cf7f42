"""A comparison for a terminal of 80 columns."""

from collections.abc import Iterator, Sequence

from coval_load.engine import metrics
from coval_load.report.comparison import words
from coval_load.report.comparison.comparison import Comparison
from coval_load.report.comparison.measured import RunMeasured
from coval_load.report.comparison.rows import Row
from coval_load.report.paint import Paint, one_line
from coval_load.report.summary_parts.text import WIDTH, wrapped
from coval_load.report.summary_parts.thresholds import thresholds
from coval_load.report.units import clock, many
from coval_load.report.visible import visible

_LABEL, _NUMBER = 22, 10
_COLOURS = {True: "red", False: "green", None: "yellow"}


def comparison_text(comparisons: Sequence[Comparison], colour: bool, *, everything: bool = False) -> str:
    """A block for each run that is held against the first one, with a newline at the end."""
    paint = Paint(colour)
    blocks = ("\n\n".join("\n".join(part) for part in _parts(one, paint, everything)) for one in comparisons)
    return "\n\n\n".join(blocks) + "\n"


def _parts(one: Comparison, paint: Paint, everything: bool) -> Iterator[list[str]]:
    parts = (
        _runs(one, paint),
        _warnings(words.distrust(one.before, one.after), paint),
        _differing(one, paint),
        _table(one, paint, everything),
        _thresholds(one, paint),
        _ending(one, paint, everything),
    )
    yield from (lines for part in parts if (lines := list(part)))


def _runs(one: Comparison, paint: Paint) -> Iterator[str]:
    for label, run in (("baseline", one.before), ("now", one.after)):
        yield f"{label:10}{paint(one_line(visible(str(run.folder)), WIDTH - 10), 'bold')}"
        yield f"{'':10}{_ended(run)}"


def _ended(run: RunMeasured) -> str:
    failed = f", {run.counts[metrics.FAILED]:,} failed" if run.counts[metrics.FAILED] else ""
    return f"{many(run.counts[metrics.COMPLETED], 'simulation')} completed{failed}, in {clock(run.elapsed_s)}"


def _warnings(sentences: Sequence[str], paint: Paint) -> Iterator[str]:
    for sentence in sentences:
        yield from (paint(line, "red") for line in wrapped(visible(sentence), indent="", hanging="  "))


def _differing(one: Comparison, paint: Paint) -> Iterator[str]:
    if one.differing:
        yield paint("what else differs", "dim")
    for line in one.differing:
        yield from wrapped(visible(line), indent="  ", hanging="    ")


def _table(one: Comparison, paint: Paint, everything: bool) -> Iterator[str]:
    rows = words.shown(one.rows, everything=everything)
    if rows:
        yield paint(f"{'':{_LABEL}}{'baseline':>{_NUMBER}}{'now':>{_NUMBER}}", "dim")
    above = ""
    for row in rows:
        name = one_line(visible(words.subject(row)), WIDTH)
        if row.unit in ("share", "1/min"):
            yield _line(name, row, paint)
            above = ""
            continue
        if name != above:
            yield name
        above = name
        yield _line(f"  {row.aggregate}", row, paint)


def _line(label: str, row: Row, paint: Paint) -> str:
    numbers = "".join(f"{words.figure(row, value):>{_NUMBER}}" for value in (row.baseline, row.value))
    said = words.said(row)
    if row.verdict == "changed":
        said = paint(said, _COLOURS[words.is_worse(row)])
    elif row.verdict != "no_change":
        said = paint(said, "dim")
    return f"{one_line(label, _LABEL):{_LABEL}}{numbers}  {said}"


def _thresholds(one: Comparison, paint: Paint) -> Iterator[str]:
    yield from thresholds(one.thresholds, paint)


def _ending(one: Comparison, paint: Paint, everything: bool) -> Iterator[str]:
    changed = any(row.verdict == "changed" for row in one.rows)
    first, *others = wrapped(words.verdict(one.rows), indent="", hanging="  ")
    yield from (paint(line, "yellow" if changed else "green") for line in (first, *others))
    hidden = len(one.rows) - len(words.shown(one.rows, everything=everything))
    if hidden:
        yield f"  {many(hidden, 'more comparison')} without a change that can be told (--all shows them)"
    for note in words.notes(one.rows, one.before, one.after):
        yield from wrapped(visible(f"note: {note}"), indent="  ", hanging="    ")
