"""A conversation over HTTP: initialization, a connection, then a request for each message of the caller."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import attrs
import trio

from coval_load.actors.http_answers import is_success, refusal, shown
from coval_load.actors.http_asking import HttpAsking
from coval_load.actors.http_chat import HttpChatConversation
from coval_load.actors.http_secrets import outline, secrets_in, texts_in
from coval_load.actors.http_way import HttpWay
from coval_load.actors.narration import body_told
from coval_load.actors.persona import Persona, TestCase
from coval_load.actors.simulation import Simulation, timed_out
from coval_load.codecs.dialects.http_interface import HttpChatDialect, HttpRequest
from coval_load.codecs.templates import TemplateError
from coval_load.engine import metrics
from coval_load.engine.deadlines import within
from coval_load.engine.outcome import ErrorKind, SimulationFailed, Stage


class HttpDialectOpener(Protocol):
    """Opens the dialect of one simulation: `HttpChatFormat.open`."""

    def __call__(self, values: Mapping[str, Any], discovered: bytes | None = None, /) -> HttpChatDialect: ...


@attrs.define(eq=False, kw_only=True)
class HttpCall:
    """Composes set-up, asking and conversation; see `actors.simulation.Call`. `values` fill the placeholders."""

    simulation: Simulation
    way: HttpWay
    open_dialect: HttpDialectOpener
    persona: Persona
    case: TestCase
    values: Mapping[str, Any]
    _asking: HttpAsking | None = attrs.field(default=None, init=False)
    _given: frozenset[str] = attrs.field(default=frozenset(), init=False, repr=False)

    async def run(self, due: float) -> None:
        """From the initialization to the last reply. Raises SimulationFailed."""
        simulation = self.simulation
        try:
            dialect = await self._set_up(due)
        except TemplateError as error:
            raise SimulationFailed(ErrorKind.SETUP_FAILED, str(error)) from error
        simulation.stage = Stage.CONNECT
        self._asking = asking = HttpAsking(simulation, self.way, dialect, self._given)
        simulation.dialled_at = trio.current_time()
        await asking.connect(due if simulation.measures.own.get(metrics.SETUP_TIME) is None else simulation.dialled_at)
        simulation.stage = Stage.CONVERSATION
        await HttpChatConversation(
            simulation, asking, dialect, self.persona, self.case, self.way.most_tool_rounds
        ).hold()
        simulation.stage = Stage.CLOSE

    async def _set_up(self, due: float) -> HttpChatDialect:
        self.simulation.stage = Stage.SETUP
        discovered = await self.way.redialling.until_reached(self.simulation, self._discover)
        dialect = self.open_dialect(self.values, discovered)
        request = dialect.initialization()
        answer = None
        if request is not None:
            initialize = partial(self._initialize, request, due)
            answer = await self.way.redialling.until_reached(self.simulation, initialize)
        wrong = dialect.initialized(answer)
        if wrong is not None:
            raise SimulationFailed(ErrorKind.SETUP_FAILED, wrong)
        return dialect

    async def _discover(self) -> bytes | None:
        limit = self.simulation.services.timeouts.setup_s
        with within(limit, lambda: timed_out(ErrorKind.SETUP_FAILED, "an answer of the agent's host", limit)):
            return await self.way.discover()

    async def _initialize(self, request: HttpRequest, due: float) -> bytes:
        simulation = self.simulation
        limit = simulation.services.timeouts.setup_s
        asked_at = trio.current_time()
        simulation.tell("asking the initialization endpoint", shown(request), body_told(request.body or b""))
        with within(limit, lambda: timed_out(ErrorKind.SETUP_FAILED, f"an answer from {shown(request)}", limit)):
            answer = await self.way.ask(request)
        simulation.learn(secrets_in(answer.body))
        if not is_success(answer.status):
            raise refusal(request, answer.status, answer.headers, answer.body, in_setup=True)
        self._given = texts_in(answer.body)
        simulation.measures.once(metrics.SETUP_TIME, answer.ended_at - asked_at, late=asked_at - due)
        simulation.tell("the initialization endpoint answered", f"status {answer.status}", outline(answer.body))
        return answer.body

    def finished(self, now: float) -> None:
        """Give back the connection; count what went over it."""
        if self._asking is not None:
            self._asking.finished()
        self._asking = None
