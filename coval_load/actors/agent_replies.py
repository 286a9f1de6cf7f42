"""What an agent's protocol says about its replies, beside their sound: when they begin and end, their words and tokens.

Where the protocol says nothing of that, nothing of this is ever called, and a reply is what is heard.
"""

from collections.abc import Iterable
from typing import Literal

import attrs

from coval_load.actors.transcript import Entry, usage_row
from coval_load.codecs.events import ReplyEnded, ToolCallReceived, UsageReceived

_FOREVER = float("inf")
_MOST_WORDS = 100_000
"""Characters of one reply: of an agent that says more at once, the first are kept."""
_MOST_KEPT = 200
"""Replies within one turn of the caller's; of an agent that makes more, the oldest are let go."""


@attrs.define
class AgentReply:
    """One reply. Times are of the Trio clock; `heard_from` is when its first audio plays, None where it holds none.

    `calls` are those of its tools that got no result, `usage` the tokens it took.
    """

    started_at: float
    heard_from: float | None = None
    spoken: list[str] = attrs.field(factory=list)
    written: list[str] = attrs.field(factory=list)
    written_at: float | None = None
    calls: list[ToolCallReceived] = attrs.field(factory=list)
    called: bool = False
    usage: UsageReceived | None = None
    ended: ReplyEnded | None = None
    ended_at: float = _FOREVER
    _room: int = attrs.field(default=_MOST_WORDS, init=False)

    def say(self, text: str) -> None:
        """Words of its audio."""
        self._add(self.spoken, text)

    def write(self, text: str, at: float) -> None:
        """Words that are not spoken."""
        self._add(self.written, text)
        self.written_at = at if self.written_at is None else self.written_at

    def _add(self, words: list[str], text: str) -> None:
        if self._room > 0:
            words.append(text[: self._room])
            self._room -= len(text)

    @property
    def words(self) -> str | None:
        """What it says, as the agent wrote it down; None where it did not."""
        return "".join(self.spoken or self.written).strip() or None

    @property
    def how_it_ended(self) -> str | None:
        """For the transcript: None where it is complete."""
        if self.ended is None or self.ended.status == "completed":
            return None
        return f"{self.ended.status}: {self.ended.reason}" if self.ended.reason else self.ended.status


