"""Agents that can't be reached for a while, dialled again as the plan allows; connections given up for their age."""

import socket
import ssl
from collections import Counter
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
import trio
import trio_websocket
import trustme
from gates import AWAY_S, EXACT, OFTEN, _open_after, away, gate_to, nobody, plan_to, repeats, says
from http_agent import A2A, HTTP_CHAT, on_http
from in_process import Call, chat_plan, on_the_line, on_the_port, plan_for, run


@pytest.fixture
def refusing():
    taken, where = nobody()
    with taken:
        yield where


both_ways = pytest.mark.parametrize("medium", ["websocket", "http"])


# Where nobody is at first


@both_ways
async def test_one_that_comes_back_is_reached(virtual_time, tmp_path, medium):
    async with away(medium) as plan:
        ran = await run(plan | {"reconnect": OFTEN}, tmp_path / "run")
    assert ran.row["outcome"] == "completed", ran.error
    assert ran.said == [("user", "hello"), ("assistant", "you said hello")]
    assert ran.summary["counters"]["reconnects"] >= AWAY_S / 0.4
    measured = ran.row["metrics"]
    assert measured["connect_time"] == pytest.approx(0, abs=EXACT)
    assert AWAY_S <= measured["scheduled_connect_time"] <= AWAY_S + 0.4 + EXACT
    assert ran.summary["metrics"]["connect_time"]["count"] == 1


@both_ways
async def test_without_a_word_in_the_plan_one_dial_is_all(virtual_time, tmp_path, refusing, medium):
    ran = await run(plan_to(medium, refusing), tmp_path / "run")
    assert (ran.error["kind"], ran.error["stage"]) == ("connection_refused", "connect")
    assert "attempts" not in ran.error["message"]
    assert ran.summary["counters"]["reconnects"] == 0
    assert ran.lasted == pytest.approx(0, abs=EXACT)


@both_ways
async def test_one_that_is_never_there(virtual_time, tmp_path, refusing, medium):
    plan = plan_to(medium, refusing, reconnect={"attempts": 3, "first": "1s"})
    ran = await run(plan, tmp_path / "run")
    assert (ran.error["kind"], ran.error["stage"]) == ("connection_refused", "connect")
    assert ran.error["message"].startswith("Connection refused")
    assert ran.error["message"].endswith(": given up after 4 attempts")
    assert ran.summary["counters"]["reconnects"] == 3
    assert 0 < ran.lasted <= 1 + 2 + 4
    assert "connect_time" not in ran.row["metrics"]


async def test_waits_come_of_the_seed_and_are_each_callers_own(virtual_time, tmp_path, refusing):
    lasted = []
    for number, seed in enumerate((7, 7, 8)):
        plan = plan_to("websocket", refusing, reconnect={"first": "2s"}, seed=seed, load={"concurrency": 5})
        ran = await run(plan, tmp_path / str(number))
        lasted.append(sorted(row["ended_at"] - row["started_at"] for row in ran.rows))
    assert lasted[0] == pytest.approx(lasted[1], abs=EXACT)
    assert lasted[0] != pytest.approx(lasted[2], abs=0.01)
    assert len({round(seconds, 3) for seconds in lasted[0]}) == 5


@pytest.mark.parametrize(("model_type", "path"), [(HTTP_CHAT, "/init"), (A2A, "/init"), (A2A, None)])
async def test_what_comes_before_the_conversation_is_asked_again(virtual_time, tmp_path, model_type, path):
    async def knows_nothing(asked):
        if asked.path.startswith("/.well-known"):
            await asked.answer({}, status=404)
        elif asked.path == "/init":
            await says(asked)
        else:
            await asked.answer({}, status=400)

    async with on_http(says if model_type == HTTP_CHAT else knows_nothing) as agent, gate_to(agent.url) as gate:
        gate.nursery.start_soon(_open_after, gate, AWAY_S)
        metadata = {"chat_endpoint": f"http://{gate.where}/chat"}
        if path:
            metadata["initialization_endpoint"] = f"http://{gate.where}{path}"
        ran = await run(plan_for(model_type, metadata, ["hello"], reconnect=OFTEN), tmp_path / "run")
    assert ran.summary["counters"]["reconnects"] >= AWAY_S / 0.4
    assert ran.error is None or ran.error["stage"] == "conversation"
    if model_type == HTTP_CHAT:
        assert ran.row["metrics"]["setup_time"] == pytest.approx(0, abs=EXACT)
        assert ran.row["metrics"]["scheduled_setup_time"] >= AWAY_S


