"""The A2A agent, asked over real sockets in the words of both versions."""

import pytest
from http_callers import A2A, AT_ONCE, client_of, events_in, message_03, message_10, rpc

V10 = "--a2a-version=1.0"
HEADER = {"A2A-Version": "1.0"}


async def call(client, method, params, **more):
    answer = await client.post("/a2a", json=rpc(method, params), **more)
    assert answer.status_code == 200
    said = answer.json()
    assert (said["jsonrpc"], said["id"]) == ("2.0", 1)
    return said


async def results(client, method, params):
    answer = await client.post("/a2a", json=rpc(method, params))
    assert answer.headers["content-type"] == "text/event-stream"
    return [event["result"] for event in events_in(answer.text)]


async def send(client, text, **more):
    return (await call(client, "message/send", message_03(text, **more)))["result"]


async def error_code(client, method, params, **more):
    return (await call(client, method, params, **more))["error"]["code"]


async def test_a_message_is_answered_after_the_delay(agent_process):
    async with agent_process(A2A, "--delay=150ms") as agent, client_of(agent) as client:
        first = await send(client, "hello")
        second = await send(client, "bye", contextId=first["contextId"])
    assert (first["kind"], first["role"]) == ("message", "agent")
    assert first["parts"] == [{"kind": "text", "text": "You said: hello"}]
    assert second["contextId"] == first["contextId"]
    assert second["messageId"] != first["messageId"]
    assert "taskId" not in first
    asked, answered = agent.stamped("message_in"), agent.stamped("message_out")
    assert [(stamp["turn"], stamp["text"]) for stamp in asked] == [(1, "hello"), (2, "bye")]
    assert [stamp["turn"] for stamp in answered] == [1, 2]
    assert {stamp["simulation_output_id"] for stamp in asked + answered} == {"sim-1"}
    for question, answer in zip(asked, answered, strict=True):
        assert 0.15 <= answer["at"] - question["at"] < 5


async def test_the_words_of_version_1(agent_here):
    async with agent_here(A2A, AT_ONCE, V10, "--a2a-reply=task") as agent, client_of(agent) as client:
        client.headers.update(HEADER)
        ((kind, task),) = (await call(client, "SendMessage", message_10("hello")))["result"].items()
        got = (await call(client, "GetTask", {"id": task["id"]}))["result"]
        old = await error_code(client, "message/send", message_03("hello"))
        misworded = await error_code(client, "SendMessage", message_03("hello"))
    assert kind == "task"
    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    assert task["status"]["message"]["role"] == "ROLE_AGENT"
    assert task["status"]["message"]["parts"] == [{"text": "You said: hello"}]
    assert "kind" not in task
    assert got == task
    assert (old, misworded) == (-32601, -32602)


async def test_a_message_in_the_words_of_version_1(agent_here):
    async with agent_here(A2A, AT_ONCE, V10) as agent, client_of(agent) as client:
        client.headers.update(HEADER)
        result = (await call(client, "SendMessage", message_10("hello")))["result"]
    assert result["message"]["parts"] == [{"text": "You said: hello"}]


@pytest.mark.parametrize(("version", "code"), [(None, -32009), ("0.3", -32009), ("1.0", None), ("1.0.2", None)])
async def test_version_1_is_to_be_named(agent_here, version, code):
    async with agent_here(A2A, AT_ONCE, V10) as agent, client_of(agent) as client:
        headers = {"A2A-Version": version} if version else {}
        answer = await call(client, "SendMessage", message_10("hello"), headers=headers)
    assert answer.get("error", {}).get("code") == code


async def test_the_reply_in_an_artifact(agent_here):
    async with agent_here(A2A, AT_ONCE, "--a2a-reply=artifact") as agent, client_of(agent) as client:
        task = await send(client, "hello")
    assert (task["kind"], task["status"]["state"]) == ("task", "completed")
    assert "message" not in task["status"]
    assert task["artifacts"][0]["parts"] == [{"kind": "text", "text": "You said: hello"}]
    # What the agent said before the reply stands in the history; the reply does not.
    assert [entry["role"] for entry in task["history"]] == ["user", "agent"]
    assert "You said" not in str(task["history"])


