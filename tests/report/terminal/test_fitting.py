from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from coval_load.report.terminal.fitting import Part, fit


def part(name, lines, **more):
    return Part([Text(f"{name}{number}") for number in range(lines)], **more)


def shown(parts, height):
    return [line.plain for line in fit(parts, height)]


def test_with_room_there_are_gaps_and_the_last_part_stands_at_the_bottom():
    parts = [part("a", 2, rank=1), part("b", 1, rank=2), part("c", 1, rank=0)]
    assert shown(parts, 8) == ["a0", "a1", "", "b0", "", "", "", "c0"]
    assert shown(parts, 4) == ["a0", "a1", "b0", "c0"]


def test_without_room_each_gets_its_least_by_rank_then_what_is_fair_then_all():
    parts = [part("a", 9, rank=1), part("b", 9, rank=0, least=2, fair=3), part("c", 9, rank=2)]
    assert shown(parts, 2) == ["b0", "b1"]
    assert shown(parts, 4) == ["a0", "b0", "b1", "c0"]
    assert shown(parts, 5) == ["a0", "b0", "b1", "b2", "c0"]
    assert shown(parts, 7) == ["a0", "b0", "b1", "b2", "b3", "b4", "c0"]


def test_it_says_what_is_left_out():
    parts = [part("a", 9, rank=0, things="kinds", heads=1)]
    assert shown(parts, 4) == ["a0", "a1", "a2", "  and 6 more kinds"]
    assert shown(parts, 2) == ["a0", "a1"]
    assert shown(parts, 9)[-1] == "a8"


PARTS = st.lists(st.builds(part, st.just("a"), st.integers(0, 9), rank=st.integers(0, 3), least=st.integers(0, 4)))


@given(PARTS, st.integers(-1, 60))
def test_it_always_fits_and_wastes_nothing(parts, height):
    lines = fit(parts, height)
    assert len(lines) <= max(height, 0)
    asked = sum(len(part.lines) for part in parts)
    assert sum(1 for line in lines if line.plain) == min(asked, max(height, 0))
