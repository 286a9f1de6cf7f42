import fcntl
import io
import os
import struct
import sys
import termios

import pytest
import trio
import trio.testing

if sys.platform == "win32":
    pytest.skip("terminals of another kind", allow_module_level=True)

from coval_load.report.terminal.screen import ENTER, LEAVE, open_screen

XTERM = {"TERM": "xterm"}


class Terminal:
    """A terminal of which the test has the other end."""

    def __init__(self, columns=80, lines=24):
        self.ours, theirs = os.openpty()
        os.set_blocking(self.ours, False)
        self.stream = os.fdopen(theirs, "w", encoding="utf-8")
        self.resize(columns, lines)

    def resize(self, columns, lines):
        fcntl.ioctl(self.stream.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def said(self):
        said = b""
        try:
            while data := os.read(self.ours, 65536):
                said += data
        except OSError:
            pass
        return said.decode("utf-8", "replace")

    def hang_up(self):
        os.close(self.ours)
        self.ours = None


@pytest.fixture
def terminal():
    terminal = Terminal()
    yield terminal
    if terminal.ours is not None:
        terminal.hang_up()
    terminal.stream.close()


async def test_it_is_entered_drawn_on_and_given_back(terminal):
    screen = open_screen(terminal.stream, XTERM)
    assert screen.size == (80, 24)
    assert await screen.draw(["one", "two"], screen.size)
    said = terminal.said()
    assert said.startswith(ENTER)
    assert "\x1b[1;1H\x1b[0m\x1b[2Kone" in said
    assert "\x1b[2;1H\x1b[0m\x1b[2Ktwo" in said
    screen.close("told\n")
    assert terminal.said() == LEAVE + "told\r\n"


async def test_only_what_changed_is_written(terminal):
    screen = open_screen(terminal.stream, XTERM)
    await screen.draw(["one", "two"], (80, 24))
    terminal.said()
    await screen.draw(["one", "2"], (80, 24))
    said = terminal.said()
    assert "\x1b[2;1H\x1b[0m\x1b[2K2" in said
    assert said.count("\x1b[2K") == 1
    await screen.draw(["one", "2"], (80, 24))
    assert terminal.said() == ""
    await screen.draw(["one"], (80, 24))
    assert terminal.said().count("\x1b[2K") == 1
    screen.close()


async def test_all_is_drawn_where_the_size_is_another_and_now_and_then(terminal):
    screen = open_screen(terminal.stream, XTERM)
    await screen.draw(["one"], screen.size)
    terminal.resize(100, 30)
    terminal.said()
    assert screen.size == (100, 30)
    await screen.draw(["one"], screen.size)
    assert terminal.said().count("\x1b[2K") == 30
    for _ in range(20):
        await screen.draw(["one"], screen.size)
    assert terminal.said().count("\x1b[2K") == 30
    screen.close()


async def test_one_that_was_never_drawn_on_is_left_alone(terminal):
    screen = open_screen(terminal.stream, XTERM)
    screen.close()
    assert terminal.said() == ""


async def test_one_that_is_stopped_holds_nobody_up_and_is_given_back_when_it_goes_on(terminal):
    screen = open_screen(terminal.stream, XTERM)
    await screen.draw(["one"], screen.size)
    terminal.said()
    termios.tcflow(terminal.stream.fileno(), termios.TCOOFF)  # as Ctrl-S does
    async with trio.open_nursery() as nursery:
        nursery.start_soon(screen.draw, ["two"], screen.size)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    screen.close("told\n")
    assert terminal.said() == ""
    termios.tcflow(terminal.stream.fileno(), termios.TCOON)
    said = ""
    with trio.fail_after(30):
        while not said.endswith(LEAVE + "told\r\n"):
            await trio.lowlevel.wait_readable(terminal.ours)
            said += terminal.said()
    assert said.startswith("\x18")


async def test_one_that_goes_on_gets_the_whole_frame(terminal):
    screen = open_screen(terminal.stream, XTERM)
    termios.tcflow(terminal.stream.fileno(), termios.TCOOFF)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(screen.draw, ["one"], screen.size)
        await trio.testing.wait_all_tasks_blocked()
        termios.tcflow(terminal.stream.fileno(), termios.TCOON)
    assert "\x1b[2Kone" in terminal.said()
    screen.close()
    assert terminal.said() == LEAVE


async def test_a_frame_that_is_larger_than_what_the_terminal_takes_at_once_arrives_whole(terminal):
    terminal.resize(200, 200)
    screen, said = open_screen(terminal.stream, XTERM), ""
    lines = [f"{number:0199}" for number in range(200)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(screen.draw, lines, screen.size)
        while lines[-1] not in said:
            said += terminal.said()
            await trio.lowlevel.checkpoint()
    assert all(f"\x1b[2K{line}" in said for line in lines)
    screen.close()


async def test_one_that_hangs_up_is_gone_quietly(terminal):
    screen = open_screen(terminal.stream, XTERM)
    assert await screen.draw(["one"], screen.size)
    terminal.hang_up()
    assert not await screen.draw(["two"], screen.size)
    screen.close("told")


@pytest.mark.parametrize("size", [(0, 0), (59, 40), (200, 11)])
def test_small_ones_are_not_drawn_on(terminal, size):
    terminal.resize(*size)
    assert open_screen(terminal.stream, XTERM) is None


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {}])
def test_terminals_that_are_dumb_or_nameless_are_not_drawn_on(terminal, environment):
    assert open_screen(terminal.stream, environment) is None


def test_what_is_no_terminal_or_not_in_unicode_is_not_drawn_on(terminal):
    assert open_screen(io.StringIO(), XTERM) is None
    with os.fdopen(os.dup(terminal.stream.fileno()), "w", encoding="latin-1") as stream:
        assert open_screen(stream, XTERM) is None
    terminal.hang_up()
    assert open_screen(terminal.stream, XTERM) is None
