"""How long a conversation takes apart from the agent's delays: what callers say and wait, and what agents say."""

from collections.abc import Iterator

import attrs

from coval_load.actors.persona import Persona, Press, Say, Show, Skip, TestCase, Turn
from coval_load.actors.voice import DIGIT_GAP_S
from coval_load.engine.modelled import Script
from coval_load.plans.rehearsal import Role, Troupe

AGENT_SPEAKS_S = 2.5
"""What a voice agent is taken to say in a turn."""


@attrs.define
class ScriptLengths:
    """The scripts of a scenario, each looked at once. Setting up and hanging up are taken to need no time."""

    troupe: Troupe
    _known: dict[tuple[str, str, str], Script] = attrs.field(factory=dict, init=False)

    def deal(self, number: int) -> tuple[str, Script]:
        """The agent and the script of simulation `number`."""
        role, case, persona = self.troupe.deal(number)
        key = (role.agent.name, case.id, persona.name)
        script = self._known.get(key)
        if script is None:
            script = self._known[key] = script_of(role, case, persona)
        return role.agent.name, script


def script_of(role: Role, case: TestCase, persona: Persona) -> Script:
    """What one conversation takes."""
    parts = list(_parts(role, case, persona))
    return Script(sum(seconds for seconds, _ in parts), sum(replies for _, replies in parts))


def _parts(role: Role, case: TestCase, persona: Persona) -> Iterator[tuple[float, int]]:
    """Seconds, and replies of the agent, one part after the other."""
    after_reply_s = _until_over_s(role, persona)
    turns = case.turns
    barge_ins = [turn.barge_in_after_s for turn in turns]
    due_in_s = 0.0  # what the caller still waits before the next turn
    if persona.conversation_initiation == "wait_for_user":
        yield _heard(after_reply_s, barge_ins[0] if turns else None)
        due_in_s = persona.wait_s if not turns or barge_ins[0] is None else 0.0
    for turn, next_barge_in in zip(turns, [*barge_ins, None][1:], strict=True):
        spoken_s = _spoken_s(turn)
        if spoken_s is not None:
            yield due_in_s + spoken_s, 0
        due_in_s = 0.0
        if turn.expects_reply:
            yield _heard(after_reply_s, next_barge_in)
            due_in_s = persona.wait_s if next_barge_in is None else 0.0


def _heard(after_reply_s: float, barge_in_s: float | None) -> tuple[float, int]:
    return (after_reply_s if barge_in_s is None else barge_in_s), 1


def _until_over_s(role: Role, persona: Persona) -> float:
    """From the agent's first sound or text until its turn is taken to be over."""
    if role.protocol.medium == "voice":
        return AGENT_SPEAKS_S + persona.end_of_turn_silence_s
    return float(getattr(role.agent.options, "coalesce_timeout_seconds", 0.0))


def _spoken_s(turn: Turn) -> float | None:
    """What the caller says, in seconds; None where it says nothing."""
    match turn.action:
        case Say():
            return turn.action.clip.last_audible_s if turn.action.clip is not None else 0.0
        case Press():
            return DIGIT_GAP_S * (len(turn.action.digits) - 1)
        case Show():
            return 0.0
        case Skip():
            return None
