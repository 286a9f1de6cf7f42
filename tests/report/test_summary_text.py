import re

import pytest

from coval_load.engine import metrics
from coval_load.engine.labels import Labels
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.results import Results
from coval_load.report.summary_text import summary_text

RUN = {
    "name": "support line",
    "plan": {"load": {"concurrency": 50, "simulations": 500}},
    "started": "2026-03-04T12:00:00.000Z",
    "ended": "2026-03-04T12:03:05.400Z",
    "exit_code": 0,
}


def some_results():
    results = Results()
    results.count(metrics.OFFERED, 3)
    results.count(metrics.STARTED, 3)
    results.finished(Outcome("completed"))
    results.finished(Outcome("completed"))
    message = "No response received: expected audio within 30 s; none came. " * 3
    results.finished(Outcome("failed", Failure(ErrorKind.NO_RESPONSE, Stage.CONVERSATION, message)))
    results.count(metrics.TURNS, 6)
    results.record_many(metrics.RESPONSE_LATENCY, [0.333, 0.333, 1.5])
    results.record_many(metrics.CONNECT_TIME, [0.004] * 3)
    for _ in range(100):
        results.frame_lateness([0.0012])
    results.vitals.cpu_s, results.vitals.watched_s = 3.1, 10.0
    results.note("support-voice: the limit of 8 simulations at once (what is usual) held others back")
    return results


def test_a_summary_as_a_person_reads_it():
    text = summary_text(some_results().summary(), RUN, colour=False, folder="coval-runs/x")
    assert (
        text
        == """\
support line
2 simulations completed, 1 failed
6 turns, up to 50 at once, in 3m05s

                             count        p50        p95        p99        max
response_latency                 3     333 ms     1.50 s     1.50 s     1.50 s
connect_time                     3     4.0 ms     4.0 ms     4.0 ms     4.0 ms

      1 no_response
        No response received: expected audio within 30 s; none came. No response
        received: expected audio within 30 s; none came. No response received:
        expected audio within 30 s; none came.

this run can be trusted: frames left 1.2 ms late (p99), CPU at 31%

note: support-voice: the limit of 8 simulations at once (what is usual) held
others back

results in coval-runs/x
"""
    )


def test_colour_changes_nothing_but_colour():
    summary = some_results().summary()
    coloured = summary_text(summary, RUN, colour=True, folder="coval-runs/x")
    assert "\x1b[32mthis run can be trusted\x1b[0m" in coloured
    plain = summary_text(summary, RUN, colour=False, folder="coval-runs/x")
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain


def test_a_run_of_nothing_has_a_summary():
    run = {**RUN, "ended": None, "plan": {}}
    assert summary_text(Results().summary(), run, colour=False) == (
        "support line\n0 simulations completed\n0 turns\n\n"
        "this run completed no simulation; the generator was not why\n"
    )


def test_a_run_that_cannot_be_trusted_says_why():
    results = some_results()
    results.count(metrics.ROWS_LOST, 2)
    for _ in range(100):
        results.frame_lateness([0.5])
    text = summary_text(results.summary(), RUN, colour=True)
    assert "\x1b[31mthis run can't be trusted\x1b[0m: frames left 500 ms late (p99)" in text
    assert "\n  expected no line of simulations.jsonl to be lost, got 2; check that the" in text


def test_without_frames_the_loop_tells_the_pace():
    results = Results()
    results.record_many(metrics.LOOP_LAG, [0.06] * 30)
    text = summary_text(results.summary(), RUN, colour=False)
    assert "this run can be trusted with care: the generator woke 60 ms late (p99)\n" in text


def test_the_most_frequent_error_comes_first():
    results = Results()
    for kind in (ErrorKind.DNS_FAILED, ErrorKind.TLS_FAILED, ErrorKind.TLS_FAILED):
        results.finished(Outcome("failed", Failure(kind, Stage.CONNECT, "expected a connection")))
    text = summary_text(results.summary(), RUN, colour=False)
    assert text.index("2 tls_failed") < text.index("1 dns_failed")


def test_of_a_long_message_the_end_is_told_too():
    results = Results()
    message = f"expected status 2xx; got 401: {'so and so, ' * 60}: give --ca-file and check authorization_header"
    results.finished(Outcome("failed", Failure(ErrorKind.AUTHENTICATION_FAILED, Stage.CONVERSATION, message)))
    lines = summary_text(results.summary(), RUN, colour=False).splitlines()
    at = lines.index("      1 authentication_failed")
    told = lines[at + 1 : lines.index("", at)]
    assert len(told) == 5
    assert told[0].startswith("        expected status 2xx; got 401: so and so,")
    assert told[2].endswith(" …")
    assert " ".join(" ".join(told).split()).endswith("so and so, : give --ca-file and check authorization_header")
    assert all(len(line) <= 80 for line in told)


@pytest.mark.parametrize("name", ["x" * 300, "a\x1b[2Jb\nc", "名" * 10])
def test_no_line_is_wider_than_a_terminal_or_moves_its_cursor(name):
    results = some_results()
    for metric in metrics.METRICS:
        results.record(metric, 3599.9)
    text = "\x1b[31mgot " + "y" * 500 + "\x07\r\n"
    results.finished(Outcome("failed", Failure(ErrorKind.INVALID_MESSAGE, Stage.CONVERSATION, text)))
    lines = summary_text(results.summary(), {**RUN, "name": name}, colour=False).splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert all(line.isprintable() for line in lines)


def test_cancelled_simulations_are_told():
    results = Results()
    results.finished(Outcome("cancelled"))
    assert "0 simulations completed, 1 cancelled" in summary_text(results.summary(), RUN, colour=False)


def test_several_agents_stand_below_what_they_make_together():
    results = some_results()
    for agent, seconds in (("voice", 1.5), ("chat", 0.333)):
        results.account(Labels(agent=agent)).record("response_latency", seconds)
    lines = summary_text(results.summary(), RUN, colour=False).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("response_latency"))
    assert lines[at + 1].split()[:3] == ["chat", "1", "333"]
    assert lines[at + 2].split()[:3] == ["voice", "1", "1.50"]
    assert all(len(line) <= 80 for line in lines)
