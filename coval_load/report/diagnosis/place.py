"""Where in a conversation it failed."""

from collections.abc import Mapping
from typing import Any

from coval_load.report.diagnosis.census import KindSeen
from coval_load.report.diagnosis.reading import mapping, named, rows, text
from coval_load.report.diagnosis.words import share

MOST = 0.8
"""The share from which on one place is told as that of all."""
FEW = 10
"""So many are not told by turn where they differ."""

_STAGES = {
    "queue": "while they waited for a place",
    "setup": "before the conversation, at setup",
    "connect": "before the conversation, at connect",
    "handshake": "before the conversation, in the handshake",
    "close": "after the conversation, at close",
}


def place_sentence(seen: KindSeen, run: Mapping[str, Any], test_case: str | None) -> str | None:
    """The stage and the turn; `test_case` is the one they belong to, if they do to one."""
    total = seen.places.total()
    if not total:
        return None
    (first, count), *_ = seen.places.most_common(1)
    turns = turns_of(run, test_case)
    if count == total:
        return f"all {_words(*first, turns)}"
    if count >= MOST * total:
        return f"{share(count, total)} {_words(*first, turns)}"
    if total < FEW:
        return None
    stages = {stage for stage, _ in seen.places}
    in_turns = sorted(turn for _, turn in seen.places if turn is not None)
    if stages == {"conversation"} and in_turns:
        often = _words(*first, turns).removeprefix("in the conversation, ")
        return f"in the conversation, from turn {in_turns[0]:,} to {in_turns[-1]:,}, {share(count, total)} {often}"
    return ", ".join(f"{share(many, total)} {_words(*place, turns)}" for place, many in seen.places.most_common(3))


def _words(stage: str, turn: int | None, turns: int | None) -> str:
    if stage != "conversation":
        return _STAGES.get(stage, f"at stage {named(stage)}" if stage else "at no known stage")
    if turn is None:
        return "in the conversation"
    if turn <= 0:
        return "in the conversation, before the caller's first turn"
    return f"on turn {turn:,}" + (f" of {turns:,}" if turns and turns >= turn else "")


def turns_of(run: Mapping[str, Any], test_case: str | None) -> int | None:
    """How many turns a test case has, of all where `test_case` is None and they agree."""
    cases = [case for case in rows(mapping(run.get("plan")).get("test_set")) if isinstance(case.get("turns"), list)]
    if test_case is not None:
        cases = [case for case in cases if text(case.get("id")) == test_case]
    found = {len(list(rows(case["turns"]))) for case in cases}
    return found.pop() if len(found) == 1 else None
