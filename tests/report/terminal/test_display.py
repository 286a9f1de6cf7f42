import sys
from functools import partial

import pytest
import trio
from modelled_run import go_on, subject
from rich.text import Text

from coval_load.report.terminal.display import Said, show_run, written


class Paper:
    """A screen that keeps what is drawn on it."""

    def __init__(self, size=(100, 30), frames=1000):
        self.size, self.frames, self.drawn, self.told = size, frames, [], None

    async def draw(self, lines, size):
        await trio.lowlevel.checkpoint()
        self.drawn.append((trio.current_time(), list(lines)))
        return len(self.drawn) < self.frames

    def close(self, told=""):
        assert self.told is None
        self.told = told


async def test_it_is_drawn_twice_a_second_until_the_run_is_over(autojump_clock):
    paper, run = Paper(), subject()
    await go_on(run, partial(show_run, run, paper))
    times = [at - paper.drawn[0][0] for at, _ in paper.drawn]
    assert times == pytest.approx([number / 2 for number in range(len(times))])
    assert times[-1] >= 20
    assert paper.told == ""
    last = "\n".join(paper.drawn[-2][1])
    assert "running" in last
    assert "completed" in last


async def test_a_new_size_is_heeded(autojump_clock):
    paper, run = Paper(), subject()

    async def resize():
        await trio.sleep(3.2)
        paper.size = (61, 13)

    await go_on(run, partial(show_run, run, paper), resize)
    assert {len(lines) for _, lines in paper.drawn[:6]} == {30}
    assert {len(lines) for _, lines in paper.drawn[8:]} == {13}


async def test_a_terminal_that_is_gone_ends_the_display_not_the_run(autojump_clock):
    paper, run = Paper(frames=3), subject()
    await go_on(run, partial(show_run, run, paper))
    assert len(paper.drawn) == 3
    assert paper.told == ""
    assert run.results.counted("completed") > 20


async def test_a_terminal_that_does_not_read_loses_frames_and_holds_nothing_up(autojump_clock):
    paper, run = Paper(), subject()
    draw = paper.draw

    async def stuck(lines, size):
        if len(paper.drawn) == 4:
            await trio.sleep(7)
        return await draw(lines, size)

    paper.draw = stuck
    await go_on(run, partial(show_run, run, paper))
    times = [at - paper.drawn[0][0] for at, _ in paper.drawn]
    assert times[3:7] == pytest.approx([1.5, 9.0, 9.0, 9.5])
    assert run.results.counted("completed") > 20


async def test_the_terminal_is_given_back_where_drawing_fails(autojump_clock):
    paper, run = Paper(), subject(dashboard=lambda: 1 / 0)
    with pytest.raises(ExceptionGroup) as error:
        await go_on(run, partial(show_run, run, paper))
    assert error.group_contains(ZeroDivisionError)
    assert paper.told == ""


async def test_what_is_said_meanwhile_is_shown_and_told_at_the_end(autojump_clock, capsys):
    paper, run = Paper(), subject()

    async def speak():
        await trio.sleep(2)
        print("stopping: \x1b[2Jno new simulations", file=sys.stderr)

    await go_on(run, partial(show_run, run, paper), speak)
    assert paper.told == "stopping: \x1b[2Jno new simulations\n"
    assert "stopping: ␛[2Jno new simulations" in "\n".join(paper.drawn[-1][1])
    assert "stopping" not in "\n".join(paper.drawn[2][1])
    print("afterwards", file=sys.stderr)
    assert capsys.readouterr().err == "afterwards\n"


def test_what_is_kept_of_what_is_said_is_bounded():
    said = Said()
    for _ in range(1000):
        assert said.write("x" * 99 + "\n") == 100
    assert len(said.getvalue()) == 20_000
    assert said.latest() == "x" * 99


async def test_lines_have_ansi_colours():
    lines = [Text("plain"), Text.assemble("a ", ("[red]b[/red]", "bold red"))]
    assert await written(lines) == ["plain", "a \x1b[1;31m[red]b[/red]\x1b[0m"]


async def test_many_lines_give_way_to_others():
    passed = []

    async def other():
        while True:
            passed.append(1)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await written([Text("x")] * 64)
        nursery.cancel_scope.cancel()
    assert len(passed) >= 6
