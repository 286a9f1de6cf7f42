"""A conversation over a WebSocket: set-up over HTTP where asked for, dial, handshake, talk, close."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import attrs
import trio
from websockets.client import ClientProtocol

from coval_load.actors.connector import Connector
from coval_load.actors.handshake import Handshake
from coval_load.actors.loss import Loss, worse
from coval_load.actors.narration import message_told
from coval_load.actors.simulation import Simulation, failure_in, timed_out
from coval_load.codecs.dialects.interface import Dialect
from coval_load.codecs.events import (
    AgentEventReceived,
    AgentFailed,
    AudioReceived,
    Event,
    MessageIgnored,
    ReadyReceived,
    TextReceived,
    Violation,
)
from coval_load.codecs.templates import TemplateError
from coval_load.engine import metrics
from coval_load.engine.deadlines import within
from coval_load.engine.link import Link, LinkEnd
from coval_load.engine.outcome import ErrorKind, SimulationFailed, Stage
from coval_load.engine.wire import Socket


class Conversation(Protocol):
    """What the caller does once the agent is ready: voice or chat."""

    def hear(self, event: AudioReceived | TextReceived, at: float) -> None:
        """Audio or text arrived at `at`; may come before `hold` is called."""
        ...

    def lost(self, loss: Loss) -> None:
        """The connection ended, or a message could not be read."""
        ...

    async def hold(self, link: Link, ready_at: float) -> None:
        """Talk until the last turn has been answered. Raises SimulationFailed."""
        ...

    def finished(self, now: float) -> None:
        """Called once, whatever happened: let go of everything."""
        ...


class DialectOpener(Protocol):
    """Opens the dialect of one simulation: `VoiceFormat.open` or `ChatFormat.open`."""

    def __call__(self, values: Mapping[str, Any], /) -> Dialect: ...


@attrs.define(eq=False, kw_only=True)
class WebSocketCall:
    """Composes connector, handshake and conversation; see `actors.simulation.Call`.

    `values` fill the placeholders of the agent's templates. `make_conversation` is called when the dialect is
    there.
    """

    simulation: Simulation
    connector: Connector
    open_dialect: DialectOpener
    make_conversation: "Callable[[WebSocketCall], Conversation]"
    values: Mapping[str, Any]
    ready_type: str
    requires_session_id: bool
    handshake_timeout_s: float

    dialect: Dialect = attrs.field(init=False)
    _handshake: Handshake = attrs.field(init=False)
    _conversation: Conversation | None = attrs.field(default=None, init=False)
    _link: Link | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        bell = self.simulation.bell
        self._handshake = Handshake(self.ready_type, self.requires_session_id, self.handshake_timeout_s, bell)

    async def run(self, due: float) -> None:
        """From the set-up to the close. Raises SimulationFailed."""
        url = await self._set_up(due) if self.connector.asks_first else None
        link = await self._connect(url, trio.current_time() if url else due)
        ready_at = await self._shake_hands(link)
        self.simulation.stage = Stage.CONVERSATION
        assert self._conversation is not None
        await self._conversation.hold(link, ready_at)
        await self._close(link)

    async def _set_up(self, due: float) -> str:
        self.simulation.stage = Stage.SETUP
        url = await self.connector.redialling.until_reached(self.simulation, partial(self._ask, due))
        self.simulation.tell("got a WebSocket URL", url.partition("?")[0])
        return url

    async def _ask(self, due: float) -> str:
        limit = self.simulation.services.timeouts.setup_s
        asked_at = trio.current_time()
        self.simulation.tell("asking the set-up endpoint", f"{self.connector.options.http_method}")
        with within(limit, lambda: timed_out(ErrorKind.SETUP_FAILED, "an answer of the set-up endpoint", limit)):
            url = await self.connector.ask(self.values)
        answered_at = trio.current_time()
        self.simulation.measures.once(metrics.SETUP_TIME, answered_at - asked_at, late=asked_at - due)
        return url

    async def _connect(self, url: str | None, due: float) -> Link:
        self.simulation.stage = Stage.CONNECT
        try:
            self.dialect = self.open_dialect(self.values)
        except TemplateError as error:
            raise SimulationFailed(ErrorKind.SETUP_FAILED, str(error)) from error
        self._conversation = self.make_conversation(self)
        self.simulation.dialled_at = trio.current_time()
        dial = partial(self._dial, url, due)
        wire, protocol = await self.connector.redialling.until_reached(self.simulation, dial)
        self.simulation.tell("connected", "the WebSocket upgrade was accepted")
        self._link = link = Link(
            wire,
            protocol,
            self.simulation.services.reactor,
            on_message=self._message if self.simulation.narrator is None else self._message_told,
            on_end=self._ended,
            on_pong=self._pong,
        )
        link.start(trio.current_time())
        self.simulation.services.keepalive.join(link)
        return link

    async def _dial(self, url: str | None, due: float) -> tuple[Socket, ClientProtocol]:
        limit = self.simulation.services.timeouts.connect_s
        dialled_at = trio.current_time()
        self.simulation.tell("dialling", (url or self.connector.options.endpoint or "").partition("?")[0])
        with within(limit, lambda: timed_out(ErrorKind.CONNECT_TIMEOUT, "Timeout connecting to WebSocket", limit)):
            opened = await self.connector.dial(url, self.values)
        connect_s = trio.current_time() - dialled_at
        self.simulation.measures.once(metrics.CONNECT_TIME, connect_s, late=dialled_at - due)
        return opened

    async def _shake_hands(self, link: Link) -> float:
        self.simulation.stage = Stage.HANDSHAKE
        upgraded_at = trio.current_time()
        for message in self.dialect.opening():
            link.send_nowait(message.payload, message.is_text)
            self.simulation.tell("sent initialization_json", message.payload[:500].decode("utf-8", "replace"))
        if not self.ready_type:
            return upgraded_at
        self.simulation.tell("waiting for the ready message", f"type {self.ready_type!r}")
        session_id = await self._handshake.complete(
            upgraded_at + self.handshake_timeout_s, lambda: self.simulation.loss, self._explain_handshake
        )
        ready_at = trio.current_time()
        self.simulation.measures.once(metrics.HANDSHAKE_TIME, ready_at - upgraded_at)
        self.simulation.tell("the agent is ready", f"session_id {session_id!r}" if session_id is not None else "")
        return ready_at

    def _explain_handshake(self) -> str:
        return self.simulation.hearsay.explain() or "nothing of that type came"

    async def _close(self, link: Link) -> None:
        self.simulation.stage = Stage.CLOSE
        self.simulation.tell("closing", "code 1000")
        with trio.move_on_after(self.simulation.services.timeouts.close_s) as scope:
            await link.close(1000)
        if scope.cancelled_caught:
            limit = self.simulation.services.timeouts.close_s
            self.simulation.tell("the agent did not answer the close", f"within {limit:g} s")
        else:
            self.simulation.tell("closed", f"code {self.simulation.close_code}")

    # What arrives

    def _message(self, payload: bytes, is_text: bool, at: float) -> None:
        self._take_in(self.dialect.decode(payload, is_text), at)

    def _message_told(self, payload: bytes, is_text: bool, at: float) -> None:
        events = self.dialect.decode(payload, is_text)
        self.simulation.tell(*message_told(payload, is_text, events))
        self._take_in(events, at)

    def _take_in(self, events: Sequence[Event], at: float) -> None:
        conversation = self._conversation
        assert conversation is not None  # it is made before the link
        for event in events:
            if type(event) is AudioReceived or type(event) is TextReceived:
                conversation.hear(event, at)
            else:
                self._handle(event, at)

    def _handle(self, event: Event, at: float) -> None:
        match event:
            case ReadyReceived():
                self._handshake.ready(event)
            case AgentEventReceived():
                self.simulation.hearsay.captured(event, at)
            case MessageIgnored():
                self.simulation.hearsay.ignored(event)
            case Violation():
                self._lose(Loss(SimulationFailed(ErrorKind.INVALID_MESSAGE, event.reason), clean=False, at=at))
            case AgentFailed():
                self._lose(Loss(failure_in(event), clean=False, at=at))
            case _:
                pass

    def _pong(self, seconds: float) -> None:
        self.simulation.account.record(metrics.PING_TIME, seconds)

    def _ended(self, end: LinkEnd) -> None:
        self.simulation.close_code = end.close_code
        if self.simulation.stage is not Stage.CLOSE:
            code = "no close frame" if end.close_code is None else f"code {end.close_code}"
            self.simulation.tell("the connection ended", code)
        self._lose(Loss(end.failure, end.clean, trio.current_time()))

    def _lose(self, loss: Loss) -> None:
        self.simulation.loss = worse(self.simulation.loss, loss)
        if self._conversation is not None:
            self._conversation.lost(loss)
        self.simulation.bell.ring()

    # The end

    def finished(self, now: float) -> None:
        """Close the socket, whatever the stage; let go of what leads back here."""
        if self._conversation is not None:
            self._conversation.finished(now)
        link = self._link
        if link is not None:
            services = self.simulation.services
            services.keepalive.leave(link)
            link.hang_up()
            count = self.simulation.account.count
            count(metrics.MESSAGES_SENT, link.messages_sent)
            count(metrics.MESSAGES_RECEIVED, link.messages_received)
            count(metrics.BYTES_SENT, link.bytes_sent)
            count(metrics.BYTES_RECEIVED, link.bytes_received)
        self._conversation = self._link = None
