import attrs
import pytest

from coval_load.actors.connector import Connector
from coval_load.agents.destination import Destination
from coval_load.agents.options.chat_websocket import ChatWebSocketOptions
from coval_load.agents.options.connection import destination
from coval_load.agents.options.websocket import WebSocketOptions
from coval_load.engine.http_answer import Answer, Headers
from coval_load.engine.outcome import ErrorKind, SimulationFailed

VALUES = {"agent": {"team": "blue", "odd": "grün\r\nX-Evil: 1"}, "run_id": "r1", "test_case": {"account": "42"}}


@attrs.define
class Dialler:
    """Keeps what it was told to dial."""

    dialled: list = attrs.field(factory=list)

    async def dial(self, url, headers):
        self.dialled.append((url, list(headers)))
        return "socket", "protocol"


@attrs.define
class Pool:
    """Keeps what it was asked; answers all with the same."""

    asked: list = attrs.field(factory=list)

    async def ask(self, method, url, headers, body, *, most_bytes):
        self.asked.append((method, url, dict(headers), body))
        return Answer(200, Headers([]), 0.0, 0.0, 0, body=b'{"url": "wss://session.example/1"}')


def connector(dialler, http=None, kind=WebSocketOptions, **options):
    return Connector(destination(kind(**options)), dialler, http, lambda url: None)


@pytest.mark.parametrize("kind", [WebSocketOptions, ChatWebSocketOptions])
async def test_the_agents_own_endpoint_with_its_headers(kind):
    dialler = Dialler()
    way = connector(
        dialler,
        kind=kind,
        endpoint="wss://agent.example/talk",
        custom_headers={"X-Team": "{{agent.team}}/{{run_id}}"},
        authorization_header="Bearer t0ken",
    )
    assert way.set_up is None
    assert await way.dial(None, VALUES) == ("socket", "protocol")
    headers = [("X-Team", "blue/r1"), ("Authorization", "Bearer t0ken")]
    assert dialler.dialled == [("wss://agent.example/talk", headers)]


async def test_the_url_of_the_session_goes_first():
    dialler = Dialler()
    await connector(dialler, endpoint="wss://agent.example/talk").dial("wss://session.example/1", VALUES)
    assert dialler.dialled == [("wss://session.example/1", [])]


async def test_fixed_headers_are_sent_as_they_are():
    dialler = Dialler()
    there = Destination("wss://agent.example", {"X-Run": "{{run_id}}"}, {"X-Key": "{{run_id}}"})
    await Connector(there, dialler, None, lambda url: None).dial(None, VALUES)
    assert dialler.dialled == [("wss://agent.example", [("X-Run", "r1"), ("X-Key", "{{run_id}}")])]


def test_no_secret_is_in_the_repr_of_a_destination():
    shown = repr(
        destination(
            WebSocketOptions(
                connection_mode="http_first",
                http_url="https://agent.example",
                http_headers={"X-Key": "hidden"},
                http_request_body={"key": "hidden"},
                websocket_url_response_path="url",
                custom_headers={"X-Key": "hidden"},
                authorization_header="Bearer hidden",
            )
        )
    )
    assert "hidden" not in shown


@pytest.mark.parametrize("value", ["{{agent.odd}}", "{{agent.nobody}}"])
async def test_headers_that_can_not_be_filled_are_not_sent(value):
    dialler = Dialler()
    way = connector(dialler, endpoint="wss://agent.example", custom_headers={"X-Odd": value})
    with pytest.raises(SimulationFailed, match="custom_headers") as caught:
        await way.dial(None, VALUES)
    assert caught.value.kind is ErrorKind.SETUP_FAILED
    assert dialler.dialled == []


async def test_what_is_asked_first_is_filled_too():
    pool = Pool()
    way = connector(
        Dialler(),
        pool,
        connection_mode="http_first",
        http_url="https://127.0.0.1/start",
        http_method="POST",
        http_headers={"X-Run": "{{run_id}}"},
        http_request_body={"account": "{{test_case.account}}"},
        websocket_url_response_path="url",
    )
    assert way.destination.url is None
    assert await way.ask(way.set_up, VALUES) == "wss://session.example/1"
    headers = {"X-Run": "r1", "Content-Type": "application/json"}
    assert pool.asked == [("POST", "https://127.0.0.1/start", headers, b'{"account":"42"}')]
