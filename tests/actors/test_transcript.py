"""What an entry of a transcript is in `simulations.jsonl`."""

import attrs
import pytest

from coval_load.actors.transcript import Entry, usage_row
from coval_load.codecs.events import UsageReceived


def test_what_is_not_known_is_not_there():
    assert Entry("user", "Hi", 11.0).row(10.0) == {"role": "user", "content": "Hi", "start": 1.0, "end": None}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"transcribed": "Bye"}, {"transcribed": "Bye"}),
        ({"transcribed": ""}, {"transcribed": ""}),
        ({"ended": "cancelled: turn_detected"}, {"ended": "cancelled: turn_detected"}),
        ({"kind": "text"}, {"type": "text"}),
    ],
)
def test_what_the_agent_says_beside_its_sound(more, told):
    row = Entry("assistant", None, 11.0, 12.0, **more).row(10.0)
    assert row == {"role": "assistant", "content": None, "start": 1.0, "end": 2.0} | told


@pytest.mark.parametrize(
    ("usage", "row"),
    [
        (UsageReceived(None, None), {"input_tokens": None, "output_tokens": None}),
        (UsageReceived(3, None, cached_tokens=0), {"input_tokens": 3, "output_tokens": None, "cached_tokens": 0}),
    ],
)
def test_tokens_that_the_agent_does_not_tell_apart_are_left_out(usage, row):
    assert usage_row(usage) == row


def test_all_that_an_agent_may_count_is_there():
    usage = UsageReceived(5, 4, 3, 2, 1)
    assert usage_row(usage) == attrs.asdict(usage)
