"""How findings say shares, times and names."""

from collections.abc import Sequence

from coval_load.report.diagnosis.census import CHECKS, OTHERS
from coval_load.report.diagnosis.reading import named
from coval_load.report.units import clock

CONVERSATION = "conversation"


def share(part: float, whole: float) -> str:
    """`12 %`; what is there is not shown as none, what is missing not as all."""
    if not whole:
        return "0 %"
    of_all = part / whole * 100
    if 0 < of_all < 0.1:
        return "< 0.1 %"
    if 99.9 < of_all < 100:
        return "> 99.9 %"
    return f"{of_all:.1f} %" if of_all < 1 or 99 < of_all < 100 else f"{of_all:.0f} %"


def of(part: int, whole: int) -> str:
    """`none of 1,181`, `all 219` or `208 of 219 (95 %)`."""
    if not part:
        return f"none of {whole:,}"
    if part == whole:
        return f"all {whole:,}"
    return f"{part:,} of {whole:,} ({share(part, whole)})"


def between(from_s: float, until_s: float) -> str:
    """`from 12s to 20s`, `at 12s`."""
    begin, end = clock(from_s), clock(until_s)
    return f"at {begin}" if begin == end else f"from {begin} to {end}"


def kind_of(kind: str) -> str:
    """A kind of error as it is called."""
    return "failed checks" if kind == CHECKS else named(kind, 30)


def label_words(label: str, values: Sequence[str]) -> str:
    """`test case "refund"`, `agents "a" and "b"`."""
    word = label.replace("_", " ")
    shown = ["other values" if value == OTHERS else f'"{named(value)}"' for value in values]
    if len(shown) == 1:
        return f"{word} {shown[0]}"
    return f"{word}s {', '.join(shown[:-1])} and {shown[-1]}"
