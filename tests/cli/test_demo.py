"""What keeps the first conversation of a demo from taking long, without a clock: how much is said in it."""

import pytest

from coval_load.cli.demo import END_OF_TURN_SILENCE_S, _overrides
from coval_load.cli.preparing import prepare
from coval_load.reference.options import VoiceOptions
from coval_load.reference.speaking import prepare as speak_all
from coval_load.reference.speaking import replies_of

SAID_AT_MOST_S = 0.7
AGENT = {
    "display_name": "mine",
    "model_type": "MODEL_TYPE_WEBSOCKET",
    "metadata": {"endpoint": "wss://127.0.0.1:1/voice"},
}


@pytest.fixture(scope="module")
def ensemble():
    plan = {"agents": [AGENT], "persona": {"wait_seconds": 0.5}, "test_set": [], "targets": {"allow_private": True}}
    return prepare(plan, _overrides(concurrency=2, duration=None))


def test_of_two_callers_one_has_little_to_ask(ensemble):
    (role,) = ensemble.roles
    lengths = [sum(turn.action.clip.duration_s for turn in case.turns) for case in role.cases[:2]]
    assert min(lengths) <= SAID_AT_MOST_S
    assert max(lengths) > 3 * SAID_AT_MOST_S


def test_callers_wait_no_longer_than_they_have_to(ensemble):
    (persona,) = ensemble.troupes[0].personas
    assert persona.end_of_turn_silence_s == END_OF_TURN_SILENCE_S
    assert persona.wait_s == 0.5


def test_a_brief_agent_answers_a_first_turn_in_few_words():
    brief = VoiceOptions(brief=True)
    assert speak_all(brief)[replies_of(brief)[0]].duration_s <= SAID_AT_MOST_S
    assert replies_of(brief)[1:] == replies_of(VoiceOptions())[1:]