@attrs.define
class AgentReplies:
    """The replies of one conversation; see `actors.listener.Replies`.

    Those that began before the caller was last heard to begin answer nothing that is waited for now.
    """

    _kept: list[AgentReply] = attrs.field(factory=list, init=False)
    _awaited: list[AgentReply] = attrs.field(factory=list, init=False)
    _owes_reply: bool = attrs.field(default=False, init=False)
    _took_before: UsageReceived | None = attrs.field(default=None, init=False)

    @property
    def latest(self) -> AgentReply | None:
        """The reply that was started last."""
        return self._kept[-1] if self._kept else None

    def started(self, at: float) -> None:
        """The agent works on another one."""
        reply = AgentReply(at, usage=self._took_before)
        self._took_before = None
        self._kept.append(reply)
        self._awaited.append(reply)
        self._owes_reply = False
        del self._kept[:-_MOST_KEPT]
        del self._awaited[:-_MOST_KEPT]

    def ended(self, how: ReplyEnded, at: float) -> None:
        """The latest is over."""
        if self.latest is not None and self.latest.ended is None:
            self.latest.ended, self.latest.ended_at = how, at

    def took(self, usage: UsageReceived) -> None:
        """Tokens of the latest or, where that was over before the caller last began, of the next; there may be more."""
        reply = self.latest
        if reply is not None and (reply.ended is None or (self._awaited and self._awaited[-1] is reply)):
            reply.usage = usage if reply.usage is None else _sum([reply.usage, usage])
        else:
            self._took_before = usage if self._took_before is None else _sum([self._took_before, usage])

    def results_given(self) -> None:
        """The agent got what its tools gave: another reply follows, or more of this one."""
        if self.latest is not None:
            self.latest.calls.clear()
        self._owes_reply = True

    def caller_began(self) -> None:
        """What is waited for from here on is an answer to what the caller begins to say now."""
        self._awaited.clear()
        self._owes_reply = False

    def wait_on(self) -> None:
        """What is waited for from here on is what the agent says next, though the caller said nothing."""
        self._awaited = [reply for reply in self._awaited if reply.ended is None]

    def renewed(self) -> None:
        """Over a new connection: what was under way is not."""
        self._awaited.clear()
        self._owes_reply = False

    # For the listener

    def ended_silently(self) -> bool:
        """Whether the agent's turn is over and none of its replies holds audio."""
        answers = self.answers()
        return bool(answers) and not self.going_on() and all(reply.heard_from is None for reply in answers)

    def going_on(self) -> bool:
        """Whether a reply is under way, or one is due for what a tool gave."""
        return self._owes_reply or any(reply.ended is None for reply in self._awaited)

    # What came of a turn

    def answers(self) -> list[AgentReply]:
        """The replies of the agent's turn that is waited for, or was heard, but those that were broken off."""
        return [reply for reply in self._awaited if reply.ended is None or reply.ended.status != "cancelled"]

    def of_kind(self, status: Literal["failed", "incomplete"]) -> ReplyEnded | None:
        """How the last reply of the turn ended, if that is how."""
        answers = self.answers()
        ended = answers[-1].ended if answers else None
        return ended if ended is not None and ended.status == status else None

    def never_heard(self, since: float) -> None:
        """What would have begun to play at `since` or later was thrown away."""
        for reply in self._kept:
            if reply.heard_from is not None and reply.heard_from >= since:
                reply.heard_from = _FOREVER

    def put_words(self, entries: Iterable[Entry], now: float) -> None:
        """Put the words of the replies heard so far into `entries`, the agent's turns in the transcript.

        A reply plays until the next one does, so its words stand with the first turn within that time.
        """
        heard = [reply for reply in self._kept if reply.heard_from is not None and reply.heard_from < _FOREVER]
        turns = sorted(entries, key=lambda entry: entry.start)
        said: dict[int, list[AgentReply]] = {}
        for at, reply in enumerate(heard):
            until = heard[at + 1].heard_from if at + 1 < len(heard) else None
            place = next((number for number, turn in enumerate(turns) if _overlap(turn, reply, until, now)), None)
            if place is not None:
                said.setdefault(place, []).append(reply)
        for place, replies in said.items():
            _write(turns[place], replies)

    def forget_written(self, since: float) -> None:
        """Let go of replies whose words were put where they belong: those that are over, and were heard before `since`.

        That is when the last turn began that words may still be put into: what plays then is part of it.
        """
        first = len(self._kept) - 1
        for number, reply in enumerate(self._kept):
            if reply.heard_from is not None and reply.heard_from <= since:
                first = number
        self._kept = [reply for number, reply in enumerate(self._kept) if number >= first or reply.ended is None]


def _overlap(turn: Entry, reply: AgentReply, until: float | None, now: float) -> bool:
    assert reply.heard_from is not None
    end = now if turn.end is None else turn.end
    return (until is None or turn.start < until) and end >= reply.heard_from


def written_turn(replies: list[AgentReply]) -> Entry | None:
    """A turn in which nothing was spoken, for the transcript: what its replies wrote; None where they did not."""
    written = [reply for reply in replies if reply.written_at is not None and "".join(reply.written).strip()]
    if not written:
        return None
    turn = Entry("assistant", None, written[0].written_at or 0.0, replies[-1].ended_at, kind="text")
    _write(turn, replies)
    turn.content = " ".join("".join(reply.written).strip() for reply in written)
    return turn


def _write(turn: Entry, replies: list[AgentReply]) -> None:
    words = [reply.words for reply in replies if reply.words]
    if words:
        turn.content = " ".join(words)
    turn.ended = next((reply.how_it_ended for reply in reversed(replies) if reply.how_it_ended), None)
    usages = [reply.usage for reply in replies if reply.usage is not None]
    if usages:
        turn.usage = usage_row(_sum(usages))


def _sum(usages: list[UsageReceived]) -> UsageReceived:
    def total(name: str) -> int | None:
        counts = [count for usage in usages if (count := getattr(usage, name)) is not None]
        return sum(counts) if counts else None

    return UsageReceived(*(total(field.name) for field in attrs.fields(UsageReceived)))
