"""A conversation over a WebSocket: set-up over HTTP where asked for, dial, handshake, talk, close."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import attrs
import trio
from websockets.protocol import Protocol as Framing

from coval_load.actors.connector import Connector
from coval_load.actors.loss import Loss, worse
from coval_load.actors.rate_limits import RateLimitNotes
from coval_load.actors.simulation import Simulation, timed_out
from coval_load.actors.websocket_session import Conversation, WebSocketSession
from coval_load.agents.destination import SetUp
from coval_load.codecs.dialects.interface import Dialect, Handshaking, Outgoing, Said
from coval_load.codecs.templates import TemplateError
from coval_load.engine import metrics
from coval_load.engine.alarm_clock import alarm_clock
from coval_load.engine.deadlines import within
from coval_load.engine.link import Link
from coval_load.engine.outcome import ErrorKind, SimulationFailed, Stage
from coval_load.engine.wire import Socket

_SOON_S = 0.5
_MOST_IN_VAIN = 3
_ALWAYS_GOING = (
    f"expected a new connection to last; {_MOST_IN_VAIN} in a row were to be renewed within {_SOON_S:g} s: look at why "
    "the agent is going to end them, or raise renew_after_seconds"
)
_MOST_GOODBYE_S = 1.0
"""For which a conversation that goes on waits for the end of its connection so far."""


class Format(Protocol):
    """What the call needs of a `VoiceFormat` or `ChatFormat`."""

    @property
    def handshake(self) -> Handshaking: ...

    def open(self, values: Mapping[str, Any], /) -> Dialect: ...


@attrs.define(eq=False, kw_only=True)
class WebSocketCall:
    """Composes connector, sessions and conversation; see `actors.simulation.Call` and `actors.line.Line`.

    It has one session at a time. `values` fill the placeholders of the agent's templates. `make_conversation` is
    called when the first dialect is there. A session older than `most_session_s` seconds is to be renewed.
    """

    simulation: Simulation
    connector: Connector
    form: Format
    make_conversation: "Callable[[WebSocketCall], Conversation]"
    values: Mapping[str, Any]
    most_session_s: float | None = None

    dialect: Any = attrs.field(init=False)
    """That of the connection just now."""
    _limits: RateLimitNotes = attrs.field(init=False)
    _conversation: Conversation | None = attrs.field(default=None, init=False)
    _session: WebSocketSession | None = attrs.field(default=None, init=False)
    _others: list[WebSocketSession] = attrs.field(factory=list, init=False)
    _used_since: float = attrs.field(default=-math.inf, init=False)
    _renewed_in_vain: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._limits = RateLimitNotes(self.simulation)

    async def run(self, due: float) -> None:
        """From the set-up to the close. Raises SimulationFailed."""
        set_up = self.connector.set_up
        url = None
        if set_up is not None:
            self.simulation.stage = Stage.SETUP
            url = await self._ask_until_reached(set_up, due)
            due = trio.current_time()
        self.simulation.stage = Stage.CONNECT
        session = self._begin()
        wire, protocol = await self._dial_until_reached(url, due)
        self.simulation.stage = Stage.HANDSHAKE
        session.start(wire, protocol)
        ready_at = await session.be_ready()
        if session.awaited.ready_message:
            self.simulation.measures.once(metrics.HANDSHAKE_TIME, ready_at - session.upgraded_at)
        self.simulation.stage = Stage.CONVERSATION
        assert self._conversation is not None
        await self._conversation.hold(self, ready_at)
        await self._close()

    def _begin(self) -> WebSocketSession:
        try:
            self.dialect = self.form.open(self.values)
        except TemplateError as error:
            raise SimulationFailed(ErrorKind.SETUP_FAILED, str(error)) from error
        self._conversation = self.make_conversation(self)
        self.simulation.dialled_at = trio.current_time()
        self._session = self._session_with(self.dialect)
        return self._session

    def _session_with(self, dialect: Dialect) -> WebSocketSession:
        assert self._conversation is not None
        return WebSocketSession(
            simulation=self.simulation,
            dialect=dialect,
            awaited=self.form.handshake,
            conversation=self._conversation,
            limits=self._limits,
            on_loss=self._lost,
        )

    # The way to the agent: `due` is None where a conversation goes on, whose times are those of the renewal

    async def _ask_until_reached(self, set_up: SetUp, due: float | None) -> str:
        ask = partial(self._ask, set_up, due)
        url = await self.connector.redialling.until_reached(self.simulation, ask)
        self.simulation.tell("got a WebSocket URL", url.partition("?")[0])
        return url

    async def _ask(self, set_up: SetUp, due: float | None) -> str:
        limit = self.simulation.services.timeouts.setup_s
        asked_at = trio.current_time()
        self.simulation.tell("asking the set-up endpoint", set_up.method)
        with within(limit, lambda: timed_out(ErrorKind.SETUP_FAILED, "an answer of the set-up endpoint", limit)):
            url = await self.connector.ask(set_up, self.values)
        answered_at = trio.current_time()
        if due is not None:
            self.simulation.measures.once(metrics.SETUP_TIME, answered_at - asked_at, late=asked_at - due)
        return url

    async def _dial_until_reached(self, url: str | None, due: float | None) -> tuple[Socket, Framing]:
        dial = partial(self._dial, url, due)
        reached = await self.connector.redialling.until_reached(self.simulation, dial)
        self.simulation.tell("connected", "the WebSocket upgrade was accepted")
        return reached

    async def _dial(self, url: str | None, due: float | None) -> tuple[Socket, Framing]:
        limit = self.simulation.services.timeouts.connect_s
        dialled_at = trio.current_time()
        self.simulation.tell("dialling", (url or self.connector.destination.url or "").partition("?")[0])
        with within(limit, lambda: timed_out(ErrorKind.CONNECT_TIMEOUT, "Timeout connecting to WebSocket", limit)):
            opened = await self.connector.dial(url, self.values)
        connect_s = trio.current_time() - dialled_at
        if due is not None:
            self.simulation.measures.once(metrics.CONNECT_TIME, connect_s, late=dialled_at - due)
        return opened

    # The line

    @property
    def link(self) -> Link:
        """See `Line`."""
        assert self._session is not None
        return self._session.link

    @property
    def should_renew(self) -> bool:
        """See `Line`."""
        session = self._session
        assert session is not None
        return session.is_going or (
            self.most_session_s is not None and trio.current_time() - session.upgraded_at > self.most_session_s
        )

    @property
    def has_ended(self) -> bool:
        """See `Line`."""
        assert self._session is not None
        return self._session.loss is not None

    def send(self, messages: Iterable[Outgoing]) -> None:
        """See `Line`."""
        assert self._session is not None
        self._session.send(messages)

    async def renew(self, said: Sequence[Said]) -> None:
        """See `Line`. From here on nothing is heard over the connection so far."""
        old, simulation = self._session, self.simulation
        assert old is not None
        if simulation.loss is not None:
            raise simulation.loss.failure
        began_at = trio.current_time()
        was_in_vain = self.should_renew and began_at - self._used_since < _SOON_S
        self._renewed_in_vain = self._renewed_in_vain + 1 if was_in_vain else 0
        if self._renewed_in_vain >= _MOST_IN_VAIN:
            raise SimulationFailed(ErrorKind.CONNECTION_CLOSED, _ALWAYS_GOING)
        why = "the agent is going to end it" if old.is_going else f"it is {began_at - old.upgraded_at:.0f} s old"
        simulation.tell("renewing the connection", why)
        self._let_go_of_others()
        old.retire()
        old.link.say_goodbye()
        self._others.append(old)
        try:
            new = await self._go_on_over_another(old, said)
        except SimulationFailed as error:
            message = f"the conversation could not go on over a new connection: {error.message}"
            raise SimulationFailed(error.kind, message) from error
        self._switch(old, new)
        took_s = trio.current_time() - began_at
        simulation.measures.once(metrics.RENEWAL_TIME, took_s)
        simulation.account.count(metrics.RENEWALS)
        simulation.tell("the conversation goes on over a new connection", f"{took_s:.3f} s later")

    async def _go_on_over_another(self, old: WebSocketSession, said: Sequence[Said]) -> WebSocketSession:
        dialect = old.dialect.renewed(said)
        try:
            return await self._reopen(old, dialect)
        except SimulationFailed as refused:
            # The agent may have forgotten the session to go on with: then it is told what was said.
            otherwise = dialect.renewed(said)
            if refused.kind is not ErrorKind.CONNECTION_CLOSED or otherwise.opening() == dialect.opening():
                raise
            self.simulation.tell("telling what was said instead", refused.message)
        return await self._reopen(old, otherwise)

    async def _reopen(self, old: WebSocketSession, dialect: Dialect) -> WebSocketSession:
        goodbye_until = trio.current_time() + _MOST_GOODBYE_S
        set_up = self.connector.set_up
        url = None if set_up is None else await self._ask_until_reached(set_up, None)
        session = self._session_with(dialect)
        wire, protocol = await self._dial_until_reached(url, None)
        try:
            # Some agents refuse to go on with a session whose connection is still open.
            with trio.CancelScope(deadline=goodbye_until):
                await old.link.close()
        except BaseException:
            wire.close()
            raise
        self._others.append(session)  # whatever happens meanwhile, its socket gets closed
        session.start(wire, protocol)
        await session.be_ready()
        if session.loss is not None:
            raise session.loss.failure
        return session

    def _switch(self, old: WebSocketSession, new: WebSocketSession) -> None:
        self._others.remove(new)
        self._session, self.dialect = new, new.dialect
        self._used_since = trio.current_time()
        self.simulation.close_code = None  # that of the old one

    def _lost(self, session: WebSocketSession, loss: Loss) -> None:
        if session is not self._session or self._conversation is None:
            return
        if session.is_going and loss.failure.kind is ErrorKind.CONNECTION_CLOSED:
            self._conversation.lost(attrs.evolve(loss, clean=True))
            return
        self.simulation.loss = worse(self.simulation.loss, loss)
        self._conversation.lost(loss)

    # The end

    async def _close(self) -> None:
        self.simulation.stage = Stage.CLOSE
        self.simulation.tell("closing", "code 1000")
        limit = self.simulation.services.timeouts.close_s
        clock, link = alarm_clock(), self.link
        alarm = clock.call(link.abort, trio.current_time() + limit)
        try:
            await link.close(1000)
        finally:
            has_ended = alarm.wake is not None
            clock.drop(alarm)
        if has_ended:
            self.simulation.tell("closed", f"code {self.simulation.close_code}")
        else:
            self.simulation.tell("the agent did not answer the close", f"within {limit:g} s")

    def finished(self, now: float) -> None:
        """Close the sockets, whatever the stage; let go of what leads back here."""
        conversation, self._conversation = self._conversation, None
        if conversation is not None:
            conversation.finished(now)
        self._let_go_of_others()
        session, self._session = self._session, None
        if session is not None:
            session.let_go()

    def _let_go_of_others(self) -> None:
        for session in self._others:
            session.let_go()
        self._others.clear()