async def test_a_task_that_wants_input_goes_on(agent_here):
    arguments = ("--a2a-reply=task", "--a2a-state=input-required")
    async with agent_here(A2A, AT_ONCE, *arguments) as agent, client_of(agent) as client:
        first = await send(client, "hello")
        second = await send(client, "bye", contextId=first["contextId"], taskId=first["id"])
    assert first["status"]["state"] == second["status"]["state"] == "input-required"
    assert second["id"] == first["id"]
    assert second["status"]["message"]["parts"][0]["text"] == "You said: bye"
    assert [stamp["turn"] for stamp in agent.stamped("message_in")] == [1, 2]


@pytest.mark.parametrize("reply_in", ["task", "artifact"])
async def test_a_task_that_takes_its_time(agent_here, reply_in):
    arguments = (f"--a2a-reply={reply_in}", "--a2a-pending=2")
    async with agent_here(A2A, AT_ONCE, *arguments) as agent, client_of(agent) as client:
        sent = await send(client, "hello")
        got = [(await call(client, "tasks/get", {"id": sent["id"]}))["result"] for _ in range(3)]
    states = [task["status"]["state"] for task in (sent, *got)]
    assert states == ["working", "working", "completed", "completed"]
    assert ["You said: hello" in str(task) for task in (sent, *got)] == [False, False, True, True]
    (said,) = agent.stamped("message_out")
    assert (said["turn"], said["simulation_output_id"]) == (1, "sim-1")
    assert len(agent.stamped("asked_again")) == 3


async def test_ids_are_held_to(agent_here):
    async with agent_here(A2A, AT_ONCE, "--a2a-reply=task") as agent, client_of(agent) as client:
        task = await send(client, "hello")
        other = await send(client, "hello")
        codes = [
            await error_code(client, "message/send", message_03("a", taskId="task-99")),
            await error_code(client, "message/send", message_03("a", taskId=task["id"])),
            await error_code(client, "message/send", message_03("a", contextId="mine")),
            await error_code(client, "message/send", message_03("a", contextId=other["contextId"], taskId=task["id"])),
            await error_code(client, "tasks/get", {"id": "task-99"}),
            await error_code(client, "tasks/get", {}),
        ]
    assert codes == [-32001, -32004, -32602, -32602, -32001, -32602]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"[]", -32600),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "message/send"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "tasks/frobnicate"}', -32601),
        (b'{"jsonrpc": "2.0", "id": 1, "method": ["message/send"]}', -32601),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": []}', -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": {"messageId": 5}}}', -32602),
    ],
)
async def test_calls_that_make_no_sense(agent_here, body, code):
    async with agent_here(A2A) as agent, client_of(agent) as client:
        answer = await client.post("/a2a", content=body)
    assert answer.status_code == 200
    assert answer.json()["error"]["code"] == code
    assert answer.json()["id"] == (1 if code in (-32601, -32602) else None)


@pytest.mark.parametrize("wrong", [{"role": "agent"}, {"parts": []}, {"parts": [{"text": "a"}]}, {"contextId": 5}])
async def test_messages_that_make_no_sense(agent_here, wrong):
    async with agent_here(A2A) as agent, client_of(agent) as client:
        assert await error_code(client, "message/send", message_03("a", **wrong)) == -32602


async def test_a_streamed_message(agent_here):
    async with agent_here(A2A, AT_ONCE, "--stream") as agent, client_of(agent) as client:
        assert agent.metadata["stream"] is True
        (message,) = await results(client, "message/stream", message_03("hello"))
    assert message["parts"][0]["text"] == "You said: hello"


