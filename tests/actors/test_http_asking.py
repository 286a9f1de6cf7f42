"""How long a caller waits for an answer over HTTP: counted from what last told it something, and never for ever."""

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from coval_load.actors.hearsay import Hearsay
from coval_load.actors.http_asking import MOST_WAITS, HttpAsking
from coval_load.actors.http_way import HttpWay
from coval_load.actors.measures import Measures
from coval_load.codecs.dialects.http_chat import HttpAgentFormat
from coval_load.engine.http_answer import Answer, Headers
from coval_load.engine.http_connection import StaleConnection
from coval_load.engine.labels import Labels
from coval_load.engine.outcome import ErrorKind, SimulationFailed
from coval_load.engine.plan import Timeouts
from coval_load.engine.results import Results
from coval_load.engine.tally import Account

URL = "https://agent.example/chat"
RESPONSE_S = 2.0
CONNECT_S = 1.0
EXACT = 1e-6
PIECE = b'data: {"choices": [{"delta": {"content": "x"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
COMMENT = b": still there\n\n"
EMPTY = b'data: {"choices": [{"delta": {"content": ""}}]}\n\n'


@attrs.define
class Services:
    results: Results = attrs.field(factory=Results)
    timeouts: Timeouts = attrs.field(factory=lambda: Timeouts(response_s=RESPONSE_S, connect_s=CONNECT_S))


@attrs.define
class Simulation:
    services: Services = attrs.field(factory=Services)
    narrator: None = None
    account: Account = attrs.field(init=False)
    measures: Measures = attrs.field(init=False)
    hearsay: Hearsay = attrs.field(init=False)
    learnt: frozenset = frozenset()

    def __attrs_post_init__(self):
        self.account = self.services.results.account(Labels(agent="agent"))
        self.measures = Measures(self.account)
        self.hearsay = Hearsay(self.account)

    def tell_wait(self):
        pass

    def tell(self, *_):
        pass

    def learn(self, secrets):
        self.learnt |= secrets


@attrs.define(eq=False)
class Connection:
    """Plays `steps`: (seconds to wait, bytes), the first of which come with the head."""

    status: int
    headers: list
    steps: list
    connect_s: float | None = 0.1
    bytes_came: int = 0
    is_stale: bool = False

    async def exchange(self, method, url, headers, body, *, on_head, on_body):
        if self.is_stale:
            raise StaleConnection(ErrorKind.CONNECTION_CLOSED, "gone")
        answer = Answer(self.status, Headers(self.headers), trio.current_time(), 0.0, len(body))
        for number, (seconds, data) in enumerate(self.steps):
            await trio.sleep(seconds)
            if not number:
                on_head(answer)
            self.bytes_came += len(data)
            on_body(data, trio.current_time())
        answer.ended_at = trio.current_time()
        return answer


@attrs.define
class Pool:
    """Gives these connections, one after the other; the last again and again."""

    connections: list
    dial_s: float = 0.0
    idle_first: bool = False
    released: list = attrs.field(factory=list)

    def idle(self, url):
        if self.idle_first:
            self.idle_first = False
            return self._next()
        return None

    async def connect(self, url, *, fresh):
        await trio.sleep(self.dial_s)
        return self._next()

    def release(self, connection):
        self.released.append(connection)

    def _next(self):
        return self.connections.pop(0) if len(self.connections) > 1 else self.connections[0]


def asking(pool, **manners):
    way = HttpWay(pool=pool, endpoint=URL, **manners)
    return HttpAsking(Simulation(), way, HttpAgentFormat(URL).open({}))


async def ask(it):
    """The reply, or the failure; and after how long."""
    began_at = trio.current_time()
    try:
        reply = await it.ask(it.dialect.say("hello", "2025-01-01T00:00:00.000Z"), began_at)
    except SimulationFailed as failed:
        return failed, trio.current_time() - began_at
    return reply, trio.current_time() - began_at


def streaming(*steps):
    return Connection(200, [(b"content-type", b"text/event-stream")], list(steps))


