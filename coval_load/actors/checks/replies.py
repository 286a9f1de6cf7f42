"""Checks on the words of replies, and on how many they are."""

import re
from collections.abc import Callable
from typing import Literal

import attrs

from coval_load.actors.checks.interface import Conversation
from coval_load.actors.checks.wording import excerpt, judge_any, listed, where

SEARCHED = 100_000
"""So many characters of a reply a pattern is searched in: what is beyond them is not looked at."""


@attrs.frozen
class ReplyFits:
    """One of the replies fits; with `negate`, none does. `wanted` says which do, such as `that contains "pizza"`."""

    name: str
    wanted: str
    fits: Callable[[str], bool]
    turn: int | None = None
    negate: bool = False

    def judge(self, conversation: Conversation) -> str | None:
        """See `interface.Check`."""
        expected = f"reply{where(self.turn)} {self.wanted}"
        return judge_any(conversation.texts(self.turn), self.fits, excerpt, expected, negate=self.negate)


def contains(
    name: str, text: str, *, ignore_case: bool = True, turn: int | None = None, negate: bool = False
) -> ReplyFits:
    """A reply that has `text` in it."""
    wanted = _folded(text) if ignore_case else text

    def fits(reply: str) -> bool:
        return wanted in (_folded(reply) if ignore_case else reply)

    return ReplyFits(name, f"that contains {excerpt(text)}", fits, turn, negate)


def equals(
    name: str, text: str, *, ignore_case: bool = False, turn: int | None = None, negate: bool = False
) -> ReplyFits:
    """A reply that is `text`, but for white space around it."""
    wanted = (_folded(text) if ignore_case else text).strip()

    def fits(reply: str) -> bool:
        return (_folded(reply) if ignore_case else reply).strip() == wanted

    return ReplyFits(name, f"that is {excerpt(text)}", fits, turn, negate)


def matches(
    name: str, pattern: str, *, ignore_case: bool = False, turn: int | None = None, negate: bool = False
) -> ReplyFits:
    """A reply that `re.search` finds `pattern` in. Raises `re.error` where that is none."""
    compiled = re.compile(pattern, re.IGNORECASE if ignore_case else 0)

    def fits(reply: str) -> bool:
        return compiled.search(reply[:SEARCHED]) is not None

    return ReplyFits(name, f"that matches {excerpt(pattern)}", fits, turn, negate)


def _folded(text: str) -> str:
    return text.casefold()


@attrs.frozen
class ShorterThan:
    """Every reply has fewer than `limit` characters or words, and there is one."""

    name: str
    limit: int
    unit: Literal["characters", "words"]
    turn: int | None = None

    def judge(self, conversation: Conversation) -> str | None:
        """See `interface.Check`."""
        texts = conversation.texts(self.turn)
        longer = [text for text in texts if self._length(text) >= self.limit]
        if texts and not longer:
            return None
        came = listed(longer, lambda text: f"{self._length(text)}: {excerpt(text)}")
        return f"expected every reply{where(self.turn)} to have fewer than {self.limit} {self.unit}; got {came}"

    def _length(self, text: str) -> int:
        return len(text) if self.unit == "characters" else len(text.split())
