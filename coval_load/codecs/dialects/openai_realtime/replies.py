"""Which response is under way and which are over, so that replies start and end in turn, whatever comes in which order.

The API reference has one response of a conversation at a time, from `response.created` to `response.done`.
"""

from collections.abc import Iterable, Sequence

import attrs

from coval_load.codecs.dialects.openai_realtime.playback import Item
from coval_load.codecs.events import Event, ReplyEnded, ReplyStarted, ToolCallReceived

_MOST_OVER = 32
_MOST_STREAMED = 32
_MOST_CALLS = 256
_MOST_HELD = 16
_LONGEST_NAME = 512
_LONGEST_HELD = 65_536


@attrs.define(eq=False)
class Reply:
    """One response. With `is_cleared` nothing of its audio is heard from now on."""

    response_id: str
    is_cleared: bool = False
    is_cancelled: bool = False
    has_calls: bool = False
    _streamed: dict[str, None] = attrs.field(factory=dict, init=False)
    _called: set[str] = attrs.field(factory=set, init=False)
    _held: list[tuple[str, ToolCallReceived]] = attrs.field(factory=list, init=False)

    def streamed(self, part: str) -> None:
        """A piece of `part` came: what repeats it as a whole is nothing new."""
        if part not in self._streamed:
            self._streamed[part] = None
            _forget(self._streamed, _MOST_STREAMED)

    def has_streamed(self, part: str) -> bool:
        """Whether pieces of `part` came."""
        return part in self._streamed

    def call(self, item_id: str, call: ToolCallReceived) -> Sequence[Event]:
        """The call if it is new: it stands in up to three events. What names neither id is known by its words."""
        names = {name for name in (item_id, call.call_id) if name} or {f"{call.name} {call.arguments}"}
        names = {name[:_LONGEST_NAME] for name in names}
        if names & self._called or len(self._called) >= _MOST_CALLS:
            return ()
        self._called |= names
        self.has_calls = True
        return (call,)

    def hold(self, item_id: str, call: ToolCallReceived) -> None:
        """A call of which only the end of the response tells whether it is whole."""
        if len(call.arguments) <= _LONGEST_HELD:
            self._held = [*self._held, (item_id, call)][-_MOST_HELD:]

    def settle(self, calls: Iterable[tuple[str, ToolCallReceived]]) -> Sequence[Event]:
        """The response is complete: those of `calls`, each with its item's id, and of what was held, that are new."""
        return [new for found in (*calls, *self._held) for new in self.call(*found)]


class Replies:
    """The responses of one conversation. Never more than one is under way.

    `audible` is the item of it that is heard just now.
    """

    def __init__(self) -> None:
        self.current: Reply | None = None
        self.audible: Item | None = None
        self._over: dict[str, bool] = {}

    def find(self, response_id: str) -> tuple[Sequence[Event], Reply | None]:
        """The response of this id, begun if it was not, and the events of that; None if it is over.

        An empty id is that of the response under way.
        """
        current = self.current
        if response_id and response_id in self._over:
            return (), None
        if current is not None:
            if response_id in ("", current.response_id):
                return (), current
            if not current.response_id:
                current.response_id = response_id
                return (), current
        events = (*self.end(ReplyEnded("incomplete", "another response began before it was done")), ReplyStarted())
        self.current = reply = Reply(response_id)
        return events, reply

    def clear(self) -> None:
        """Nothing more is heard of any response until now."""
        self.audible = None
        self._over = dict.fromkeys(self._over, True)
        if self.current is not None:
            self.current.is_cleared = True

    def was_cleared(self, response_id: str) -> bool:
        """Whether this response, which is over, was broken off by the caller."""
        return self._over.get(response_id, False)

    def end(self, how: ReplyEnded) -> Sequence[Event]:
        """The response under way is over; nothing if there is none."""
        reply, self.current, self.audible = self.current, None, None
        if reply is None:
            return ()
        if reply.response_id:
            self._over[reply.response_id] = reply.is_cleared
            _forget(self._over, _MOST_OVER)
        return (how,)


def _forget(kept: dict[str, bool] | dict[str, None], most: int) -> None:
    if len(kept) > most:
        del kept[next(iter(kept))]
