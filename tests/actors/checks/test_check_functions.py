"""Functions of the user's own: how they are found, what they may say, and what they can't harm."""

import pytest
from conversations import PIZZA
from function_checks import installed
from hypothesis import given
from hypothesis import strategies as st

from coval_load.actors.checks.functions import CannotLoad, FunctionSays, FunctionShelf
from coval_load.actors.checks.judging import SLOW_S, judge
from coval_load.actors.checks.replies import contains
from coval_load.actors.checks.wording import LONGEST_MESSAGE


class Unspeakable(Exception):
    def __str__(self):
        raise ValueError


def raises(error):
    def function(conversation):
        raise error

    return function


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda conversation: None, None),
        (lambda conversation: True, None),
        (lambda conversation: False, "expected the function to say True; got False"),
        (lambda conversation: "too rude", "too rude"),
        (lambda conversation: "", "the function gave an empty text for why not"),
        (lambda conversation: 1, "expected None, True, False or a text from the function; got a value of type int"),
        (raises(AssertionError("too rude")), "too rude"),
        (raises(AssertionError()), "an assertion failed, without a message"),
        (raises(KeyError("x")), "it raised KeyError: 'x'"),
        (raises(RecursionError()), "it raised RecursionError"),
        (raises(SystemExit(3)), "it raised SystemExit: 3"),
        (raises(Unspeakable()), "it raised Unspeakable"),
        (lambda: None, "it raised TypeError: "),
    ],
)
def test_what_a_function_may_say(function, message):
    said = FunctionSays("f", function).judge(PIZZA)
    assert said is None if message is None else message in said


def test_an_interrupt_is_none_of_its_answers():
    with pytest.raises(KeyboardInterrupt):
        FunctionSays("f", raises(KeyboardInterrupt())).judge(PIZZA)


def test_options_and_the_turn_it_is_about():
    seen = []
    FunctionSays("f", lambda conversation, **options: seen.append((conversation, options)), {"a": 1}).judge(PIZZA)
    FunctionSays("f", lambda conversation: seen.append((conversation.texts(), {})), turn=2).judge(PIZZA)
    assert seen == [(PIZZA, {"a": 1}), ([" Goodbye.\n"], {})]


@pytest.fixture
def shelf(monkeypatch):
    installed(monkeypatch)
    return FunctionShelf()


def test_functions_are_found_by_name(shelf):
    assert shelf.function("polite")(PIZZA, words=["welcome"]) is None
    assert shelf.function("polite") is shelf.function("polite")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rude", "expected one of broken, gone, number, polite, slow, waits; got rude"),
        ("gone", "expected function_checks:gone to load; got AttributeError: "),
        ("broken", "expected no_such_module:f to load; got ModuleNotFoundError: No module named 'no_such_module'"),
        ("number", "expected function_checks:NUMBER to be a plain function; got one of type int"),
        ("waits", "expected function_checks:waits to be a plain function; got an async function"),
    ],
)
def test_those_that_can_not_be_loaded(shelf, name, message):
    with pytest.raises(CannotLoad) as caught:
        shelf.function(name)
    assert message in str(caught.value)


def test_without_any_it_says_where_they_go():
    with pytest.raises(
        CannotLoad, match=r"expected none, since none is installed; got polite: .* group coval_load\.checks"
    ):
        FunctionShelf().function("polite")


def test_options_it_does_not_take(shelf):
    assert shelf.refuses("polite", {"words": []}) is None
    assert shelf.refuses("polite", {"wrods": []}) == "missing a required argument: 'words'"
    assert shelf.refuses("polite", {"words": [], "n": 1}) == "got an unexpected keyword argument 'n'"


class Clock:
    def __init__(self, *readings):
        self.readings = list(readings)

    def __call__(self):
        return self.readings.pop(0)


def test_judging_tells_what_came_and_what_was_slow():
    checks = [
        contains("one", "order"),
        contains("two", "burger"),
        FunctionSays("three", lambda conversation: "x" * 9_999),
    ]
    judged = judge(checks, PIZZA, Clock(0.0, SLOW_S, 1.0, 1.0 + 2 * SLOW_S, 2.0, 2.0))
    assert [(result.name, result.passed) for result in judged.results] == [
        ("one", True),
        ("two", False),
        ("three", False),
    ]
    assert judged.results[0].message is None
    assert len(judged.results[2].message) == LONGEST_MESSAGE
    assert judged.slow == ("two",)


@given(st.one_of(st.none(), st.booleans(), st.text(), st.integers(), st.lists(st.none()), st.floats()))
def test_whatever_it_gives_back(value):
    message = FunctionSays("f", lambda conversation: value).judge(PIZZA)
    assert (message is None) == (value is None or value is True)
    assert message != ""