async def test_the_request_for_a_websocket_is_asked_again(virtual_time, tmp_path):
    async with on_the_line(repeats) as endpoint, on_http(says) as agent, gate_to(agent.url) as gate:
        gate.nursery.start_soon(_open_after, gate, AWAY_S)
        plan = chat_plan(None, "hello", reconnect=OFTEN)
        plan["agents"][0]["metadata"] |= {
            "connection_mode": "http_first",
            "http_url": f"http://{gate.where}/sessions",
            "http_headers": {"X-To": endpoint},
            "websocket_url_response_path": "url",
        }
        ran = await run(plan, tmp_path / "run")
    assert ran.row["outcome"] == "completed", ran.error
    assert ran.row["metrics"]["scheduled_setup_time"] >= AWAY_S


async def test_in_the_set_up_an_agent_that_is_never_there_is_given_up(virtual_time, tmp_path, refusing):
    metadata = {"chat_endpoint": f"http://{refusing}/", "initialization_endpoint": f"http://{refusing}/init"}
    ran = await run(plan_for(HTTP_CHAT, metadata, ["a"], reconnect={"attempts": 2}), tmp_path / "run")
    assert (ran.error["kind"], ran.error["stage"]) == ("setup_failed", "setup")
    assert "Connection refused" in ran.error["message"]
    assert ran.error["message"].endswith(": given up after 3 attempts")


async def test_who_shares_a_failure_tries_again_as_well(virtual_time, tmp_path, refusing):
    """An agent card is asked for once, and a name looked up once, for all who wait for it."""
    sections = {"reconnect": {"attempts": 2}, "load": {"concurrency": 5}}
    ran = await run(plan_for(A2A, {"chat_endpoint": f"http://{refusing}/"}, ["a"], **sections), tmp_path / "card")
    assert ran.summary["counters"]["reconnects"] == 5 * 2
    trio.socket.set_custom_hostname_resolver(Names(1000, takes_s=1.0))
    ran = await run(plan_to("websocket", "agent.example:9", **sections), tmp_path / "name")
    assert ran.summary["errors"] == {"dns_failed": 5}
    assert ran.summary["counters"]["reconnects"] == 5 * 2


# Refused upgrades


@asynccontextmanager
async def refuses_first(*statuses, **headers):
    """A chat agent that answers the first upgrades with these, and takes every later one; gives when each came."""
    came, pending = [], list(statuses)

    async def take(request):
        came.append(trio.current_time())
        if pending:
            named = [(name.replace("_", "-"), value.encode()) for name, value in headers.items()]
            await request.reject(pending.pop(0), extra_headers=named, body=b"busy")
            return
        with suppress(trio_websocket.ConnectionClosed):
            await repeats(Call(await request.accept(), request.path, {}))

    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(trio_websocket.serve_websocket, take, "127.0.0.1", 0, None))
        yield f"ws://127.0.0.1:{server.port}", came
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("statuses", "kind"), [((503, 500), "upgrade_refused"), ((429, 429), "rate_limited")])
async def test_an_agent_that_says_when_is_left_alone_until_then(virtual_time, tmp_path, statuses, kind):
    async with refuses_first(*statuses, retry_after="4") as (endpoint, came):
        plan = chat_plan(endpoint, "hello", reconnect={"attempts": 2, "first": "1s", "most": "10s"})
        ran = await run(plan, tmp_path / "run")
        assert ran.row["outcome"] == "completed", ran.error
        assert ran.summary["counters"]["reconnects"] == 2
        assert 4 - EXACT <= came[1] - came[0] <= 5 + EXACT
        assert 4 - EXACT <= came[2] - came[1] <= 6 + EXACT
    async with refuses_first(*statuses) as (endpoint, came):
        plan = chat_plan(endpoint, "hello", reconnect={"attempts": 1, "first": "1s"})
        ran = await run(plan, tmp_path / "refused")
    assert ran.error["kind"] == kind
    assert ran.error["message"].endswith("given up after 2 attempts")
    assert came[1] - came[0] <= 1 + EXACT


async def test_it_may_not_ask_for_more_than_the_longest_wait(virtual_time, tmp_path):
    async with refuses_first(503, retry_after="3600") as (endpoint, came):
        ran = await run(chat_plan(endpoint, "hello", reconnect={"most": "5s"}), tmp_path / "run")
    assert ran.row["outcome"] == "completed", ran.error
    assert came[1] - came[0] == pytest.approx(5, abs=EXACT)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 301])
async def test_what_would_be_refused_again_is_not_asked_again(virtual_time, tmp_path, status):
    async with refuses_first(status) as (endpoint, came):
        ran = await run(chat_plan(endpoint, "hello", reconnect={}), tmp_path / "run")
    assert ran.row["outcome"] == "failed"
    assert "attempts" not in ran.error["message"]
    assert (len(came), ran.summary["counters"]["reconnects"]) == (1, 0)


