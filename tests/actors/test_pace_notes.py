"""What audio shows of wrong settings, to either side of each bound."""

import pytest
from agent_sides import Form
from listening import RATE_HZ

from coval_load.actors.listener import Reply
from coval_load.actors.pace_notes import PaceNotes

ADVICE = "look at the rate"


def reply(onset_at, ended_at, arrived_at=None):
    arrived_at = onset_at if arrived_at is None else arrived_at
    return Reply(onset_at, ended_at, ended_at + 0.8, arrived_at, None, None, None, 0.0, 1, False)


def notes_on(heard, heard_s, *, listened_from=0.0, **form):
    pace = PaceNotes(Form(**form))
    before = 10**9
    pace.listen_from(listened_from, before)
    return pace.on(heard, before + round(heard_s * RATE_HZ) * 2)


@pytest.mark.parametrize(
    ("took_s", "heard_s", "is_burst"),
    [
        (1.0, 2.2, True),
        (1.0, 1.9, False),
        (0.2, 1.1, True),
        (0.2, 0.9, False),  # too little to tell
        (0.0, 1.1, True),  # all at once
    ],
)
def test_bursts(took_s, heard_s, is_burst):
    heard = reply(1.0, 1.0 + took_s)
    notes = notes_on(heard, heard_s, is_paced=False)
    assert ["pace_inbound_binary_audio" in note for note in notes] == [True] * is_burst
    assert notes_on(heard, heard_s) == []  # played out it is as it should be


def test_a_burst_is_told_from_its_arrival_not_from_its_onset():
    assert notes_on(reply(2.0, 3.0, arrived_at=1.0), 3.0, is_paced=False) == []


@pytest.mark.parametrize(
    ("spoke_s", "heard_s", "has_gaps"),
    [
        (3.0, 1.9, True),
        (3.0, 2.1, False),
        (1.1, 0.5, True),
        (0.9, 0.1, False),  # too short to tell
    ],
)
def test_gaps(spoke_s, heard_s, has_gaps):
    heard = reply(1.0, 1.0 + spoke_s)
    notes = notes_on(heard, heard_s, advice_on_gaps=ADVICE)
    assert [note.endswith(ADVICE) for note in notes] == [True] * has_gaps
    assert notes_on(heard, heard_s) == []  # nothing could be set


def test_of_a_reply_that_began_before_it_was_listened_to_not_all_is_counted():
    assert notes_on(reply(1.0, 4.0), 1.0, listened_from=1.1, advice_on_gaps=ADVICE) == []
    assert len(notes_on(reply(1.0, 4.0), 1.0, listened_from=1.0, advice_on_gaps=ADVICE)) == 1
