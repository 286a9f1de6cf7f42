"""What agents over HTTP do wrong on purpose, as their callers see it."""

import json
import ssl

import httpx
import pytest
import trio
from http_callers import A2A, AT_ONCE, HTTP_CHAT, assistant, client_of, events_in, message_03, rpc, stream, user
from reference_callers import PATIENCE_S

CHAT_BODY = {"messages": [user("hello")]}
WHOLE = [
    ((HTTP_CHAT,), "/chat", CHAT_BODY),
    ((HTTP_CHAT,), "/v1/responses", {"model": "m", "input": "hello"}),
    ((HTTP_CHAT, "--template"), "/chat", {"data": {"history": [user("hello")], "latest": "hello"}}),
    ((A2A, "--a2a-reply=task"), "/a2a", rpc("message/send", message_03("hello"))),
]
STREAMED = [
    ((HTTP_CHAT, "--stream"), "/chat", CHAT_BODY | {"stream": True}),
    ((HTTP_CHAT, "--stream"), "/v1/responses", {"model": "m", "input": "hello", "stream": True}),
    ((A2A, "--stream", "--a2a-reply=artifact"), "/a2a", rpc("message/stream", message_03("hello"))),
]
QUICK = (AT_ONCE, "--chunks=4", "--chunk-gap=0ms")
whole = pytest.mark.parametrize(("arguments", "path", "body"), WHOLE)
streamed = pytest.mark.parametrize(("arguments", "path", "body"), STREAMED)
either = pytest.mark.parametrize(("arguments", "path", "body"), WHOLE + STREAMED)


async def asked(agent_here, kind, arguments, path, body):
    """The answer of an agent that misbehaves each time; checks that it stamped so, and no reply."""
    async with agent_here(*arguments, *QUICK, f"--misbehave={kind}") as agent, client_of(agent) as client:
        answer = await client.post(path, json=body)
    assert [stamp["kind"] for stamp in agent.stamped("misbehaved")] == [kind]
    assert len(agent.stamped("message_in")) == 1
    return answer


@either
@pytest.mark.parametrize("status", [401, 429, 500])
async def test_a_status(agent_here, status, arguments, path, body):
    answer = await asked(agent_here, f"status-{status}", arguments, path, body)
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == ("1" if status == 429 else None)


async def test_a_share_of_the_requests_whichever_connection_they_come_by(agent_here):
    async with agent_here(HTTP_CHAT, AT_ONCE, "--misbehave=status-500:0.5") as agent:
        statuses = []
        for _ in range(2):
            async with client_of(agent) as client:
                statuses += [(await client.post("/chat", json=CHAT_BODY)).status_code for _ in range(3)]
    assert statuses == [200, 500] * 3


async def test_a_card_and_a_session_are_no_part_of_the_share(agent_here):
    async with agent_here(A2A, AT_ONCE, "--oauth", "--misbehave=status-500:0.5") as agent, client_of(agent) as client:
        await client.get("/.well-known/agent-card.json")
        token = (await client.post("/oauth/token", data=agent.metadata["initialization_payload"])).json()
        client.headers["Authorization"] = f"Bearer {token['access_token']}"
        assert (await client.post("/a2a", json=rpc("message/send", message_03("a")))).status_code == 200
        assert (await client.post("/a2a", json=rpc("message/send", message_03("a")))).status_code == 500


@pytest.mark.parametrize(("arguments", "path", "body"), [WHOLE[0], WHOLE[3]])
async def test_silence(agent_here, arguments, path, body):
    async with agent_here(*arguments, AT_ONCE, "--misbehave=silence") as agent, client_of(agent) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(path, json=body, timeout=0.1)
    assert [stamp["kind"] for stamp in agent.stamped("misbehaved")] == ["silence"]


@either
async def test_garbage(agent_here, arguments, path, body):
    answer = await asked(agent_here, "garbage", arguments, path, body)
    assert answer.status_code == 200
    with pytest.raises(UnicodeDecodeError):
        answer.content.decode()


@whole
async def test_half_of_the_json(agent_here, arguments, path, body):
    answer = await asked(agent_here, "half-json", arguments, path, body)
    assert answer.headers["content-type"] == "application/json"
    assert answer.text.startswith("{")
    with pytest.raises(json.JSONDecodeError):
        answer.json()


