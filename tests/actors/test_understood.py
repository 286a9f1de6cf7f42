"""What the agent understood stands with what the caller said, however late and in whatever pieces it comes."""

from hypothesis import given
from hypothesis import strategies as st

from coval_load.actors.transcript import Entry
from coval_load.actors.understood import Understood
from coval_load.codecs.events import CallerTranscribed


def said(understood, at):
    entry = Entry("user", "text", at)
    understood.caller_said(entry)
    return entry


def test_words_of_an_item_that_comes_late():
    understood = Understood()
    first = said(understood, 1.0)
    understood.named("item_1")
    second = said(understood, 2.0)
    understood.named("item_2")
    understood.transcribed(CallerTranscribed("second", "item_2", is_whole=True))
    understood.transcribed(CallerTranscribed("fi", "item_1"))
    understood.transcribed(CallerTranscribed("rst", "item_1"))
    assert (first.transcribed, second.transcribed) == ("first", "second")
    understood.transcribed(CallerTranscribed("First.", "item_1", is_whole=True))
    assert first.transcribed == "First."


def test_an_item_that_is_named_again_once_the_caller_goes_on_is_still_what_it_was():
    understood = Understood()
    first = said(understood, 1.0)
    understood.named("item_1")
    second = said(understood, 2.0)
    understood.named("item_1")
    understood.transcribed(CallerTranscribed("first", "item_1", is_whole=True))
    assert (first.transcribed, second.transcribed) == ("first", None)


def test_one_turn_that_the_agent_heard_as_two():
    understood = Understood()
    only = said(understood, 1.0)
    understood.named("a")
    understood.named("b")
    understood.transcribed(CallerTranscribed("world", "b", is_whole=True))
    understood.transcribed(CallerTranscribed("hello", "a", is_whole=True))
    assert only.transcribed == "hello world"


def test_items_that_were_never_announced_are_what_was_said_in_its_order():
    understood = Understood()
    first, second = said(understood, 1.0), said(understood, 2.0)
    understood.transcribed(CallerTranscribed("one", "x", is_whole=True))
    understood.transcribed(CallerTranscribed("two", "y", is_whole=True))
    assert (first.transcribed, second.transcribed) == ("one", "two")


def test_pieces_without_a_name_belong_to_what_was_said_last():
    understood = Understood()
    first = said(understood, 1.0)
    understood.transcribed(CallerTranscribed("He"))
    understood.transcribed(CallerTranscribed("llo"))
    second = said(understood, 2.0)
    understood.transcribed(CallerTranscribed("Bye"))
    assert (first.transcribed, second.transcribed) == ("Hello", "Bye")


def test_words_before_anything_was_said():
    understood = Understood()
    understood.named("item")
    understood.transcribed(CallerTranscribed("noise", "item"))
    first = said(understood, 1.0)
    assert first.transcribed is None


events = st.builds(CallerTranscribed, st.text(max_size=5), st.sampled_from(["", "a", "b", "c"]), st.booleans())


@given(st.lists(st.one_of(events, st.just("said"), st.sampled_from(["a", "b", "c"]).map(lambda name: ("named", name)))))
def test_any_order_never_raises_and_keeps_all_words(steps):
    understood = Understood()
    entries, whole = [], {}
    for at, step in enumerate(steps):
        if step == "said":
            entries.append(said(understood, float(at)))
        elif isinstance(step, tuple):
            understood.named(step[1])
        else:
            understood.transcribed(step)
            if step.item_id and step.is_whole and entries:
                whole[step.item_id] = step.text.strip()
            elif step.item_id:
                whole.pop(step.item_id, None)
    together = " ".join(entry.transcribed or "" for entry in entries)
    assert all(text in together for text in whole.values())


def test_of_items_without_end_the_latest_are_known():
    understood = Understood()
    first = said(understood, 1.0)
    understood.transcribed(CallerTranscribed("first", "a", is_whole=True))
    second = said(understood, 2.0)
    for number in range(64):
        understood.transcribed(CallerTranscribed(f"{number}", f"item_{number}"))
    assert second.transcribed == " ".join(map(str, range(64)))
    assert first.transcribed == "first"
    understood.transcribed(CallerTranscribed("again", "a", is_whole=True))  # an item that nobody remembers
    assert first.transcribed == "first"
    assert len(second.transcribed.split()) == 64


def test_of_words_without_end_the_first_are_kept():
    understood = Understood()
    only = said(understood, 1.0)
    for _ in range(3):
        understood.transcribed(CallerTranscribed("x" * 9_000, "a"))
    assert only.transcribed == "x" * 20_000