def refusing(status, **headers):
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Connection(status, named, [(0.1, b"{}")])


GAPS = st.floats(0, RESPONSE_S - 0.001)


@given(st.lists(GAPS, min_size=1, max_size=20))
def test_an_agent_that_goes_on_saying_something_is_heard_out(gaps):
    connection = streaming(*((gap, PIECE) for gap in gaps), (0, DONE))
    reply, seconds = trio.run(ask, asking(Pool([connection])), clock=MockClock(autojump_threshold=0))
    assert reply.text == "x" * len(gaps)
    assert seconds == pytest.approx(sum(gaps))


@given(
    st.lists(GAPS, max_size=5), st.lists(st.tuples(GAPS, st.sampled_from([COMMENT, EMPTY, b"", b"\n"])), max_size=20)
)
def test_one_that_says_nothing_more_is_not(gaps, nothings):
    hangs = [(RESPONSE_S + 1, DONE)]
    connection = streaming(*((gap, PIECE) for gap in gaps), *nothings, *hangs)
    failed, seconds = trio.run(ask, asking(Pool([connection])), clock=MockClock(autojump_threshold=0))
    assert failed.kind is ErrorKind.NO_RESPONSE
    assert seconds == pytest.approx(sum(gaps) + RESPONSE_S)
    assert "No response received within 2 s" in failed.message
    assert (f"after {len(gaps)} characters" in failed.message) == bool(gaps)


async def test_a_whole_answer_that_dribbles_in_is_due_as_a_whole(autojump_clock):
    connection = Connection(200, [], [(0.5, b"{"), *[(0.5, b" ")] * 10])
    failed, seconds = await ask(asking(Pool([connection])))
    assert (failed.kind, seconds) == (ErrorKind.NO_RESPONSE, pytest.approx(RESPONSE_S))
    assert "status 200 and 3 bytes came" in failed.message or "status 200 and 4 bytes came" in failed.message


async def test_it_gives_up_to_connect(autojump_clock):
    failed, seconds = await ask(asking(Pool([streaming()], dial_s=60)))
    assert (failed.kind, seconds) == (ErrorKind.CONNECT_TIMEOUT, pytest.approx(CONNECT_S))


async def test_a_stale_connection_is_replaced_once(autojump_clock):
    stale, good = streaming(), streaming((0.5, PIECE + DONE))
    stale.is_stale = True
    pool = Pool([stale, good], idle_first=True)
    it = asking(pool)
    reply, _ = await ask(it)
    assert reply.text == "x"
    assert reply.first_at - reply.sent_at == pytest.approx(0.5)
    assert pool.released == [good]
    failed, _ = await ask(asking(Pool([stale])))
    assert failed.kind is ErrorKind.CONNECTION_CLOSED


@given(st.floats(0, 2 * RESPONSE_S).map(lambda seconds: round(seconds, 3)), st.integers(0, MOST_WAITS + 3))
def test_a_429_is_waited_out_so_often_and_so_long(retry_after, times):
    limited = [refusing(429, retry_after=f"{retry_after}") for _ in range(times)]
    it = asking(Pool([*limited, streaming((0.1, PIECE + DONE))]), honors_retry_after=True)
    reply, seconds = trio.run(ask, it, clock=MockClock(autojump_threshold=0))
    if not times or (retry_after <= RESPONSE_S and times <= MOST_WAITS):
        assert reply.text == "x"
        assert seconds == pytest.approx(times * (0.1 + retry_after) + 0.1)
    else:
        assert reply.kind is ErrorKind.RATE_LIMITED
        assert seconds <= (MOST_WAITS + 1) * (0.1 + RESPONSE_S)


async def test_the_beginning_of_a_refusal_in_tiny_pieces_is_kept(autojump_clock):
    connection = Connection(500, [], [(0, bytes([65 + number % 26])) for number in range(500)])
    failed, _ = await ask(asking(Pool([connection])))
    assert failed.kind is ErrorKind.AGENT_ERROR
    assert "ABCDEFGHIJKLMNOPQRSTUVWXYZABC" in failed.message