@streamed
async def test_half_of_the_json_of_each_event(agent_here, arguments, path, body):
    answer = await asked(agent_here, "half-json", arguments, path, body)
    assert answer.text.endswith("\n\n")
    with pytest.raises(json.JSONDecodeError):
        events_in(answer.text)


@either
async def test_a_page_instead_of_json(agent_here, arguments, path, body):
    answer = await asked(agent_here, "wrong-content-type", arguments, path, body)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.text.startswith("<!DOCTYPE html>")


@either
async def test_no_text_where_it_should_be(agent_here, arguments, path, body):
    answer = await asked(agent_here, "bad-path", arguments, path, body)
    for value in events_in(answer.text) if "--stream" in arguments else [answer.json()]:
        assert not keys_in(value) & {"content", "text", "parts", "delta"}
    assert "elsewhere" in answer.text


def keys_in(value):
    """All keys, however deep."""
    if isinstance(value, list):
        return set().union(*map(keys_in, value))
    if isinstance(value, dict):
        return set(value) | keys_in(list(value.values()))
    return set()


@either
async def test_a_connection_reset_in_the_middle(agent_here, arguments, path, body):
    async with agent_here(*arguments, *QUICK, "--misbehave=drop") as agent, client_of(agent) as client:
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await client.post(path, json=body)
    assert [stamp["kind"] for stamp in agent.stamped("misbehaved")] == ["drop"]


@pytest.mark.parametrize(("arguments", "path", "body"), [WHOLE[0], STREAMED[0]])
async def test_half_an_answer_comes_before_the_reset(agent_here, arguments, path, body):
    async with agent_here(*arguments, *QUICK, "--no-tls", "--misbehave=drop") as agent, await agent.connect() as tcp:
        payload = json.dumps(body).encode()
        await tcp.send_all(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(payload)))
        await tcp.send_all(payload)
        back = b""
        with trio.fail_after(PATIENCE_S), pytest.raises(trio.BrokenResourceError):
            while True:
                back += await tcp.receive_some()
                assert back
    assert b"You said" not in back or "--stream" in arguments
    head, _, rest = back.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert rest
    assert not rest.endswith((b"0\r\n\r\n", b"}"))


@streamed
async def test_a_stream_that_stops_half_way(agent_here, arguments, path, body):
    answer = await asked(agent_here, "half-stream", arguments, path, body)
    events, _, rest = answer.text.rpartition("\n\n")
    assert len(events_in(events)) > 0
    assert rest
    for ending in ("[DONE]", 'finish_reason":"stop', "response.completed", '"final":true'):
        assert ending not in answer.text


async def test_half_a_stream_needs_a_stream(agent_here):
    misbehaving = agent_here(HTTP_CHAT, "--stream", AT_ONCE, "--misbehave=half-stream")
    async with misbehaving as agent, client_of(agent) as client:
        assert (await client.post("/chat", json=CHAT_BODY)).status_code == 200
    assert agent.stamped("misbehaved") == []


async def test_slow_loris(agent_here):
    async with (
        agent_here(HTTP_CHAT, AT_ONCE, "--no-tls", "--misbehave=slow-loris") as agent,
        await agent.connect() as tcp,
    ):
        payload = json.dumps(CHAT_BODY).encode()
        await tcp.send_all(b"POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(payload), payload))
        with trio.fail_after(PATIENCE_S):
            assert [await tcp.receive_some(100) for _ in range(2)] == [b"H", b"T"]


@pytest.mark.parametrize(("arguments", "path", "body"), WHOLE[:2])
async def test_no_choices(agent_here, arguments, path, body):
    answer = (await asked(agent_here, "empty-choice", arguments, path, body)).json()
    assert answer["output" if path == "/v1/responses" else "choices"] == []


async def test_no_choices_in_a_stream(agent_here):
    chunks = events_in((await asked(agent_here, "empty-choice", *STREAMED[0])).text)
    assert all(chunk["choices"] == [] for chunk in chunks[:-1])
    assert chunks[-1] == "[DONE]"


async def test_no_output_in_a_streamed_response(agent_here):
    events = events_in((await asked(agent_here, "empty-choice", *STREAMED[1])).text)
    assert [event["type"] for event in events] == ["response.created", "response.completed"]
    assert events[-1]["response"]["output"] == []


async def test_tool_calls_without_end(agent_here):
    arguments = (AT_ONCE, "--misbehave=endless-tool-call:0.5")
    async with agent_here(HTTP_CHAT, *arguments) as agent, client_of(agent) as client:
        told = (await client.post("/chat", json=CHAT_BODY)).json()["choices"][0]["message"]
        messages = [user("hello")]
        for _ in range(4):
            message = (await client.post("/chat", json={"messages": messages})).json()["choices"][0]["message"]
            result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "{}"}
            messages += [message, result]
    assert told == assistant("You said: hello")
    assert len({item["tool_call_id"] for item in messages if item["role"] == "tool"}) == 4


