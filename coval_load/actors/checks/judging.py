"""Judging a conversation by all its checks, and watching how long that takes."""

import time
from collections.abc import Callable, Iterable

import attrs

from coval_load.actors.checks.interface import Check, CheckResult, Conversation
from coval_load.actors.checks.wording import LONGEST_MESSAGE

SLOW_S = 0.05
"""A check that takes longer is told: meanwhile nothing else happens, no frame is sent and no reply is timed."""


@attrs.frozen
class Judged:
    """What came of each check, in their order, and the names of those that took longer than `SLOW_S`."""

    results: tuple[CheckResult, ...]
    slow: tuple[str, ...]


def judge(
    checks: Iterable[Check], conversation: Conversation, clock: Callable[[], float] = time.perf_counter
) -> Judged:
    """Judge `conversation` by `checks`; `clock` gives seconds."""
    results, slow = [], []
    for check in checks:
        began = clock()
        message = check.judge(conversation)
        if clock() - began > SLOW_S:
            slow.append(check.name)
        results.append(CheckResult(check.name, message is None, _short(message)))
    return Judged(tuple(results), tuple(slow))


def _short(message: str | None) -> str | None:
    if message is None or len(message) <= LONGEST_MESSAGE:
        return message
    return message[: LONGEST_MESSAGE - 1] + "…"
