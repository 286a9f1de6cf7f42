from types import SimpleNamespace

import pytest

from coval_load.actors.clips import PreparedClip
from coval_load.actors.persona import Persona, Press, Say, Show, Skip, TestCase, Turn
from coval_load.engine.modelled import Script
from coval_load.plans.script_lengths import AGENT_SPEAKS_S, script_of


def role(medium, **options):
    return SimpleNamespace(
        protocol=SimpleNamespace(medium=medium), agent=SimpleNamespace(options=SimpleNamespace(**options))
    )


VOICE, CHAT, HTTP = role("voice"), role("chat", coalesce_timeout_seconds=2.0), role("chat")
CLIP = PreparedClip((), False, 0.1, 1.5, 1.6, b"")
HEARD_S = AGENT_SPEAKS_S + 0.8


def script(role, *turns, **persona):
    return script_of(role, TestCase("case", turns), Persona(**persona))


def say(**given):
    return Turn(Say("words", CLIP), **given)


@pytest.mark.parametrize(
    ("role", "fixed_s"),
    [(VOICE, 1.5 + HEARD_S + 0.5 + 1.5 + HEARD_S), (CHAT, 2.0 + 0.5 + 2.0), (HTTP, 0.5)],
    ids=["voice", "chat", "http"],
)
def test_two_turns(role, fixed_s):
    turn = say() if role is VOICE else Turn(Say("words"))
    seen = script(role, turn, turn)
    assert seen.replies == 2
    assert seen.fixed_s == pytest.approx(fixed_s)


def test_an_agent_that_greets_replies_once_more():
    seen = script(VOICE, say(), conversation_initiation="wait_for_user")
    assert seen.replies == 2
    assert seen.fixed_s == pytest.approx(HEARD_S + 0.5 + 1.5 + HEARD_S)


def test_a_caller_who_interrupts_does_not_wait_for_the_end():
    seen = script(VOICE, say(), say(barge_in_after_s=0.7))
    assert seen.replies == 2
    assert seen.fixed_s == pytest.approx(1.5 + 0.7 + 1.5 + HEARD_S)


def test_a_turn_without_a_reply_is_followed_at_once():
    seen = script(VOICE, say(expects_reply=False), say())
    assert seen == Script(pytest.approx(1.5 + 1.5 + HEARD_S), 1)


def test_keys_take_a_moment_and_images_and_silence_none():
    seen = script(VOICE, Turn(Press("123#")), Turn(Show("a", "b", b"")), Turn(Skip()))
    assert seen.replies == 3
    assert seen.fixed_s == pytest.approx(0.3 + HEARD_S + 0.5 + HEARD_S + HEARD_S)


def test_a_script_without_turns_takes_no_time():
    assert script(CHAT) == Script(0, 0)
