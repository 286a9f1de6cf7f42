import io

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from coval_load.report.live_line import Progress, _lines, render, show_progress

EARLY = Progress(running=5, queued=0, completed=0, failed=0, elapsed_s=1.2)
LATE = Progress(
    running=50,
    queued=3,
    completed=1200,
    failed=2,
    elapsed_s=65.0,
    total=5000,
    duration_s=600.0,
    response_latency_p50_s=0.333,
    response_latency_p95_s=1.25,
    send_lateness_p99_s=0.0004,
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Broken(io.StringIO):
    def write(self, text):
        raise BrokenPipeError


def test_a_line_early_and_late():
    assert render(EARLY, 200, colour=False) == "1s · 0 done · 0 failed · 5 running"
    assert render(LATE, 200, colour=False) == (
        "1m05s/10m00s · 1,202/5,000 done · 2 failed · 50 running 3 queued"
        " · response p50 333 ms p95 1.25 s · late p99 0.4 ms"
    )


def test_what_was_dropped_stands_beside_what_waits():
    line = render(attrs.evolve(LATE, dropped=1234), 200, colour=False)
    assert " · 50 running 3 queued 1,234 dropped · " in line
    assert "dropped" not in render(LATE, 200, colour=False)


ERRORS = attrs.evolve(
    LATE,
    response_latency_lately_p95_s=0.9,
    errors={"no_response": 1, "connection_closed": 4},
    messages={"no_response": "expected an answer", "connection_closed": "line one\n\x1b[2Jline two"},
)


def test_errors_by_kind_the_most_frequent_first_and_what_came_lately():
    line = render(ERRORS, 250, colour=False)
    assert "p95 1.25 s lately 900 ms · late p99 0.4 ms" in line
    assert line.endswith(" · 4 connection_closed, 1 no_response")


async def test_a_kind_of_error_that_comes_up_has_a_line_of_its_own_once(autojump_clock):
    told = iter([LATE, attrs.evolve(ERRORS, errors={"no_response": 1}), ERRORS, ERRORS])
    lines = (await shown(io.StringIO(), 16, snapshot=lambda: next(told))).splitlines()
    assert [line for line in lines if line.startswith("error ")] == [
        "error no_response: expected an answer",
        "error connection_closed: line one ␛[2Jline two",
    ]
    assert [line.startswith("error ") for line in lines] == [False, True, False, True, False, False]


async def test_on_a_terminal_it_stays_one_line(autojump_clock):
    assert "\n" not in await shown(Terminal(), 1.1, snapshot=lambda: ERRORS)


def test_failures_are_red():
    assert " · \x1b[31m2 failed\x1b[0m · " in render(LATE, 200, colour=True)
    assert "\x1b" not in render(EARLY, 200, colour=True)


@given(width=st.integers(0, 130), colour=st.booleans())
def test_a_line_never_wraps(width, colour):
    line = render(LATE, width, colour).replace("\x1b[31m", "").replace("\x1b[0m", "")
    assert len(line) <= max(width - 1, 0)
    assert render(LATE, 200, colour=False).startswith(line)
    assert "\x1b" not in line


async def shown(stream, seconds, environment=None, snapshot=lambda: EARLY, width=80, plain=False):
    with trio.move_on_after(seconds):
        await show_progress(snapshot, stream, plain=plain, terminal_width=lambda: width, environment=environment or {})
    return stream.getvalue()


async def test_on_a_terminal_the_line_is_rewritten_four_times_a_second_and_taken_away(autojump_clock):
    text = await shown(Terminal(), 1.1)
    assert "\n" not in text
    lines = text.split("\r\x1b[K")
    assert lines == ["", *["1s · 0 done · 0 failed · 5 running"] * 5, ""]


async def test_elsewhere_a_plain_line_each_five_seconds(autojump_clock):
    text = await shown(io.StringIO(), 11)
    assert text == "1s · 0 done · 0 failed · 5 running\n" * 3


async def test_a_line_as_soon_as_a_first_simulation_is_over(autojump_clock):
    began = trio.current_time()

    def snapshot():
        elapsed_s = trio.current_time() - began
        return attrs.evolve(EARLY, elapsed_s=elapsed_s, completed=int(elapsed_s / 1.2))

    lines = (await shown(io.StringIO(), 11, snapshot=snapshot)).splitlines()
    assert [line.partition(" · 0 failed")[0] for line in lines] == [
        "0s · 0 done",
        "1s · 1 done",
        "5s · 4 done",
        "10s · 8 done",
    ]


async def test_no_color_means_plain_lines(autojump_clock):
    text = await shown(Terminal(), 4, environment={"NO_COLOR": "1"}, snapshot=lambda: LATE)
    assert "\x1b" not in text
    assert text.count("\n") == 1


async def test_plain_means_plain_lines(autojump_clock):
    assert await shown(Terminal(), 4, plain=True) == "1s · 0 done · 0 failed · 5 running\n"


async def test_the_width_is_asked_anew_for_each_line(autojump_clock):
    widths = iter([80, 11])
    stream = Terminal()
    with trio.move_on_after(0.4):
        await show_progress(lambda: EARLY, stream, terminal_width=lambda: next(widths), environment={})
    assert stream.getvalue().split("\r\x1b[K")[2] == "1s · 0 don"


@pytest.mark.parametrize("live", [True, False])
async def test_a_reader_that_is_gone_ends_the_display_quietly(autojump_clock, live):
    stream = Broken()
    stream.isatty = lambda: live  # type: ignore[method-assign]
    with trio.fail_after(60):
        await show_progress(lambda: EARLY, stream, environment={})


async def test_an_error_in_the_snapshot_is_not_hidden(autojump_clock):
    def snapshot():
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        await show_progress(snapshot, io.StringIO(), environment={})


async def test_a_slow_loop_does_not_make_up_for_lines_it_missed(mock_clock):
    """Due times move on with the clock: after a stall there is one line, not a burst."""
    taken = []

    def snapshot():
        taken.append(trio.current_time())
        if len(taken) == 1:
            mock_clock.jump(10.0)
        return attrs.evolve(EARLY, elapsed_s=trio.current_time())

    mock_clock.autojump_threshold = 0
    await shown(Terminal(), 10.6, snapshot=snapshot)
    assert [round(at - taken[0], 2) for at in taken] == [0.0, 10.0, 10.25, 10.5]


def test_no_word_of_an_agent_folds_the_log_of_a_ci_job():
    said = "##[group]owned\n::error::owned\n##[error]"
    line, _ = _lines(attrs.evolve(EARLY, errors={"agent_error": 1}, messages={"agent_error": said}), set()).splitlines()
    assert line.startswith("error agent_error: ## [group]owned")
    assert "##[" not in line
