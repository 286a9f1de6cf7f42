"""One caller's requests: over a pooled connection, within the deadlines, read while the answer arrives."""

from collections.abc import Callable, Iterable
from functools import partial

import attrs
import trio

from coval_load.actors.http_answers import RateLimited, is_success, refusal, shown
from coval_load.actors.http_reply import Reply
from coval_load.actors.http_secrets import secrets_sent
from coval_load.actors.http_way import HttpWay
from coval_load.actors.narration import body_told
from coval_load.actors.simulation import Simulation
from coval_load.codecs.dialects.http_interface import HttpChatDialect, HttpRequest, ReplyReading
from coval_load.codecs.events import AgentEventReceived, Event, MessageIgnored
from coval_load.engine import metrics
from coval_load.engine.deadlines import within
from coval_load.engine.http_connection import Answer, HttpConnection, StaleConnection
from coval_load.engine.outcome import ErrorKind, NotReached, SimulationFailed

MOST_WAITS = 10
"""Times that one request is sent again after a 429, where `honor_retry_after` asks for it."""

_KEPT_OF_A_REFUSAL = 2_000
_KEPT_TO_TELL = 1_000_000


@attrs.define(eq=False)
class HttpAsking:
    """Sends requests to the chat endpoint and reads the answers as `dialect` understands them.

    `given` is what the initialization's answer says: where the first request's headers hold any of it, these are
    secrets of this simulation.
    """

    simulation: Simulation
    way: HttpWay
    dialect: HttpChatDialect
    given: frozenset[str] = attrs.field(default=frozenset(), repr=False)
    _connection: HttpConnection | None = attrs.field(default=None, init=False)
    _requests: int = attrs.field(default=0, init=False)
    _answers: int = attrs.field(default=0, init=False)
    _bytes_sent: int = attrs.field(default=0, init=False)
    _bytes_received: int = attrs.field(default=0, init=False)

    async def connect(self, due: float, *, fresh: bool = False) -> None:
        """Have a connection for the next request, which was due at `due`: an idle one, or a new one.

        Where the plan allows it, an agent that can't be reached is dialled again.
        """
        if self._connection is None and not fresh:
            self._connection = self.way.pool.idle(self.way.endpoint)
        if self._connection is None:
            await self.way.redialling.until_reached(self.simulation, partial(self._dial, due))

    async def _dial(self, due: float) -> None:
        simulation = self.simulation
        limit = simulation.services.timeouts.connect_s
        began_at = trio.current_time()
        with within(limit, lambda: _connect_timeout(self.way.endpoint, limit)):
            self._connection = connection = await self.way.pool.connect(self.way.endpoint, fresh=True)
        assert connection.connect_s is not None
        into = {} if metrics.CONNECT_TIME in simulation.measures.own else simulation.measures.own
        simulation.measures.turn(into, metrics.CONNECT_TIME, connection.connect_s, late=max(began_at - due, 0.0))
        simulation.tell("connected", self.way.endpoint)

    async def ask(self, request: HttpRequest, due: float) -> Reply:
        """The reply to `request`, which was due at `due`. Raises SimulationFailed.

        Where the agent's options ask for it, a 429 is waited out and the request sent again.
        """
        response_s = self.simulation.services.timeouts.response_s
        if self.given:
            self.simulation.learn(secrets_sent(request.headers, self.given))
            self.given = frozenset()
        for _ in range(MOST_WAITS):
            try:
                return await self._ask_once(request, due)
            except RateLimited as limited:
                if not self.way.honors_retry_after or limited.retry_after_s > response_s:
                    raise
                self.simulation.tell("waiting", f"{limited.retry_after_s:g} s, as Retry-After asks")
                self.simulation.account.count(metrics.RATE_LIMIT_WAITS)
                await trio.sleep(limited.retry_after_s)
        return await self._ask_once(request, due)

    async def _ask_once(self, request: HttpRequest, due: float) -> Reply:
        await self.connect(due)
        try:
            return await self._exchange(request)
        except StaleConnection:
            # The agent closed it just as it was taken. Nothing was answered, so it is sent once more.
            self.simulation.tell("the idle connection was gone", "sending again over a new one")
            self.simulation.account.count(metrics.REQUESTS_RESENT)
            await self.connect(due, fresh=True)
            return await self._exchange(request)

    async def _exchange(self, request: HttpRequest) -> Reply:
        connection, self._connection = self._connection, None
        assert connection is not None
        simulation = self.simulation
        response_s = simulation.services.timeouts.response_s
        self._tell_request(request)
        simulation.tell_wait()
        kept = _KEPT_OF_A_REFUSAL if simulation.narrator is None else _KEPT_TO_TELL
        listening = _Listening(self.dialect, Reply(trio.current_time()), self._note, kept)
        self._requests += 1
        with trio.CancelScope(deadline=listening.reply.sent_at + response_s) as scope:
            listening.on_progress = lambda at: setattr(scope, "deadline", at + response_s)
            answer = await connection.exchange(
                request.method,
                request.url,
                request.headers,
                request.body,
                on_head=listening.head,
                on_body=listening.body,
            )
        if scope.cancelled_caught:
            raise listening.no_response(response_s, connection.bytes_came)
        self._answers += 1
        self._bytes_sent += answer.bytes_sent
        self._bytes_received += answer.bytes_received
        self.way.pool.release(connection)
        beginning = bytes(listening.beginning)
        self._tell_answer(answer, beginning)
        if not is_success(answer.status):
            raise refusal(request, answer.status, answer.headers, beginning)
        listening.end(answer.ended_at)
        return listening.reply

    def _note(self, event: Event, at: float) -> None:
        match event:
            case AgentEventReceived():
                self.simulation.hearsay.captured(event, at)
            case MessageIgnored():
                self.simulation.hearsay.ignored(event)
            case _:
                pass

    def _tell_request(self, request: HttpRequest) -> None:
        if self.simulation.narrator is None:
            return
        names = ", ".join(name for name, _ in request.headers)
        self.simulation.tell("sent", f"{shown(request)} ({names})", body_told(request.body or b""))

    def _tell_answer(self, answer: Answer, beginning: bytes) -> None:
        if self.simulation.narrator is not None:
            what = answer.headers.get("content-type", "no content type")
            self.simulation.tell("received", f"status {answer.status}, {what}", body_told(beginning))

    def finished(self) -> None:
        """Give back a connection that was not used; count what went over the others."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self.way.pool.release(connection)
        count = self.simulation.account.count
        count(metrics.MESSAGES_SENT, self._requests)
        count(metrics.MESSAGES_RECEIVED, self._answers)
        count(metrics.BYTES_SENT, self._bytes_sent)
        count(metrics.BYTES_RECEIVED, self._bytes_received)


@attrs.define(eq=False)
class _Listening:
    """One answer while it arrives: called by the connection as its bytes come."""

    dialect: HttpChatDialect
    reply: Reply
    note: Callable[[Event, float], None]
    most_kept: int
    on_progress: Callable[[float], None] = attrs.field(default=lambda _: None, init=False)
    beginning: bytearray = attrs.field(factory=bytearray, init=False)
    _status: int | None = attrs.field(default=None, init=False)
    _came: int = attrs.field(default=0, init=False)
    _reading: ReplyReading | None = attrs.field(default=None, init=False)

    def head(self, answer: Answer) -> None:
        self._status = answer.status
        if is_success(answer.status):
            self._reading = self.dialect.read(answer.headers.get("content-type", ""))

    def body(self, data: bytes, at: float) -> None:
        self._came += len(data)
        if len(self.beginning) < self.most_kept:
            self.beginning += data[: self.most_kept - len(self.beginning)]
        if self._reading is not None:
            events = self._reading.feed(data)
            if events:
                self.on_progress(at)
                self._take(events, at)

    def end(self, at: float) -> None:
        assert self._reading is not None
        self._take(self._reading.end(), at)

    def _take(self, events: Iterable[Event], at: float) -> None:
        for event in events:
            self.note(event, at)
            self.reply.take(event, at)

    def no_response(self, seconds: float, bytes_came: int) -> SimulationFailed:
        """What the deadline of an answer that did not end means; `bytes_came` counts those of its head, too."""
        if self._status is None:
            what = f"{bytes_came} bytes came, but not the whole head of an answer" if bytes_came else "nothing came"
        elif self.reply.is_streamed:
            said = sum(map(len, self.reply.texts))
            what = f"the stream stopped after {said} characters and did not end"
        else:
            what = f"status {self._status} and {self._came} bytes came, but the answer did not end"
        return SimulationFailed(ErrorKind.NO_RESPONSE, f"No response received within {seconds:g} s: {what}")


def _connect_timeout(endpoint: str, seconds: float) -> NotReached:
    return NotReached(
        ErrorKind.CONNECT_TIMEOUT,
        f"Timeout connecting to {endpoint.partition('?')[0]}: expected TCP and TLS within {seconds:g} s: check that "
        "the host is reachable, or raise timeouts.connect",
    )
