"""The ears of a chat simulation: text messages are coalesced until the agent has been quiet for a while."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter

import attrs
import trio

from coval_load.actors.loss import Loss, worse
from coval_load.engine.doorbell import Doorbell
from coval_load.engine.outcome import ErrorKind, SimulationFailed

MOST_TEXTS = 10_000
MOST_CHARACTERS = 10_000_000


@attrs.frozen
class ChatReply:
    """One or more text messages that count as one; when the first and the last of them arrived."""

    texts: tuple[str, ...]
    first_at: float
    last_at: float


@attrs.frozen
class _Text:
    text: str
    at: float


class CoalescingReceiver:
    """What one chat simulation has received. All but the `hear_` methods are synchronous.

    A reply is complete when `quiet_s` seconds have passed after its last text without another; with 0
    each text is a reply by itself. `explain` says what else came, for the message of a failure. Texts are
    kept until a reply or `take_strays` takes them; beyond 10,000 of them, or 10 million characters, the
    simulation fails with `invalid_message`.
    """

    def __init__(self, quiet_s: float, bell: Doorbell, explain: Callable[[], str] = str) -> None:
        self._quiet_s = quiet_s
        self._bell = bell
        self._explain = explain
        self._texts: list[_Text] = []
        self._characters = 0
        self._awaited_from = math.inf
        self._loss: Loss | None = None

    def text_received(self, text: str, at: float) -> None:
        """A text message arrived at `at`."""
        if len(self._texts) >= MOST_TEXTS or self._characters + len(text) > MOST_CHARACTERS:
            self.lost(_too_much(), clean=False)
            return
        self._texts.append(_Text(text, at))
        self._characters += len(text)
        if at >= self._awaited_from:
            self._bell.ring()

    def lost(self, failure: SimulationFailed, clean: bool) -> None:
        """The connection ended or a message could not be read.

        `clean`: what was received is whole, so a reply that has begun is complete at once. Otherwise
        `failure` is raised at once. Of several losses the most telling counts.
        """
        self._loss = worse(self._loss, Loss(failure, clean, trio.current_time()))
        self._bell.ring()

    def take_strays(self, before: float) -> list[ChatReply]:
        """The texts that arrived before `before` and that no reply took, coalesced; each is given once."""
        if not self._texts:
            return []
        strays = self._texts[: self._place(before)]
        self._drop(0, len(strays))
        return [_reply(group) for group in self._groups(strays)]

    async def hear_reply(self, sent_at: float, deadline_s: float) -> ChatReply:
        """The first texts that arrived at or after `sent_at`, once they are complete.

        An agent that is never quiet for long enough is heard for as long as the caller of this lets it.

        Raises SimulationFailed: `no_response` if no text came within `deadline_s` of `sent_at`; what was
        given to `lost` if that left no complete reply.
        """
        return await self._hear(sent_at, sent_at + deadline_s, deadline_s)

    async def hear_greeting(self, ready_at: float, deadline_s: float) -> ChatReply:
        """As `hear_reply`, for an agent that speaks first and may have done so before `ready_at`."""
        return await self._hear(-math.inf, ready_at + deadline_s, deadline_s)

    async def _hear(self, since: float, limit: float, deadline_s: float) -> ChatReply:
        self._awaited_from = since
        try:
            await self._bell.until(lambda: self._loss is not None or self._begun(since), limit)
        finally:
            self._awaited_from = math.inf
        while True:
            group = self._first_group(since, limit) if self._texts else []
            if not group:
                raise self._loss.failure if self._loss else self._no_response(deadline_s)
            complete_at = group[-1].at + self._quiet_s
            loss = self._loss
            if loss is not None and loss.at < complete_at and not loss.clean:
                raise loss.failure
            if loss is not None or complete_at <= trio.current_time():
                self._drop(self._place(since) if len(self._texts) > 1 else 0, len(group))
                return _reply(group)
            await self._bell.until(lambda: self._loss is not None, complete_at)

    def _begun(self, since: float) -> bool:
        return bool(self._texts) and self._texts[-1].at >= since

    def _place(self, since: float) -> int:
        return bisect_left(self._texts, since, key=attrgetter("at"))

    def _first_group(self, since: float, limit: float) -> list[_Text]:
        texts = self._texts
        if len(texts) == 1:  # as nearly all replies are
            return texts[:] if since <= texts[0].at <= limit else []
        group = next(self._groups(texts[self._place(since) :]), [])
        return group if group and group[0].at <= limit else []

    def _groups(self, texts: Iterable[_Text]) -> Iterator[list[_Text]]:
        group: list[_Text] = []
        for text in texts:
            if group and text.at - group[-1].at >= self._quiet_s:
                yield group
                group = []
            group.append(text)
        if group:
            yield group

    def _drop(self, place: int, count: int) -> None:
        if count == len(self._texts):
            self._texts.clear()
            self._characters = 0
            return
        self._characters -= sum(len(text.text) for text in self._texts[place : place + count])
        del self._texts[place : place + count]

    def _no_response(self, deadline_s: float) -> SimulationFailed:
        what = self._explain() or "no text came in time"
        return SimulationFailed(ErrorKind.NO_RESPONSE, f"No response received within {deadline_s:g} s: {what}")


def _reply(group: list[_Text]) -> ChatReply:
    return ChatReply(tuple(text.text for text in group), group[0].at, group[-1].at)


def _too_much() -> SimulationFailed:
    return SimulationFailed(
        ErrorKind.INVALID_MESSAGE,
        f"expected a reply of at most {MOST_TEXTS:,} text messages and {MOST_CHARACTERS:,} characters; "
        "more came: shorten coalesce_timeout_seconds, or look for a loop in the agent",
    )
