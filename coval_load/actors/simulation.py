"""One caller and one agent, from dial to hang-up: the stages, their deadlines, and what is let go at the end."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs
import trio

from coval_load.actors.connector import Connector
from coval_load.actors.handshake import Handshake
from coval_load.actors.hearsay import Hearsay
from coval_load.actors.loss import Loss, worse
from coval_load.actors.measures import Measures
from coval_load.actors.narration import Narrator, message_told
from coval_load.actors.services import Services
from coval_load.actors.transcript import Transcript
from coval_load.codecs.dialects.interface import Dialect
from coval_load.codecs.events import (
    AgentEventReceived,
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
from coval_load.engine.doorbell import Doorbell
from coval_load.engine.link import Link, LinkEnd
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, SimulationFailed, Stage


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


class ConversationMaker(Protocol):
    """Makes the conversation that belongs to a simulation."""

    def __call__(self, simulation: "Simulation", /) -> Conversation: ...


class DialectOpener(Protocol):
    """Opens the dialect of one simulation: `VoiceFormat.open` or `ChatFormat.open`."""

    def __call__(self, values: Mapping[str, Any], /) -> Dialect: ...


@attrs.frozen(kw_only=True)
class Identity:
    """What a simulation's row says it is."""

    simulation_output_id: str
    agent: str
    model_type: str
    test_case: str
    persona: str


