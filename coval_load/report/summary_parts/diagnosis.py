"""What went wrong, in a few lines, where something did."""

from collections.abc import Iterator
from itertools import islice

from coval_load.report.diagnosis.finding import Diagnosis
from coval_load.report.paint import Paint, one_line
from coval_load.report.summary_parts.text import WIDTH, wrapped

MOST_FINDINGS = 3
MOST_LINES = 14
MOST_LINES_OF_EACH = 3


def diagnosis(found: Diagnosis, paint: Paint) -> Iterator[str]:
    """The answer, and at most three bad findings, each with its first sentence; nothing where nothing is bad."""
    if any(one.severity == "bad" for one in found.findings):
        yield from islice(_lines(found, paint), MOST_LINES)


def _lines(found: Diagnosis, paint: Paint) -> Iterator[str]:
    yield from (paint(line, "bold") for line in wrapped(found.answer, indent="", hanging="  "))
    for one in [one for one in found.findings if one.severity == "bad"][:MOST_FINDINGS]:
        yield paint(one_line(f"  {one.title}", WIDTH), "red")
        if one.sentences:
            yield from wrapped(one.sentences[0], indent="    ", hanging="    ")[:MOST_LINES_OF_EACH]
