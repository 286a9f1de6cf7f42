"""docs/diagnosis.md says what the code does."""

import re

from docs_pages import page

from coval_load.engine.verdict import NOT_STARTED_DEGRADED
from coval_load.report.diagnosis import blame, change, concentration, errors, latency, load, plan_kept, slow_labels
from coval_load.report.diagnosis.finding import Diagnosis, Finding
from coval_load.report.paint import Paint
from coval_load.report.summary_parts.diagnosis import diagnosis
from coval_load.report.summary_text import diagnosis_text

BORDERS = [
    round(2.718281828459045**change.SURE),
    f"{errors.RARE:.0%}",
    f"{errors.RARE_OF_FEW:.0%}",
    concentration.SURE_P,
    concentration.TIMES_AS_OFTEN,
    latency.P50_TIMES,
    f"{latency.P50_APART_S * 1e3:.0f} ms",
    latency.P95_TIMES,
    f"{latency.P95_APART_S * 1e3:.0f} ms",
    latency.BAD_TIMES,
    slow_labels.TIMES,
    f"{slow_labels.APART_S * 1e3:.0f} ms",
    load.LEVEL_WITHIN,
    f"{load.WITH_LOAD:.0%}",
    f"{NOT_STARTED_DEGRADED:.0%}",
    f"{plan_kept.MISSING_BAD:.0%}",
]


def cells(heading: str) -> list[list[str]]:
    section = page("diagnosis").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|.*\|$", section, re.M)][
        2:
    ]


def test_the_borders_are_those_of_the_code():
    shown = [row[-1].replace(" %", "%") for row in cells("Borders")]
    assert shown == [f"{border:g}" if isinstance(border, int | float) else border for border in BORDERS]


def test_the_kinds_that_a_late_generator_could_bring_about_are_named():
    (told,) = [row[0] for row in cells("Agent or generator") if "no_response" in row[0]]
    assert set(re.findall(r"`(\w+)`", told)) == {str(kind) for kind in blame.WAITED_IN_VAIN}
    shares = " ".join(row[1] for row in cells("Agent or generator"))
    assert f"less than {blame.CLEAR * 100:.0f} %" in shares
    assert f"{blame.STRAINED * 100:.0f} % of it or more" in shares


def printed(found: Diagnosis) -> list[str]:
    return list(diagnosis(found, Paint(False)))


def test_the_terminal_shows_what_is_bad_as_the_page_does():
    when = "from 1m02s on: 215 of 1,403 (15 %) that were under way or began then, before that none of 597"
    change = "from 1m00s on against before that: p50 380 ms -> 753 ms, p95 666 ms -> 1.30 s"
    bad = [
        Finding("agent", "bad", "no_response: 215 of 2,000 conversations failed, from 1m02s on", (when, "more")),
        Finding("agent", "bad", "response latency p50 380 ms -> 753 ms from 1m00s on", (change,)),
        Finding("agent", "bad", "threshold crossed: response_latency p95 < 1s", ("expected p95 < 1s; got 1.23 s",)),
        Finding("agent", "bad", "a fourth"),
    ]
    lines = printed(Diagnosis(f"It was the agent: {bad[0].title}", tuple(bad)))
    (shown,) = re.findall(r"^```text diagnosis\n(.*?)^```$", page("diagnosis"), re.M | re.S)
    assert lines == shown.splitlines()
    assert all(len(line) <= 80 for line in [*lines, *shown.splitlines()])


def test_the_terminal_has_at_most_fourteen_lines_and_none_that_acts():
    bad = [Finding("agent", "bad", "z\x1b[2J" * 40, ("\x1b]0;owned\x07\n" * 9,))] * 5
    lines = printed(Diagnosis("Both: " + "words " * 60, tuple(bad)))
    assert len(lines) == 14
    assert all(len(line) <= 80 and line.isprintable() for line in lines)


def test_the_terminal_shows_nothing_where_nothing_is_bad():
    assert not printed(Diagnosis("Little went wrong: a", (Finding("agent", "warning", "a"),)))


def test_it_stands_by_itself_between_empty_lines():
    found = Diagnosis("It was the agent: a", (Finding("agent", "bad", "a"),))
    assert diagnosis_text(found, False) == "\nIt was the agent: a\n  a\n\n"
    assert diagnosis_text(Diagnosis("Nothing went wrong: 3 conversations completed", ()), False) == ""
