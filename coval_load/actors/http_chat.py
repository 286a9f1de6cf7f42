"""A conversation in text over HTTP: a request for each message, tool calls answered, until the script is through."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

import attrs
import trio

from coval_load.actors.http_asking import HttpAsking
from coval_load.actors.http_reply import Reply
from coval_load.actors.persona import Persona, Say, TestCase
from coval_load.actors.simulation import Simulation
from coval_load.actors.tool_answers import ToolAnswers
from coval_load.actors.transcript import Entry, usage_row
from coval_load.codecs.dialects.http_interface import HttpChatDialect, HttpRequest
from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.events import ToolCallReceived
from coval_load.codecs.templates import TemplateError
from coval_load.engine import metrics
from coval_load.engine.outcome import ErrorKind, SimulationFailed

POLL_S = 0.5
"""Between two questions for a reply that the agent still works on."""


@attrs.define(eq=False)
class HttpChatConversation:
    """The caller's side. `most_tool_rounds` bounds how often in a turn an agent may call tools."""

    simulation: Simulation
    asking: HttpAsking
    dialect: HttpChatDialect
    persona: Persona
    case: TestCase
    most_tool_rounds: int
    _over_at: float = attrs.field(default=0.0, init=False)
    """When the last text of the agent's turn came: the next turn is due from there, however late this task wakes."""
    _tools: ToolAnswers = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._tools = ToolAnswers(self.simulation, self.case)

    async def hold(self) -> None:
        """Take every turn, until the agent ends the conversation. Raises SimulationFailed."""
        due = trio.current_time()
        for number, turn in enumerate(self.case.turns, 1):
            await trio.sleep_until(due)
            assert isinstance(turn.action, Say)  # others are refused before the run
            ended = await self._take(turn.action.text or "", due)
            if ended is not None:
                self._note_end(ended, number)
                return
            due = self._over_at + self.persona.wait_s

    def _note_end(self, reason: str, turn: int) -> None:
        self.simulation.tell("the agent ended the conversation", reason)
        if turn < len(self.case.turns):
            self.simulation.account.count(metrics.ENDED_BY_AGENT)

    async def _take(self, text: str, due: float) -> str | None:
        """One turn. Returns why the agent ended the conversation, None where it did not."""
        simulation = self.simulation
        began_at = trio.current_time()
        request = self._build(partial(self.dialect.say, text, timestamp()))
        simulation.take_turn()
        simulation.transcript.add(Entry("user", text, began_at, began_at))
        turn = _Turn(due, began_at)
        for _ in range(self.most_tool_rounds + 1):
            reply = await self._reply(request, due)
            self._count_tokens(reply)
            turn.add(reply, due, self._note_text(reply, due))
            results = self._note_calls(reply)
            if results is None:
                return self._conclude(turn, reply)
            self.dialect.heard(reply.text or "", True, timestamp())
            request = self._build(partial(self.dialect.give_results, results, timestamp()))
            due = trio.current_time()
        name = reply.tool_calls[0].name[:80]
        raise self._no_text(
            f"the agent still called {name!r} after {self.most_tool_rounds} rounds of results: "
            "raise max_tool_rounds, or look for a loop in the agent"
        )

    async def _reply(self, request: HttpRequest, due: float) -> Reply:
        """The reply, asked for again for as long as the agent works on it."""
        reply = await self.asking.ask(request, due)
        response_s = self.simulation.services.timeouts.response_s
        sent_at = reply.sent_at
        while reply.is_pending:
            if trio.current_time() + POLL_S > sent_at + response_s:
                raise self._no_text(f"after {response_s:g} s the agent still worked on its reply")
            await trio.sleep(POLL_S)
            reply = await self.asking.ask(self._build(self.dialect.ask_again), trio.current_time())
            reply.sent_at = sent_at
        return reply

    def _count_tokens(self, reply: Reply) -> None:
        if reply.usage is not None:
            count = self.simulation.account.count
            count(metrics.INPUT_TOKENS, reply.usage.input_tokens or 0)
            count(metrics.OUTPUT_TOKENS, reply.usage.output_tokens or 0)
            count(metrics.CACHED_TOKENS, reply.usage.cached_tokens or 0)

    def _note_text(self, reply: Reply, due: float) -> Entry | None:
        """Put the text of a reply, whose request was `due`, into the transcript; None where there is none."""
        if reply.text is None:
            return None
        simulation = self.simulation
        entry = simulation.transcript.add(_entry(reply))
        simulation.tell("the agent said", reply.text)
        if reply.is_streamed and reply.first_at is not None:
            ttft_s = reply.first_at - reply.sent_at
            simulation.measures.turn(entry.metrics, metrics.TTFT, ttft_s, late=reply.sent_at - due)
            for gap_s in reply.gaps_s:
                simulation.account.record(metrics.INTER_CHUNK_LATENCY, gap_s)
        return entry

    def _note_calls(self, reply: Reply) -> Sequence[ToolResult] | None:
        """Put tool calls into the transcript, with their results where there is one for each; else None.

        An agent that has ended the conversation waits for none.
        """
        if not reply.tool_calls:
            return None
        self._tools.note_calls(reply.tool_calls, reply.called_at)
        results = self._tools.results_for(reply.tool_calls)
        if results is None or reply.ended is not None:
            return None
        self._tools.note_results(results)
        return results

    def _conclude(self, turn: "_Turn", reply: Reply) -> str | None:
        if reply.text is None and reply.ended is None:
            raise self._unanswered(reply.tool_calls)
        if reply.text is not None:
            self.dialect.heard(reply.text, False, timestamp())
        self._over_at = reply.sent_at if reply.last_at is None else reply.last_at
        if turn.said is not None:
            self.simulation.answered()
            turn.measure(self.simulation, turn.said)
        return reply.ended

    def _unanswered(self, calls: Sequence[ToolCallReceived]) -> SimulationFailed:
        return self._no_text(self._tools.missing(calls) or "the agent answered without any")

    def _build(self, make: Callable[[], HttpRequest]) -> HttpRequest:
        try:
            return make()
        except TemplateError as error:
            raise SimulationFailed(ErrorKind.SETUP_FAILED, str(error)) from error

    def _no_text(self, what: str) -> SimulationFailed:
        return SimulationFailed(ErrorKind.NO_RESPONSE, f"No response received: expected text; {what}")