async def test_one_that_hangs_up_later_is_not_dialled_again(virtual_time, tmp_path, chat_with):
    async def hangs_up(call):
        await call.hear()
        await call.hang_up(1012)

    ran = await chat_with(hangs_up, "hello", reconnect={})
    assert ran.error["kind"] == "connection_closed"
    assert ran.summary["counters"]["reconnects"] == 0


# Names and TLS


class Names(trio.abc.HostnameResolver):
    """Knows no name at first, then one address for each; `asked` counts the questions."""

    def __init__(self, failures, ip="127.0.0.1", takes_s=0.0):
        self.failures, self.ip, self.takes_s, self.asked = failures, ip, takes_s, 0

    async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):  # noqa: A002
        self.asked += 1
        await trio.sleep(self.takes_s)
        if self.asked <= self.failures:
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (self.ip, port))]

    async def getnameinfo(self, sockaddr, flags):
        raise NotImplementedError


async def test_a_name_that_is_known_later(virtual_time, tmp_path):
    trio.socket.set_custom_hostname_resolver(Names(2))
    async with on_the_line(repeats) as endpoint:
        plan = chat_plan(endpoint.replace("127.0.0.1", "agent.example"), "hello", reconnect={})
        ran = await run(plan, tmp_path / "run")
    assert ran.row["outcome"] == "completed", ran.error
    assert ran.summary["counters"]["reconnects"] == 2


@both_ways
async def test_a_name_that_leads_to_a_private_address_is_no_matter_of_time(virtual_time, tmp_path, medium):
    trio.socket.set_custom_hostname_resolver(names := Names(0, "10.0.0.1"))
    plan = plan_to(medium, "agent.example:9", reconnect={}, targets={"allow_plaintext": True})
    ran = await run(plan, tmp_path / "run")
    assert ran.error["kind"] == "dns_failed"
    assert (names.asked, ran.summary["counters"]["reconnects"]) == (1, 0)


async def test_a_wrong_certificate_is_no_matter_of_time(virtual_time, tmp_path):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    async def shows_it(stream):
        with suppress(trio.BrokenResourceError):
            await trio.SSLStream(stream, context, server_side=True).do_handshake()

    async with on_the_port(shows_it) as where:
        plan = plan_for(HTTP_CHAT, {"chat_endpoint": f"https://{where}/"}, ["a"], reconnect={})
        ran = await run(plan, tmp_path / "run")
    assert ran.error["kind"] == "tls_failed"
    assert "tls.ca_file" in ran.error["message"]
    assert ran.summary["counters"]["reconnects"] == 0


async def test_nor_is_a_port_that_speaks_no_tls(virtual_time, tmp_path):
    async def speaks_plainly(stream):
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with on_the_port(speaks_plainly) as where:
        plan = plan_for(HTTP_CHAT, {"chat_endpoint": f"https://{where}/"}, ["a"], reconnect={})
        ran = await run(plan, tmp_path / "run")
    assert (ran.error["kind"], ran.summary["counters"]["reconnects"]) == ("tls_failed", 0)


@pytest.mark.parametrize("scheme", ["wss", "https"])
async def test_a_hang_up_in_the_handshake_is(virtual_time, tmp_path, scheme):
    dials = Counter()

    async def hangs_up(stream):
        dials["came"] += 1
        await stream.receive_some()

    async with on_the_port(hangs_up) as where:
        if scheme == "wss":
            plan = chat_plan(f"wss://{where}", "a", reconnect={"attempts": 2})
        else:
            plan = plan_for(HTTP_CHAT, {"chat_endpoint": f"https://{where}/"}, ["a"], reconnect={"attempts": 2})
        ran = await run(plan, tmp_path / "run")
    assert ran.error["kind"] == "tls_failed"
    assert ran.error["message"].endswith("given up after 3 attempts")
    assert dials["came"] == 3


# Time


@pytest.mark.parametrize("scheme", ["wss", "https"])
async def test_each_attempt_has_the_whole_of_its_time(virtual_time, tmp_path, scheme):
    async def says_nothing(stream):
        await trio.sleep_forever()

    sections = {"timeouts": {"connect": "7s"}, "reconnect": {"attempts": 2, "first": "1s"}}
    async with on_the_port(says_nothing) as where:
        if scheme == "wss":
            plan = chat_plan(f"wss://{where}", "a", **sections)
        else:
            plan = plan_for(HTTP_CHAT, {"chat_endpoint": f"https://{where}/"}, ["a"], **sections)
        ran = await run(plan, tmp_path / "run")
    assert ran.error["kind"] == "connect_timeout"
    assert "within 7 s" in ran.error["message"]
    assert ran.error["message"].endswith("given up after 3 attempts")
    assert 3 * 7 - EXACT <= ran.lasted <= 3 * 7 + 1 + 2 + EXACT


