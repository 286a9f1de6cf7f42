"""One connection of a conversation over WebSocket: its link, its dialect, and what arrives over them."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import attrs
import trio
from websockets.protocol import Protocol as Framing

from coval_load.actors.handshake import Handshake
from coval_load.actors.line import Line
from coval_load.actors.loss import Loss, worse
from coval_load.actors.narration import message_told
from coval_load.actors.rate_limits import RateLimitNotes
from coval_load.actors.simulation import Simulation, failure_in
from coval_load.codecs.dialects.interface import Handshaking, Outgoing
from coval_load.codecs.events import (
    AgentComplained,
    AgentEventReceived,
    AgentFailed,
    AudioReceived,
    Event,
    GoingAway,
    MessageIgnored,
    RateLimitsReceived,
    ReadyReceived,
    TextReceived,
    Violation,
)
from coval_load.engine import metrics
from coval_load.engine.link import Link, LinkEnd, MessageTaker
from coval_load.engine.outcome import ErrorKind, SimulationFailed, Stage
from coval_load.engine.wire import Socket


class Conversation(Protocol):
    """What the caller does once the agent is ready: voice or chat."""

    def shortcut(self, dialect: Any, take: MessageTaker) -> MessageTaker:
        """What is to take the messages of a connection; `take` itself where nothing goes a shorter way."""
        ...

    def hear(self, event: AudioReceived | TextReceived, at: float) -> None:
        """Audio or text arrived at `at`; may come before `hold` is called."""
        ...

    def note(self, event: Event, at: float) -> None:
        """Something else came that the call itself has no use for; may come before `hold` is called."""
        ...

    def lost(self, loss: Loss) -> None:
        """The connection ended, or a message could not be read.

        After `GoingAway` the end is told as a clean one: what is queued counts, and the line can be renewed.
        """
        ...

    async def hold(self, line: Line, ready_at: float) -> None:
        """Talk until the last turn has been answered. Raises SimulationFailed."""
        ...

    def finished(self, now: float) -> None:
        """Called once, whatever happened: let go of everything."""
        ...


@attrs.define(eq=False, kw_only=True)
class WebSocketSession:
    """What arrives goes to `conversation`, what it was lost by to `on_loss`, until it is `retire`d."""

    simulation: Simulation
    dialect: Any
    awaited: Handshaking
    conversation: Conversation
    limits: RateLimitNotes
    on_loss: "Callable[[WebSocketSession, Loss], None]"

    loss: Loss | None = attrs.field(default=None, init=False)
    is_going: bool = attrs.field(default=False, init=False)
    """Whether the agent said that it is going to end this connection."""
    upgraded_at: float = attrs.field(default=0.0, init=False)
    _handshake: Handshake = attrs.field(init=False)
    _link: Link | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._handshake = Handshake(self.awaited, self.simulation.bell)

    @property
    def link(self) -> Link:
        """The connection, from `start` to `let_go`."""
        assert self._link is not None
        return self._link

    def start(self, wire: Socket, protocol: Framing) -> None:
        """Begin to read, and open the conversation as the dialect does."""
        services = self.simulation.services
        is_told = self.simulation.narrator is not None
        takes = self._message_told if is_told else self.conversation.shortcut(self.dialect, self._message)
        self._link = link = Link(
            wire,
            protocol,
            services.reactor,
            on_message=takes,
            on_end=self._ended,
            on_pong=self._pong,
        )
        link.start(trio.current_time())
        services.keepalive.join(link)
        self.upgraded_at = trio.current_time()
        for message in self.dialect.opening():
            self.send((message,))
            self.simulation.tell("sent the opening message", message.payload[:500].decode("utf-8", "replace"))

    async def be_ready(self) -> float:
        """When the agent was ready for the conversation. Raises SimulationFailed, as `Handshake.complete` does."""
        awaited, tell = self.awaited, self.simulation.tell
        if not awaited.ready_message:
            self.send(self.dialect.when_ready())
            return self.upgraded_at
        tell("waiting for the ready message", awaited.ready_message)
        deadline = self.upgraded_at + awaited.timeout_s
        session_id = await self._handshake.complete(deadline, lambda: self.loss, self._explain_handshake)
        tell("the agent is ready", f"session_id {session_id!r}" if session_id is not None else "")
        self.send(self.dialect.when_ready())
        return trio.current_time()

    def send(self, messages: Iterable[Outgoing]) -> None:
        """Send each of them."""
        for message in messages:
            self.link.send_nowait(message.payload, message.is_text)

    def _explain_handshake(self) -> str:
        return self.simulation.hearsay.explain() or "nothing of that type came"

    # What arrives

    def _message(self, payload: bytes, is_text: bool, at: float) -> None:
        for event in self.dialect.decode(payload, is_text):
            if type(event) is AudioReceived:
                self.conversation.hear(event, at)
            else:
                self._take(event, at)

    def _message_told(self, payload: bytes, is_text: bool, at: float) -> None:
        events = self.dialect.decode(payload, is_text)
        self.simulation.tell(*message_told(payload, is_text, events))
        for event in events:
            self._take(event, at)

    def _take(self, event: Event, at: float) -> None:
        match event:
            case AudioReceived() | TextReceived():
                self.conversation.hear(event, at)
            case ReadyReceived():
                self._handshake.ready(event)
            case AgentEventReceived():
                self.simulation.hearsay.captured(event, at)
            case MessageIgnored():
                self.simulation.hearsay.ignored(event)
            case AgentComplained():
                self.simulation.hearsay.complained(event, at)
            case RateLimitsReceived():
                self.limits.received(event, at)
            case GoingAway():
                self.is_going = True
                self.simulation.bell.ring()  # whoever has nothing to say just now may renew it
            case Violation():
                self._lose(SimulationFailed(ErrorKind.INVALID_MESSAGE, event.reason), False, at)
            case AgentFailed():
                self._lose(failure_in(event), False, at)
            case _:
                self.conversation.note(event, at)

    def _pong(self, seconds: float) -> None:
        self.simulation.account.record(metrics.PING_TIME, seconds)

    def _ended(self, end: LinkEnd) -> None:
        self.simulation.close_code = end.close_code
        if self.simulation.stage is not Stage.CLOSE:
            code = "no close frame" if end.close_code is None else f"code {end.close_code}"
            self.simulation.tell("the connection ended", code)
        meant = None if end.close_code is None else self.dialect.closed(end.close_code, end.reason)
        if isinstance(meant, AgentFailed):
            self._lose(failure_in(meant), False, trio.current_time())
        else:
            self._lose(end.failure, end.clean, trio.current_time())

    def _lose(self, failure: SimulationFailed, clean: bool, at: float) -> None:
        loss = Loss(failure, clean, at)
        self.loss = worse(self.loss, loss)
        self.on_loss(self, loss)
        self.simulation.bell.ring()

    # The end

    def retire(self) -> None:
        """Whatever still comes over the connection, its end included, is counted and else ignored."""
        self.link.on_message, self.link.on_end = _unheard, _unheard_end
        self.simulation.services.keepalive.leave(self.link)

    def let_go(self) -> None:
        """Close the socket, whatever the stage, and count; let go of what leads back here. Harmless when repeated."""
        link, self._link = self._link, None
        if link is None:
            return
        self.simulation.services.keepalive.leave(link)
        link.hang_up()
        # Whoever still has the link must not lead back here: only the garbage collector could free what does.
        link.on_message, link.on_end, link.on_pong = _unheard, _unheard_end, _unheard_pong
        count = self.simulation.account.count
        count(metrics.MESSAGES_SENT, link.messages_sent)
        count(metrics.MESSAGES_RECEIVED, link.messages_received)
        count(metrics.BYTES_SENT, link.bytes_sent)
        count(metrics.BYTES_RECEIVED, link.bytes_received)


def _unheard(payload: bytes, is_text: bool, at: float) -> None:
    pass


def _unheard_end(end: LinkEnd) -> None:
    pass


def _unheard_pong(seconds: float) -> None:
    pass
