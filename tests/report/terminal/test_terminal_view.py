import re

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from shown import BUSY, EARLY

from coval_load.report.terminal.snapshot import ErrorNow, GeneratorNow, Quantiles, ScenarioNow, ThresholdNow, WaitingNow
from coval_load.report.terminal.stages import Standing
from coval_load.report.terminal.view import lines_of


def text(snapshot, columns=120, lines=40):
    return "\n".join(line.plain for line in lines_of(snapshot, columns, lines))


def line_with(words, snapshot=BUSY, columns=120):
    return next(line for line in text(snapshot, columns).splitlines() if words in line)


def styles(snapshot, words):
    """How `words` are drawn."""
    for line in lines_of(snapshot, 160, 50):
        if words in line.plain:
            at = line.plain.index(words)
            return [str(span.style) for span in line.spans if span.start <= at < span.end]
    return None


def test_all_of_it():
    shown = text(BUSY)
    for words in (
        "support line  1m35s of 10m00s  ━",
        "evening          stage 2 of 3: 20 -> 50 over 2m00s, 43 asked for now",
        "35%",
        "3 connecting, 1 in handshake, 39 in conversation",
        "12 a second lately",
        "1.0% of those that ended",
        "wait for a place",
        "4.20 s for an answer to turn 3 of order-a-pizza, agent support-voice, 62cbaa4c-d94b-53c4",
        "valid so far",
        "late, p99   frames 0.4 ms (in all 0.5 ms)   loop 0.6 ms (in all 0.7 ms)",
        "CPU 34% of a core  memory 120 MB",
        "12 of 2 kinds",
        "1 crossed, 1 held so far, 1 not reached yet",
        "response_latency: p95 < 1s (stops the run)  got 0.7 s",
        "Ctrl-C: no new ones, the running ones finish; twice: cut off at once",
        "dashboard http://127.0.0.1:8765/",
        "results in coval-runs/20260102T030405Z-support-line",
    ):
        assert words in shown
    assert re.fullmatch(r" +9  connection_closed   expected the .* dropped", line_with("connection_closed"))
    assert re.sub(" +", " ", line_with("lately   ")) == " response_latency, lately 609 ms 782 ms 798 ms 801 ms 82"
    assert re.sub(" +", " ", line_with("turn_time")) == " turn_time 2.50 s 3.60 s 3.70 s 4.10 s 3,600"
    assert len(shown.splitlines()) == 40


def test_at_the_start_there_is_little_to_say():
    shown = text(EARLY)
    assert "support line  0s" in shown
    assert "nobody waits" in shown
    assert "errors  none" in shown
    for absent in ("%", "━", "dropped", "thresholds", "latency", "dashboard", "results"):
        assert absent not in shown


def test_progress_by_number():
    snapshot = attrs.evolve(EARLY, total=200, counts={"completed": 45, "failed": 5})
    assert "0s, 50 of 200 simulations  ━" in text(snapshot)
    assert " 25%" in text(snapshot)


def test_after_the_duration_it_says_that_the_rest_finishes():
    assert "11m40s, no new ones, the rest finishes" in text(attrs.evolve(BUSY, elapsed_s=700.0))
    assert "100%" in text(attrs.evolve(BUSY, elapsed_s=700.0))


def test_a_small_screen_has_what_matters_most_and_says_what_is_left_out():
    shown = text(BUSY, 80, 24)
    for words in ("support line", "running", "lately", "generator", "connection_closed", "longest wait", "Ctrl-C"):
        assert words in shown
    assert "   crossed      failed: rate < 1%" in shown
    several = attrs.evolve(BUSY, errors=tuple(ErrorNow(f"kind{n}", 9 - n, False, "") for n in range(9)))
    assert re.search(r"\n +9  kind0 .*\n(.*\n)*  and [3-7] more kinds of errors\n", text(several, 80, 28))
    assert len(text(BUSY, 60, 12).splitlines()) == 12