@pytest.mark.parametrize("stream_it", [False, True])
async def test_an_error_of_the_rpc(agent_here, stream_it):
    arguments, path, body = STREAMED[2] if stream_it else WHOLE[3]
    answer = await asked(agent_here, "rpc-error", arguments, path, body)
    (said,) = events_in(answer.text) if stream_it else [answer.json()]
    assert (answer.status_code, said["id"], said["error"]["code"]) == (200, 1, -32603)


@pytest.mark.parametrize("reply_in", ["message", "task", "artifact"])
async def test_a_task_that_fails(agent_here, reply_in):
    arguments = (A2A, f"--a2a-reply={reply_in}")
    answer = await asked(agent_here, "task-failed", arguments, "/a2a", rpc("message/send", message_03("hello")))
    task = answer.json()["result"]
    assert task["status"]["state"] == "failed"
    assert task["status"]["message"]["parts"][0]["text"] == "told to fail"
    assert "artifacts" not in task


async def test_a_task_that_fails_in_a_stream(agent_here):
    *_, done = events_in((await asked(agent_here, "task-failed", *STREAMED[2])).text)
    assert (done["result"]["kind"], done["result"]["status"]["state"]) == ("status-update", "failed")


async def test_a_task_that_fails_when_it_is_asked_for(agent_here):
    arguments = ("--a2a-reply=task", "--a2a-pending=3", "--misbehave=task-failed:0.5")
    async with agent_here(A2A, AT_ONCE, *arguments) as agent, client_of(agent) as client:
        task = (await client.post("/a2a", json=rpc("message/send", message_03("hello")))).json()["result"]
        got = (await client.post("/a2a", json=rpc("tasks/get", {"id": task["id"]}))).json()["result"]
    assert (task["status"]["state"], got["status"]["state"]) == ("working", "failed")


SETUPS = [((HTTP_CHAT, "--initialization"), "/sessions"), ((A2A, "--oauth"), "/oauth/token")]


@pytest.mark.parametrize(("arguments", "path"), SETUPS)
@pytest.mark.parametrize("kind", ["setup-500", "setup-garbage"])
async def test_a_failing_setup(agent_here, arguments, path, kind):
    async with agent_here(*arguments, f"--misbehave={kind}:0.5") as agent, client_of(agent) as client:
        payload = agent.metadata["initialization_payload"]
        given = {"data": payload} if "--oauth" in arguments else {"json": payload}
        good, bad = await client.post(path, **given), await client.post(path, **given)
    assert good.json().keys() & {"sessionId", "access_token"}
    if kind == "setup-500":
        assert bad.status_code == 500
    else:
        with pytest.raises(json.JSONDecodeError):
            bad.json()


@pytest.mark.parametrize("model_type", [HTTP_CHAT, A2A])
async def test_refusing_everybody(agent_here, model_type):
    async with agent_here(model_type, "--misbehave=refuse") as agent:
        with pytest.raises(OSError, match="attempts to connect"):
            await agent.connect()


@pytest.mark.parametrize("model_type", [HTTP_CHAT, A2A])
async def test_broken_tls(agent_here, model_type):
    async with agent_here(model_type, "--misbehave=tls-broken") as agent, await agent.connect() as tcp:
        with trio.fail_after(PATIENCE_S), pytest.raises(trio.BrokenResourceError) as broken:
            await trio.SSLStream(tcp, agent.trust, server_hostname="127.0.0.1").do_handshake()
        assert isinstance(broken.value.__cause__, ssl.SSLError)


async def test_the_next_request_of_a_connection_is_answered_as_if_nothing_was(agent_here):
    async with agent_here(HTTP_CHAT, AT_ONCE, "--misbehave=bad-path:0.5") as agent, client_of(agent) as client:
        events = [await stream(client, "/chat", CHAT_BODY | {"stream": True}) for _ in range(3)]
    assert ["elsewhere" in str(each) for each in events] == [False, True, False]
    assert {stamp["connection"] for stamp in agent.stamped("message_in")} == {0}
