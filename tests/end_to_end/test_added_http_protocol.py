"""A protocol over HTTP that another package adds: from its entry point to the rows of a run."""

from importlib.metadata import EntryPoint, EntryPoints
from typing import Annotated, ClassVar

import attrs
import pytest
from http_agent import on_http
from in_process import plan_for, rehearse, run

from coval_load.actors import protocols
from coval_load.actors.protocols import AgentProtocol
from coval_load.codecs.dialects.http_interface import HttpRequest
from coval_load.codecs.events import ConversationEnded, ReplyPending, TextReceived, ToolCallReceived, Violation
from coval_load.faults import Faulty
from coval_load.limits import Secret
from coval_load.testing import HttpExample, check_http_dialect
from coval_load.testing.arbitrary import as_read

SMS = "MODEL_TYPE_SMS"


@attrs.frozen(kw_only=True)
class LetterOptions:
    """The least that options over HTTP have, and a key of their own."""

    URLS: ClassVar = {"chat_endpoint": "chat"}

    chat_endpoint: str
    api_key: Annotated[str, Secret()] = ""


@attrs.define
class Letters:
    """Texts are posted as they are, each answer is a line: what it does, and what it says."""

    form: "LetterFormat"
    greeting: str
    heard_so_far: list = attrs.field(factory=list)

    def initialization(self):
        return HttpRequest("PUT", f"{self.form.chat_endpoint}/begun", self.form.headers, b"")

    def initialized(self, answer):
        return None if answer == b"welcome" else f"expected welcome; got {answer!r}"

    def request(self, body):
        return HttpRequest("POST", self.form.chat_endpoint, self.form.headers, as_read(body).encode())

    def say(self, text, timestamp):
        return self.request(f"{self.greeting}|{len(self.heard_so_far)}|{text}")

    def give_results(self, results, timestamp):
        return self.request(";".join(f"{result.name}={result.content}" for result in results))

    def ask_again(self):
        return HttpRequest("GET", f"{self.form.chat_endpoint}/again", self.form.headers)

    def read(self, content_type):
        return LetterReading()

    def heard(self, text, tool_calls, timestamp):
        self.heard_so_far.append(text)


@attrs.define
class LetterReading:
    body: bytearray = attrs.field(factory=bytearray)

    def feed(self, data):
        self.body += data[: 1000 - len(self.body)]
        return ()

    def end(self):
        does, _, rest = self.body.decode(errors="replace").partition(" ")
        match does:
            case "say":
                return [TextReceived(rest)]
            case "bye":
                return [TextReceived(rest), ConversationEnded("bye")]
            case "wait":
                return [ReplyPending()]
            case "call":
                return [ToolCallReceived("1", rest, "{}")]
            case _:
                return [Violation(f"expected say, bye, wait or call; got {does[:20]!r}")]


@attrs.frozen
class LetterFormat:
    chat_endpoint: str
    api_key: str

    @property
    def headers(self):
        return (("Content-Type", "text/plain"), ("X-Key", self.api_key))

    def discovery(self):
        return (HttpRequest("GET", f"{self.chat_endpoint}/greeting", ()),)

    def open(self, values, discovered=None):
        return Letters(self, (discovered or b"Hello").decode(errors="replace"))


def make(options):
    return LetterFormat(options.chat_endpoint, options.api_key)


def check(form):
    return [("api_key", "expected a key; got none")] if not form.api_key else []


LETTERS = AgentProtocol("chat", LetterOptions, make, check, transport="http")


@pytest.fixture(autouse=True)
def is_installed(monkeypatch):
    point = EntryPoint(SMS, f"{__name__}:LETTERS", protocols.ENTRY_POINTS)
    monkeypatch.setattr(protocols, "entry_points", lambda group: EntryPoints([point]).select(group=group))


async def letter(asked, line, status=200):
    await asked.answer(line.encode(), status, "text/plain")


def plan(url, *turns, key="k-0123456789", results=(), **sections):
    """For one agent at `url`."""
    written = plan_for(SMS, {"chat_endpoint": f"{url}/letters", "api_key": key}, turns, **sections)
    written["agents"][0]["phone_number"] = "+12345678901"
    written["test_set"][0]["tool_results"] = list(results)
    return written


