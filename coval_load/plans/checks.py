"""The checks of a test case: whether the agents of the plan can be judged by them, and made from what is written."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from coval_load.actors.checks import replies
from coval_load.actors.checks.events import EventFits
from coval_load.actors.checks.functions import CannotLoad, FunctionSays, FunctionShelf
from coval_load.actors.checks.interface import Check
from coval_load.actors.checks.latency import LatencyUnder
from coval_load.actors.checks.tools import ToolCalled
from coval_load.actors.checks.wording import excerpt, plainly
from coval_load.codecs.paths import Path
from coval_load.faults import Fault
from coval_load.plans.check_schema import (
    AnyCheck,
    ContainsCheck,
    EqualsCheck,
    EventCheck,
    FunctionCheck,
    LatencyUnderCheck,
    MatchesCheck,
    ShorterThanCheck,
    ToolCalledCheck,
)

OnWords = ContainsCheck | MatchesCheck | EqualsCheck | ShorterThanCheck


def can_judge(check: AnyCheck, *, has_words: bool, calls_tools: bool) -> bool:
    """Whether there is what `check` is about in a conversation with an agent whose words, or tool calls, are known."""
    if isinstance(check, OnWords):
        return has_words
    return calls_tools or not isinstance(check, ToolCalledCheck)


def check_faults(
    checks: Sequence[AnyCheck], turns: int, agents: Sequence[tuple[bool, bool]], functions: FunctionShelf
) -> Iterator[Fault]:
    """What is wrong with the checks of a test case in which the caller takes so many `turns`, skips left out.

    `agents` has (has_words, calls_tools) of each agent of the plan. Paths are relative to the list of checks.
    """
    for at, check in enumerate(checks):
        if agents and not any(can_judge(check, has_words=words, calls_tools=tools) for words, tools in agents):
            yield Fault(f"[{at}].type", _CAN_NOT[isinstance(check, ToolCalledCheck)].format(check.type))
        if check.turn is not None and not -turns <= check.turn <= turns:
            yield Fault(
                f"[{at}].turn",
                f"expected one of the case's turns, from {-turns} to {turns}, each skip left out; got {check.turn}",
            )
        if isinstance(check, FunctionCheck):
            yield from (fault.under(f"[{at}]") for fault in _function_faults(check, functions))


_CAN_NOT = {
    False: "expected another check: every agent of the plan is spoken to, and the words of a voice agent are not "
    "known; got {}, take it out",
    True: "expected another check: no agent of the plan is reached over HTTP or a realtime API, and no other calls "
    "tools; got {}, take it out",
}


def _function_faults(check: FunctionCheck, functions: FunctionShelf) -> Iterator[Fault]:
    try:
        wrong = functions.refuses(check.name, check.options)
    except CannotLoad as error:
        yield Fault("name", str(error))
        return
    if wrong is not None:
        yield Fault("options", f"expected what the function {check.name} takes; got options it does not: {wrong}")


def make_checks(
    written: Sequence[AnyCheck], functions: FunctionShelf, *, has_words: bool, calls_tools: bool
) -> tuple[Check, ...]:
    """The checks for the conversations with such an agent; those that can't be judged there are left out.

    Raises CannotLoad where a function can't be had.
    """
    named = zip(written, _own_names(written), strict=True)
    return tuple(
        _make(check, name, functions)
        for check, name in named
        if can_judge(check, has_words=has_words, calls_tools=calls_tools)
    )


def _own_names(written: Sequence[AnyCheck]) -> Iterator[str]:
    taken: Counter[str] = Counter()
    for check in written:
        name = check.name or _name(check)
        taken[name] += 1
        yield name if taken[name] == 1 else f"{name}-{taken[name]}"


def _name(check: AnyCheck) -> str:
    turn = "" if check.turn is None else f" (turn {check.turn})"
    negated = "not " if getattr(check, "negate", False) else ""
    return f"{negated}{check.type} {_about(check)}{turn}"


def _about(check: AnyCheck) -> str:
    match check:
        case ContainsCheck() | EqualsCheck():
            return excerpt(check.text)
        case MatchesCheck():
            return excerpt(check.pattern)
        case EventCheck():
            return plainly(check.message_type if check.path is None else f"{check.message_type} {check.path}")
        case ToolCalledCheck():
            return plainly(check.tool)
        case ShorterThanCheck():
            return f"{check.characters} characters" if check.words is None else f"{check.words} words"
        case LatencyUnderCheck():
            return f"{check.limit:g} s {check.metric}"
        case FunctionCheck():
            return check.name


def _make(check: AnyCheck, name: str, functions: FunctionShelf) -> Check:
    match check:
        case ContainsCheck():
            return replies.contains(name, check.text, **_how(check))
        case MatchesCheck():
            return replies.matches(name, check.pattern, **_how(check))
        case EqualsCheck():
            return replies.equals(name, check.text, **_how(check))
        case EventCheck():
            path = Path.parse(check.path or "")
            return EventFits(name, check.message_type, path, check.equals, check.turn, check.negate)
        case ToolCalledCheck():
            return ToolCalled(name, check.tool, check.arguments, check.turn, check.negate)
        case ShorterThanCheck(words=None):
            return replies.ShorterThan(name, check.characters or 0, "characters", check.turn)
        case ShorterThanCheck():
            return replies.ShorterThan(name, check.words or 0, "words", check.turn)
        case LatencyUnderCheck():
            return LatencyUnder(name, check.limit, check.metric, check.turn)
        case FunctionCheck():
            return FunctionSays(name, functions.function(check.name), check.options, check.turn)


def _how(check: ContainsCheck | MatchesCheck | EqualsCheck) -> Mapping[str, Any]:
    return attrs.asdict(check, filter=lambda field, _: field.name in ("ignore_case", "turn", "negate"))
