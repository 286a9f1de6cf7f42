import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.labels import NAMES, Labels, Selector

WANTED = st.dictionaries(st.sampled_from(NAMES), st.text(min_size=1) | st.sampled_from(["a,b", 'x="y"', "{z}", "é"]))


@given(WANTED)
def test_what_is_written_can_be_read(wanted):
    assert Selector.read(str(Selector.of(wanted))) == Selector.of(wanted)


@given(st.text() | st.from_regex(r"(agent|scenario)=.*", fullmatch=True))
def test_any_other_text_is_refused(text):
    try:
        assert str(Selector.read(text)) == text
    except ValueError as error:
        assert (
            "expected" in str(error) or "Expecting" in str(error) or "escape" in str(error) or "control" in str(error)
        )


@given(WANTED, WANTED)
def test_two_selectors_are_never_written_alike(one, other):
    assert (str(Selector.of(one)) == str(Selector.of(other))) == (one == other)


@pytest.mark.parametrize(
    ("wanted", "selected"),
    [({}, True), ({"agent": "a"}, True), ({"agent": "b"}, False), ({"agent": "a", "persona": "q"}, False)],
)
def test_all_that_is_wanted_must_be_there(wanted, selected):
    assert Selector.of(wanted).selects(Labels("s", "a", "t", "p")) is selected