SLOWLY = {"attempts": 1000, "first": "1h", "most": "1h"}


@both_ways
async def test_a_conversation_may_not_take_longer_for_it(virtual_time, tmp_path, refusing, medium):
    plan = plan_to(medium, refusing, reconnect=SLOWLY, timeouts={"simulation": "5s"})
    ran = await run(plan, tmp_path / "run")
    assert (ran.error["kind"], ran.error["stage"]) == ("simulation_timeout", "connect")
    assert ran.lasted == pytest.approx(5, abs=EXACT)


@both_ways
async def test_the_end_of_the_run_ends_the_wait(virtual_time, tmp_path, refusing, medium):
    load = {"concurrency": 3, "duration": "1s"}
    plan = plan_to(medium, refusing, reconnect=SLOWLY, load=load, timeouts={"grace": "2s"})
    ran = await run(plan, tmp_path / "run")
    assert [row["outcome"] for row in ran.rows] == ["cancelled"] * 3
    assert [row["ended_at"] for row in ran.rows] == [pytest.approx(3, abs=0.01)] * 3


# Between turns, over HTTP


async def test_an_agent_that_restarts_between_turns(virtual_time, tmp_path):
    async def restarts(gate, asked):
        await says(asked)
        if asked.said == "one":
            gate.nursery.start_soon(restart, gate)

    async def restart(gate):
        await trio.sleep(0.1)
        gate.close()
        await trio.sleep(AWAY_S)
        await gate.open()

    gates = []
    async with on_http(lambda asked: restarts(gates[0], asked)) as agent, gate_to(agent.url) as gate:
        gates.append(gate)
        await gate.open()
        ran = await run(plan_to("http", gate.where, "one", "two", "three", reconnect=OFTEN), tmp_path / "run")
    assert ran.row["outcome"] == "completed", ran.error
    assert [content for role, content in ran.said if role == "assistant"] == [
        f"you said {text}" for text in ("one", "two", "three")
    ]
    assert ran.summary["counters"]["reconnects"] >= 1
    assert len({asked.connection for asked in agent.asked}) == 2
    assert ran.of_metric("response_latency") == [pytest.approx(0, abs=EXACT)] * 3
    due_s = 0.1 + AWAY_S - 0.5
    assert due_s <= ran.of_metric("scheduled_response_latency")[1] <= due_s + 0.4 + EXACT
    assert ran.summary["metrics"]["connect_time"]["count"] == 2


async def test_and_one_that_does_not_come_back(virtual_time, tmp_path):
    gates = []

    async def leaves(asked):
        await says(asked)
        await trio.sleep(0.1)  # the answer passes the gate
        gates[0].close()

    async with on_http(leaves) as agent, gate_to(agent.url) as gate:
        gates.append(gate)
        await gate.open()
        plan = plan_to("http", gate.where, "one", "two", reconnect={"attempts": 2})
        ran = await run(plan, tmp_path / "run")
    assert (ran.error["kind"], ran.error["stage"], ran.error["turn"]) == ("connection_refused", "conversation", 2)
    assert ran.error["message"].endswith("given up after 3 attempts")


# Age


async def test_a_connection_that_is_too_old_is_replaced(virtual_time, tmp_path):
    turns = [f"turn {number}" for number in range(20)]
    async with on_http(says) as agent:
        plan = plan_to("http", agent.url.removeprefix("http://"), *turns, connections={"most_age": "2s"})
        ran = await run(plan, tmp_path / "run")
    assert ran.row["outcome"] == "completed", ran.error
    asked_at = {}
    for asked in agent.asked:
        asked_at.setdefault(asked.connection, []).append(asked.at)
    spans = [times[-1] - times[0] for times in asked_at.values()]
    assert max(spans) <= 2 * 1.1 + EXACT
    assert min(spans[:-1]) >= 2 * 0.9 - 0.5 - EXACT
    assert 4 <= ran.summary["counters"]["connections_recycled"] == len(spans) - 1
    assert ran.summary["counters"]["requests_resent"] == 0


async def test_without_a_word_in_the_plan_it_is_kept(virtual_time, tmp_path):
    async with on_http(says) as agent:
        turns = [f"turn {number}" for number in range(20)]
        ran = await run(plan_to("http", agent.url.removeprefix("http://"), *turns), tmp_path / "run")
    assert {asked.connection for asked in agent.asked} == {0}
    assert ran.summary["counters"]["connections_recycled"] == 0