@attrs.define(eq=False, kw_only=True)
class Simulation:
    """Composes connector, handshake and conversation; see `engine.runner.Actor`.

    `values` fill the placeholders of the agent's templates. `keeps_transcript`: whether the row holds it.
    """

    identity: Identity
    services: Services
    connector: Connector
    open_dialect: DialectOpener
    make_conversation: ConversationMaker
    values: Mapping[str, Any]
    ready_type: str
    requires_session_id: bool
    handshake_timeout_s: float
    keeps_transcript: bool = True
    narrator: Narrator | None = None
    recording_started_at: float | None = None
    """Where on the Trio clock its recording begins; None where there is none."""

    stage: Stage = attrs.field(default=Stage.QUEUE, init=False)
    bell: Doorbell = attrs.field(factory=Doorbell, init=False)
    transcript: Transcript = attrs.field(factory=Transcript, init=False)
    measures: Measures = attrs.field(init=False)
    hearsay: Hearsay = attrs.field(init=False)
    loss: Loss | None = attrs.field(default=None, init=False)
    close_code: int | None = attrs.field(default=None, init=False)
    """The agent's WebSocket close code, None where it sent none."""
    dialect: Dialect = attrs.field(init=False)
    _handshake: Handshake = attrs.field(init=False)
    _conversation: Conversation | None = attrs.field(default=None, init=False)
    _link: Link | None = attrs.field(default=None, init=False)
    _dialled_at: float = attrs.field(default=math.nan, init=False)
    _late_s: float = attrs.field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self.measures = Measures(self.services.results, self.identity.agent)
        self.hearsay = Hearsay(self.services.results)
        self._handshake = Handshake(self.ready_type, self.requires_session_id, self.handshake_timeout_s, self.bell)

    @property
    def agent(self) -> str:
        """The agent's name, under which its limit is kept."""
        return self.identity.agent

    def tell_wait(self) -> None:
        """Say for how long the agent is waited for."""
        self.tell("waiting for the agent", f"at most {self.services.timeouts.response_s:g} s")

    def tell(self, what: str, detail: str = "", more: str = "") -> None:
        """Tell whoever watches this simulation closely."""
        if self.narrator is not None:
            self.narrator.tell(trio.current_time(), what, detail, more)

    async def run(self, due: float) -> None:
        """From dial to hang-up. Raises SimulationFailed."""
        self._late_s = trio.current_time() - due
        url = await self._set_up(due) if self.connector.asks_first else None
        link = await self._connect(url, trio.current_time() if url else due)
        ready_at = await self._shake_hands(link)
        self.stage = Stage.CONVERSATION
        assert self._conversation is not None
        await self._conversation.hold(link, ready_at)
        await self._close(link)

    async def _set_up(self, due: float) -> str:
        self.stage = Stage.SETUP
        limit = self.services.timeouts.setup_s
        asked_at = trio.current_time()
        self.tell("asking the set-up endpoint", f"{self.connector.options.http_method}")
        with within(limit, lambda: _timed_out(ErrorKind.SETUP_FAILED, "an answer of the set-up endpoint", limit)):
            url = await self.connector.ask(self.values)
        answered_at = trio.current_time()
        self.measures.once(metrics.SETUP_TIME, answered_at - asked_at, late=asked_at - due)
        self.tell("got a WebSocket URL", url.partition("?")[0])
        return url

    async def _connect(self, url: str | None, due: float) -> Link:
        self.stage = Stage.CONNECT
        try:
            self.dialect = self.open_dialect(self.values)
        except TemplateError as error:
            raise SimulationFailed(ErrorKind.SETUP_FAILED, str(error)) from error
        self._conversation = self.make_conversation(self)
        limit = self.services.timeouts.connect_s
        self._dialled_at = dialled_at = trio.current_time()
        self.tell("dialling", (url or self.connector.options.endpoint or "").partition("?")[0])
        with within(limit, lambda: _timed_out(ErrorKind.CONNECT_TIMEOUT, "Timeout connecting to WebSocket", limit)):
            wire, protocol = await self.connector.dial(url, self.values)
        now = trio.current_time()
        self.measures.once(metrics.CONNECT_TIME, now - dialled_at, late=dialled_at - due)
        self.tell("connected", "the WebSocket upgrade was accepted")
        self._link = link = Link(
            wire,
            protocol,
            self.services.reactor,
            on_message=self._message if self.narrator is None else self._message_told,
            on_end=self._ended,
            on_pong=self._pong,
        )
        link.start(now)
        self.services.keepalive.join(link)
        return link

    async def _shake_hands(self, link: Link) -> float:
        self.stage = Stage.HANDSHAKE
        upgraded_at = trio.current_time()
        for message in self.dialect.opening():
            link.send_nowait(message.payload, message.is_text)
            self.tell("sent initialization_json", message.payload[:500].decode("utf-8", "replace"))
        if not self.ready_type:
            return upgraded_at
        self.tell("waiting for the ready message", f"type {self.ready_type!r}")
        session_id = await self._handshake.complete(
            upgraded_at + self.handshake_timeout_s, lambda: self.loss, self._explain_handshake
        )
        ready_at = trio.current_time()
        self.measures.once(metrics.HANDSHAKE_TIME, ready_at - upgraded_at)
        self.tell("the agent is ready", f"session_id {session_id!r}" if session_id is not None else "")
        return ready_at

    def _explain_handshake(self) -> str:
        return self.hearsay.explain() or "nothing of that type came"

    async def _close(self, link: Link) -> None:
        self.stage = Stage.CLOSE
        self.tell("closing", "code 1000")
        with trio.move_on_after(self.services.timeouts.close_s) as scope:
            await link.close(1000)
        if scope.cancelled_caught:
            self.tell("the agent did not answer the close", f"within {self.services.timeouts.close_s:g} s")
        else:
            self.tell("closed", f"code {self.close_code}")

    # What arrives

    def _message(self, payload: bytes, is_text: bool, at: float) -> None:
        self._take_in(self.dialect.decode(payload, is_text), at)

    def _message_told(self, payload: bytes, is_text: bool, at: float) -> None:
        events = self.dialect.decode(payload, is_text)
        self.tell(*message_told(payload, is_text, events))
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
                self.hearsay.captured(event, at)
            case MessageIgnored():
                self.hearsay.ignored(event)
            case Violation():
                self._lose(Loss(SimulationFailed(ErrorKind.INVALID_MESSAGE, event.reason), clean=False, at=at))
            case _:
                pass

    def _pong(self, seconds: float) -> None:
        self.services.results.record(metrics.PING_TIME, seconds)

    def _ended(self, end: LinkEnd) -> None:
        self.close_code = end.close_code
        if self.stage is not Stage.CLOSE:
            code = "no close frame" if end.close_code is None else f"code {end.close_code}"
            self.tell("the connection ended", code)
        self._lose(Loss(end.failure, end.clean, trio.current_time()))

    def _lose(self, loss: Loss) -> None:
        self.loss = worse(self.loss, loss)
        if self._conversation is not None:
            self._conversation.lost(loss)
        self.bell.ring()

    # The end

    def failure_of(self, error: BaseException) -> Failure:
        """What `error` is called in the row; what nobody foresaw is `internal`, and logged."""
        if not isinstance(error, SimulationFailed) or error.kind is ErrorKind.INTERNAL:
            self.services.faults.add(error, f"simulation {self.identity.simulation_output_id}, stage {self.stage}")
        if isinstance(error, SimulationFailed):
            return Failure(error.kind, self.stage, error.message)
        return Failure(ErrorKind.INTERNAL, self.stage, f"coval-load failed: {type(error).__name__}: {error}")

    def finished(self, outcome: Outcome) -> None:
        """Let go of everything; whatever the stage, the socket is closed.

        Also of what leads back here: a simulation that only the garbage collector can free stays for minutes.
        """
        now = trio.current_time()
        if self._conversation is not None:
            self._conversation.finished(now)
        if outcome.status == "completed":
            self.measures.once(metrics.SIMULATION_TIME, now - self._dialled_at, late=self._late_s)
        link = self._link
        if link is not None:
            self.services.keepalive.leave(link)
            link.hang_up()
            count = self.services.results.count
            count(metrics.MESSAGES_SENT, link.messages_sent)
            count(metrics.MESSAGES_RECEIVED, link.messages_received)
            count(metrics.BYTES_SENT, link.bytes_sent)
            count(metrics.BYTES_RECEIVED, link.bytes_received)
        self._conversation = self._link = self.loss = None

    def row(self) -> dict[str, Any]:
        """What stands in `simulations.jsonl`, but for times and outcome."""
        origin = self.services.origin
        return {
            **attrs.asdict(self.identity),
            "worker": 0,
            "recording": None
            if self.recording_started_at is None
            else {
                "file": f"recordings/{self.identity.simulation_output_id}.wav",
                "start": self.recording_started_at - origin,
            },
            "close_code": self.close_code,
            "metrics": dict(self.measures.own),
            "transcript": self.transcript.rows(origin) if self.keeps_transcript else [],
            "events": self.hearsay.rows(origin) if self.keeps_transcript else [],
        }


def _timed_out(kind: ErrorKind, expected: str, seconds: float) -> SimulationFailed:
    if kind is ErrorKind.CONNECT_TIMEOUT:
        return SimulationFailed(
            kind,
            f"{expected}: expected TCP, TLS and the upgrade within {seconds:g} s: check that the host is reachable "
            "and that the agent answers upgrades, or raise timeouts.connect",
        )
    return SimulationFailed(
        kind,
        f"expected {expected} within {seconds:g} s; none came: raise timeouts.setup, or look at the endpoint",
    )