@attrs.define
class _Turn:
    """What is measured of a turn, which was `due` and `began_at`: from its first request to its last text.

    Of a later request, what passed between when it was due and when it was sent (a wait for the agent's rate limit,
    a new connection) is no time that the agent took: it is counted into the twins alone, as that of the first is.
    `said` is the entry of the last text.
    """

    due: float
    began_at: float
    said: Entry | None = attrs.field(default=None, init=False)
    _sent_at: float | None = attrs.field(default=None, init=False)
    _before_s: float = attrs.field(default=0.0, init=False)
    _late_s: float = attrs.field(default=0.0, init=False)
    _first: "_Text | None" = attrs.field(default=None, init=False)
    _last: "_Text | None" = attrs.field(default=None, init=False)

    def add(self, reply: Reply, due: float, said: Entry | None) -> None:
        """The reply to a request that was `due`, and the entry of its text."""
        if self._sent_at is not None:
            self._before_s += due - self._sent_at
        self._sent_at = reply.sent_at
        self._late_s += reply.sent_at - due
        if said is None:
            return
        assert reply.first_at is not None
        assert reply.last_at is not None
        self.said = said
        self._last = _Text(reply.last_at, self._before_s + reply.last_at - reply.sent_at, self._late_s)
        if self._first is None:
            self._first = _Text(reply.first_at, self._before_s + reply.first_at - reply.sent_at, self._late_s)

    def measure(self, simulation: Simulation, entry: Entry) -> None:
        """All but what each streamed reply has for itself."""
        assert self._first is not None
        assert self._last is not None
        measure = simulation.measures.turn
        measure(entry.metrics, metrics.RESPONSE_LATENCY, self._first.taken_s, late=self._first.late_s)
        measure(entry.metrics, metrics.RESPONSE_TIME, self._last.taken_s, late=self._last.late_s)
        measure(entry.metrics, metrics.TURN_TIME, self._last.at - self.began_at, late=self.began_at - self.due)


@attrs.frozen
class _Text:
    """When a text came, how long the agent took until then, and how late our requests until then were in all."""

    at: float
    taken_s: float
    late_s: float


def _entry(reply: Reply) -> Entry:
    assert reply.first_at is not None
    usage = None if reply.usage is None else usage_row(reply.usage)
    chunks = len(reply.texts) if reply.is_streamed else None
    return Entry("assistant", reply.text, reply.first_at, reply.last_at, chunks=chunks, usage=usage)


def timestamp() -> str:
    """Now, as messages carry it: ISO 8601 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