async def test_a_streamed_artifact(agent_here):
    arguments = ("--a2a-reply=artifact", "--a2a-pending=1", "--chunks=3", "--chunk-gap=5ms")
    async with agent_here(A2A, AT_ONCE, *arguments) as agent, client_of(agent) as client:
        task, working, *updates, done = await results(client, "message/stream", message_03("hello"))
        got = (await call(client, "tasks/get", {"id": task["id"]}))["result"]
    assert (task["kind"], task["status"]["state"]) == ("task", "working")
    assert (working["kind"], working["status"]["state"], working["final"]) == ("status-update", "working", False)
    assert "artifacts" not in task
    assert {update["kind"] for update in updates} == {"artifact-update"}
    assert "".join(update["artifact"]["parts"][0]["text"] for update in updates) == "You said: hello"
    assert [(update["append"], update["lastChunk"]) for update in updates] == [
        (False, False),
        (True, False),
        (True, True),
    ]
    assert (done["status"]["state"], done["final"]) == ("completed", True)
    assert got["artifacts"][0]["parts"][0]["text"] == "You said: hello"
    assert [stamp["part"] for stamp in agent.stamped("message_out")] == [0, 1, 2]


async def test_a_streamed_task_in_the_words_of_version_1(agent_here):
    arguments = (V10, "--a2a-reply=task", "--a2a-state=input-required")
    async with agent_here(A2A, AT_ONCE, *arguments) as agent, client_of(agent) as client:
        client.headers.update(HEADER)
        task, done = await results(client, "SendStreamingMessage", message_10("hello"))
    assert task["task"]["status"]["state"] == "TASK_STATE_WORKING"
    status = done["statusUpdate"]["status"]
    assert status["state"] == "TASK_STATE_INPUT_REQUIRED"
    assert status["message"]["parts"] == [{"text": "You said: hello"}]
    assert "final" not in done["statusUpdate"]


async def test_the_agent_card(agent_here):
    async with agent_here(A2A) as agent, client_of(agent) as client:
        card = (await client.get("/.well-known/agent-card.json")).json()
        lost = await client.get("/.well-known/agent.json")
    assert (card["protocolVersion"], card["url"]) == ("0.3.0", agent.metadata["chat_endpoint"])
    assert card["capabilities"]["streaming"] is True
    assert lost.status_code == 404


async def test_the_agent_card_of_version_1(agent_here):
    async with agent_here(A2A, V10) as agent, client_of(agent) as client:
        card = (await client.get("/.well-known/agent-card.json")).json()
    url = agent.metadata["chat_endpoint"]
    assert card["supportedInterfaces"] == [{"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}]
    assert "url" not in card


async def test_a_token_for_credentials(agent_here):
    async with agent_here(A2A, AT_ONCE, "--oauth") as agent, client_of(agent) as client:
        metadata = agent.metadata
        assert metadata["initialization_content_type"] == "application/x-www-form-urlencoded"
        token_url, credentials = metadata["initialization_endpoint"], metadata["initialization_payload"]
        assert token_url == agent.process.setup_url
        given = (await client.post(token_url, data=credentials)).json()
        refused = [
            await client.post(token_url, data=credentials | {"client_secret": "guessed"}),
            await client.post(token_url, data=credentials | {"grant_type": "password"}),
            await client.post(token_url, json=credentials),
        ]
        body = rpc("message/send", message_03("hello"))
        without = await client.post("/a2a", json=body)
        guessed = await client.post("/a2a", json=body, headers={"Authorization": "Bearer guessed"})
        token = {"Authorization": f"Bearer {given['access_token']}"}
        answered = await client.post("/a2a", json=body, headers=token)
    assert (given["token_type"], given["expires_in"]) == ("Bearer", 3600)
    assert [answer.status_code for answer in refused] == [401, 400, 400]
    assert [without.status_code, guessed.status_code, answered.status_code] == [401, 401, 200]


async def test_the_simulation_may_be_named_in_the_metadata(agent_here):
    async with agent_here(A2A, AT_ONCE) as agent, client_of(agent, headers={}) as client:
        params = message_03("hello") | {"metadata": {"simulation_output_id": "sim-7"}}
        context_id = (await call(client, "message/send", params))["result"]["contextId"]
        await send(client, "bye", contextId=context_id)
    assert [stamp["simulation_output_id"] for stamp in agent.stamped("message_in")] == ["sim-7", "sim-7"]