@pytest.mark.parametrize("columns", [60, 70, 80, 100, 120, 200])
def test_numbers_are_whole_or_not_there(columns):
    shown = ["response_latency", "550", "ms", "700", "ms", "750", "ms", "1.25", "s", "3,600"]
    line = next(line for line in text(BUSY, columns).splitlines() if line.startswith("   response_latency  "))
    assert line.split() == shown[: len(line.split())]
    assert len(line.split()) >= 4
    assert line_with("evening", columns=columns).endswith(" 35%")


def test_what_is_new_and_what_is_crossed_stands_out():
    assert styles(BUSY, "9  connection") == ["bold red"]
    assert styles(BUSY, "3  no_response") == ["red"]
    assert styles(BUSY, "crossed      ") == ["red"]
    assert styles(BUSY, "holds   ") == ["green"]


@pytest.mark.parametrize(
    ("more", "words", "style"),
    [
        ({"cpu_share": 0.95}, "95% of a core, at its limit", "bold red"),
        ({"cpu_share": 0.75}, "75% of a core, close to its limit", "yellow"),
        ({"cpu_wait_share": 0.2}, "34% of a core, others have the CPU for 20%", "yellow"),
        ({"late_now": Quantiles(9, 0.0, 0.0, 0.021, 0.1)}, "21 ms (in all", "bold red"),
        ({"late_now": Quantiles(9, 0.0, 0.0, 0.011, 0.1)}, "11 ms (in all", "yellow"),
        ({"lag_now": Quantiles(9, 0.0, 0.0, 0.051, 0.1)}, "51 ms (in all", "bold red"),
        ({"verdict": "invalid", "reason": "frames left late"}, "invalid so far: frames left late", "red"),
    ],
)
def test_a_generator_that_comes_close_to_its_limits_is_said_to(more, words, style):
    assert style in styles(attrs.evolve(BUSY, generator=attrs.evolve(BUSY.generator, **more)), words)


def test_a_chat_has_no_frames():
    lean = GeneratorNow(lag_now=Quantiles(1, 0.1, 0.1, 0.1, 0.1), lag_run=Quantiles(1, 0.1, 0.1, 0.1, 0.1))
    assert "frames" not in text(attrs.evolve(BUSY, generator=lean))


def test_what_the_program_says_takes_the_place_of_the_advice():
    shown = text(attrs.evolve(BUSY, said="stopping: no new simulations"))
    assert "stopping: no new simulations" in shown
    assert "Ctrl-C" not in shown


HOSTILE = "\x1b[2J\x1b]0;own\x07[red]bold[/red]\r\n\u202egnp.exe\ud800\x9b31m日本語\u0301"


def full_of(words):
    return attrs.evolve(
        BUSY,
        name=words,
        scenarios=(ScenarioNow(words, Standing("x", 0.5)),),
        errors=(ErrorNow(words, 1, False, words),),
        waiting=WaitingNow(1.0, 1, words, words, words),
        thresholds=(ThresholdNow(words, words, "holds", words, aborts=True),),
        generator=attrs.evolve(BUSY.generator, reason=words),
        folder=words,
        dashboard=words,
        said=words,
    )


def test_what_agents_say_is_text():
    shown = text(full_of(HOSTILE), 400)
    assert "[red]bold[/red]" in shown
    assert "␛[2J" in shown
    assert "⟨U+202E⟩gnp.exe" in shown
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    assert "\ud800" not in shown


@given(words=st.text() | st.just(HOSTILE), columns=st.integers(0, 200), lines=st.integers(0, 70))
def test_it_never_is_wider_or_higher_than_the_screen(words, columns, lines):
    for snapshot in (full_of(words), EARLY):
        shown = lines_of(snapshot, columns, lines)
        assert len(shown) <= lines
        assert all(cell_len(line.plain) <= max(columns - 1, 0) for line in shown)
        assert all(letter.isprintable() for line in shown for letter in line.plain)