async def talk(tmp_path, lines, *turns, simulations=1, results=()):
    """Runs with an agent that answers the posts of each caller with `lines`, one after the other."""
    left = {}

    async def agent(asked):
        if asked.method == "PUT":
            await letter(asked, "welcome")
        elif asked.path.endswith("/greeting"):
            await letter(asked, "Dear agent")
        else:
            await letter(asked, next(left.setdefault(asked.connection, iter(lines))))

    async with on_http(agent) as there:
        load = {"concurrency": simulations, "simulations": simulations}
        ran = await run(plan(there.url, *turns, results=results, load=load), tmp_path / "run")
    return ran, there


def posts(agent):
    return [asked.body.decode() for asked in agent.asked if asked.method == "POST"]


async def test_a_conversation(tmp_path, virtual_time):
    ran, agent = await talk(tmp_path, ["say One", "say Two"], "first", "second")
    assert ran.row["model_type"] == SMS
    assert ran.row["outcome"] == "completed"
    assert ran.said == [("user", "first"), ("assistant", "One"), ("user", "second"), ("assistant", "Two")]
    assert posts(agent) == ["Dear agent|0|first", "Dear agent|1|second"]
    assert len(ran.of_metric("response_latency")) == 2
    assert {asked.headers.get("x-key") for asked in agent.asked if asked.method != "GET"} == {"k-0123456789"}


async def test_discovery_is_shared_and_initialization_is_not(tmp_path, virtual_time):
    ran, agent = await talk(tmp_path, ["say One"] * 9, "first", simulations=3)
    assert ran.summary["counts"]["completed"] == 3
    methods = [asked.method for asked in agent.asked]
    assert (methods.count("GET"), methods.count("PUT"), methods.count("POST")) == (1, 3, 3)


async def test_tools_and_replies_that_take_their_time(tmp_path, virtual_time):
    lines = ["wait", "wait", "call look_up", "bye Done"]
    ran, agent = await talk(tmp_path, lines, "first", "never", results=[{"tool": "look_up", "result": {"n": 7}}])
    assert posts(agent) == ["Dear agent|0|first", 'look_up={"n":7}']
    assert [asked.path for asked in agent.asked].count("/letters/again") == 2
    assert ran.row["transcript"][-1]["content"] == "Done"
    assert ran.row["outcome"] == "completed"
    assert ran.summary["counters"]["ended_by_agent"] == 1


async def test_what_it_can_not_read(tmp_path, virtual_time):
    ran, _ = await talk(tmp_path, ["sing La"], "first")
    assert ran.error["kind"] == "invalid_message"
    assert ran.error["message"] == "expected say, bye, wait or call; got 'sing'"


def test_its_faults_are_told_before_the_run():
    with pytest.raises(Faulty) as caught:
        rehearse(plan("https://agent.example", "first", key=""))
    (fault,) = caught.value.faults
    assert (fault.path, fault.message) == ("agents[0].metadata.api_key", "expected a key; got none")


def test_what_no_agent_over_http_can_do_is_told_before_the_run():
    with pytest.raises(Faulty) as caught:
        rehearse(plan("https://agent.example", {"type": "skip"}, persona={"conversation_initiation": "wait_for_user"}))
    assert {fault.path for fault in caught.value.faults} == {"persona.conversation_initiation", "test_set[0].turns[0]"}


async def test_its_secrets_are_not_written(tmp_path, virtual_time):
    ran, _ = await talk(tmp_path, ["say Your key is k-0123456789"], "first")
    written = b"".join(file.read_bytes() for file in ran.folder.iterdir() if file.is_file())
    assert b"k-0123456789" not in written
    assert ran.said[1] == ("assistant", "Your key is ***")


def test_it_keeps_the_contract():
    check_http_dialect(
        LetterFormat("https://agent.example/letters", "k"),
        {},
        [
            HttpExample(b"say Hi", [TextReceived("Hi")]),
            HttpExample(b"wait", [ReplyPending()]),
            HttpExample(b"call look_up", [ToolCallReceived("1", "look_up", "{}")]),
        ],
        initialization=b"welcome",
        read_text=lambda request: request.body.decode().split("|", 2)[2],
        most_runs=30,
    )
