"""The chat agent over HTTP, asked over real sockets."""

import httpx
import pytest
from http_callers import AT_ONCE, HTTP_CHAT, SIMULATION, assistant, client_of, stream, user

HISTORY = [user("hello"), assistant("You said: hello"), user("bye")]


async def test_a_message_is_answered_after_the_delay(agent_process):
    async with agent_process(HTTP_CHAT, "--delay=150ms") as agent, client_of(agent) as client:
        assert agent.process.endpoint.endswith("/chat")
        first = await client.post("/chat", json={"messages": [user("hello") | {"timestamp": "2025-01-01T00:00:00Z"}]})
        second = await client.post("/chat", json={"messages": HISTORY})
    assert first.json()["choices"][0]["message"] == assistant("You said: hello")
    assert second.json()["choices"][0]["message"] == assistant("You said: bye")
    asked, answered = agent.stamped("message_in"), agent.stamped("message_out")
    assert [(stamp["turn"], stamp["text"]) for stamp in asked] == [(1, "hello"), (2, "bye")]
    assert [(stamp["turn"], stamp["part"], stamp["parts"]) for stamp in answered] == [(1, 0, 1), (2, 0, 1)]
    assert {stamp["simulation_output_id"] for stamp in asked + answered + agent.stamped("answered")} == {"sim-1"}
    assert {stamp["connection"] for stamp in asked} == {0}
    for question, answer, done in zip(asked, answered, agent.stamped("answered"), strict=True):
        assert 0.15 <= answer["at"] - question["at"] < 5
        assert answer["at"] <= done["at"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
async def test_an_openai_api_wants_its_token_a_model_and_no_timestamps(agent_here, path):
    api = "responses" if path.endswith("responses") else "openai"
    key = "input" if api == "responses" else "messages"
    async with agent_here(HTTP_CHAT, AT_ONCE, f"--api={api}") as agent, client_of(agent) as client:
        assert agent.metadata["chat_endpoint"].endswith(path)
        body = {"model": agent.metadata["model"], key: [user("hello")]}
        refused = [
            await client.post(path, json=body),
            await client.post(path, json=body, headers={"Authorization": "x"}),
        ]
        client.headers["Authorization"] = f"Bearer {agent.metadata['authentication_token']}"
        answered = await client.post(path, json=body)
        without_model = await client.post(path, json={key: [user("hello")]})
        stamped = await client.post(path, json=body | {key: [user("hello") | {"timestamp": "now"}]})
    assert [each.status_code for each in refused] == [401, 401]
    assert [each["status"] for each in agent.stamped("rejected")] == [401, 401]
    assert (answered.status_code, without_model.status_code, stamped.status_code) == (200, 400, 400)
    assert "property timestamp should not exist" in stamped.json()["error"]["message"]


async def test_a_completion(agent_here):
    async with agent_here(HTTP_CHAT, AT_ONCE) as agent, client_of(agent) as client:
        answer = (await client.post("/v1/chat/completions", json={"model": "m", "messages": HISTORY})).json()
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "m"
    (choice,) = answer["choices"]
    assert choice == {"index": 0, "message": assistant("You said: bye"), "finish_reason": "stop"}
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0


async def test_a_response(agent_here):
    async with agent_here(HTTP_CHAT, AT_ONCE) as agent, client_of(agent) as client:
        answer = (await client.post("/v1/responses", json={"model": "m", "input": HISTORY})).json()
        short = (await client.post("/v1/responses", json={"model": "m", "input": "hi"})).json()
    assert (answer["object"], answer["status"]) == ("response", "completed")
    (item,) = answer["output"]
    assert (item["type"], item["role"]) == ("message", "assistant")
    assert item["content"] == [{"type": "output_text", "text": "You said: bye", "annotations": []}]
    assert answer["usage"]["output_tokens"] > 0
    assert short["output"][0]["content"][0]["text"] == "You said: hi"


async def test_a_streamed_completion(agent_here):
    async with agent_here(HTTP_CHAT, AT_ONCE, "--chunks=3", "--chunk-gap=10ms") as agent, client_of(agent) as client:
        body = {"model": "m", "messages": HISTORY, "stream": True, "stream_options": {"include_usage": True}}
        *chunks, usage, done = await stream(client, "/v1/chat/completions", body)
        without_usage = await stream(client, "/chat", {"messages": HISTORY, "stream": True})
    assert done == "[DONE]"
    assert (usage["choices"], usage["usage"]["completion_tokens"] > 0) == ([], True)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    texts = [delta["content"] for delta in deltas if delta.get("content")]
    assert deltas[0]["role"] == "assistant"
    assert (len(texts), "".join(texts)) == (3, "You said: bye")
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * 4 + ["stop"]
    assert all("usage" not in event for event in without_usage if event != "[DONE]")
    out = agent.stamped("message_out")[:3]
    assert [(stamp["part"], stamp["parts"]) for stamp in out] == [(0, 3), (1, 3), (2, 3)]
    assert out[2]["at"] - out[0]["at"] >= 0.02
    assert agent.stamped("answered")[0]["at"] >= out[2]["at"]


async def test_a_streamed_response(agent_here):
    async with agent_here(HTTP_CHAT, AT_ONCE, "--chunks=2", "--chunk-gap=0ms") as agent, client_of(agent) as client:
        answer = await client.post("/v1/responses", json={"model": "m", "input": HISTORY, "stream": True})
        events = await stream(client, "/v1/responses", {"model": "m", "input": HISTORY, "stream": True})
    assert answer.text.startswith("event: response.created\ndata: ")
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert (events[0]["type"], events[-1]["type"]) == ("response.created", "response.completed")
    deltas = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert (len(deltas), "".join(deltas)) == (2, "You said: bye")
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "You said: bye"
    assert events[-1]["response"]["usage"]["total_tokens"] > 0


async def test_a_reply_is_cut_into_no_more_pieces_than_it_has_letters(agent_here):
    async with agent_here(HTTP_CHAT, AT_ONCE, "--chunks=9999", "--chunk-gap=0ms") as agent, client_of(agent) as client:
        await stream(client, "/chat", {"messages": [user("hi")], "stream": True})
    assert len(agent.stamped("message_out")) == len("You said: hi")


def called_in(answer):
    (call,) = answer["choices"][0]["message"]["tool_calls"]
    return call


async def test_tools_are_called_before_the_answer(agent_here):
    async with agent_here(HTTP_CHAT, AT_ONCE, "--tool-rounds=2") as agent, client_of(agent) as client:
        messages = [user("hello")]
        for _ in range(2):
            answer = (await client.post("/chat", json={"messages": messages})).json()
            call = called_in(answer)
            assert answer["choices"][0]["finish_reason"] == "tool_calls"
            assert (call["type"], call["function"]["name"]) == ("function", "lookup_order")
            result = {"role": "tool", "tool_call_id": call["id"], "content": '{"status": "shipped"}'}
            messages += [answer["choices"][0]["message"], result]
        answer = (await client.post("/chat", json={"messages": messages})).json()
        again = (await client.post("/chat", json={"messages": [*messages, assistant("ok"), user("bye")]})).json()
    assert answer["choices"][0]["message"] == assistant("You said: hello")
    assert called_in(again)["id"] != call["id"]
    assert len(agent.stamped("message_in")) == 2
    assert [stamp["round"] for stamp in agent.stamped("tool_result_in")] == [1, 2]
    assert [stamp["turn"] for stamp in agent.stamped("tool_call_out")] == [1, 1, 2]
    assert [stamp["turn"] for stamp in agent.stamped("message_out")] == [1]


async def test_tools_are_called_in_the_responses_format(agent_here):
    async with agent_here(HTTP_CHAT, AT_ONCE, "--tool-rounds=1") as agent, client_of(agent) as client:
        body = {"model": "m", "input": [user("hello")]}
        (call,) = (await client.post("/v1/responses", json=body)).json()["output"]
        assert (call["type"], call["name"]) == ("function_call", "lookup_order")
        body["input"] += [call, {"type": "function_call_output", "call_id": call["call_id"], "output": "{}"}]
        (item,) = (await client.post("/v1/responses", json=body)).json()["output"]
    assert item["content"][0]["text"] == "You said: hello"


async def test_streamed_tool_calls(agent_here):
    async with agent_here(HTTP_CHAT, AT_ONCE, "--tool-rounds=1") as agent, client_of(agent) as client:
        chunks = await stream(client, "/chat", {"messages": [user("hello")], "stream": True})
        events = await stream(client, "/v1/responses", {"model": "m", "input": "hello", "stream": True})
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk != "[DONE]"]
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert {call["index"] for call in calls} == {0}
    assert (calls[0]["id"], calls[0]["function"]["name"]) == ("call_1_1", "lookup_order")
    assert "".join(call["function"]["arguments"] for call in calls) == '{"order_id": "A-1"}'
    pieces = [event["delta"] for event in events if event["type"] == "response.function_call_arguments.delta"]
    assert "".join(pieces) == events[-1]["response"]["output"][0]["arguments"] == '{"order_id": "A-1"}'


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat", {"messages": HISTORY}),
        ("/v1/chat/completions", {"model": "m", "messages": HISTORY}),
        ("/v1/responses", {"model": "m", "input": HISTORY}),
    ],
)
async def test_the_conversation_ends_with_a_turn(agent_here, path, body):
    key = "input" if "input" in body else "messages"
    async with agent_here(HTTP_CHAT, AT_ONCE, "--ends-after=2", "--chunks=1") as agent, client_of(agent) as client:
        first = (await client.post(path, json=body | {key: HISTORY[:1]})).json()
        second = (await client.post(path, json=body)).json()
        events = await stream(client, path, body | {"stream": True})
    assert first.get("status") in (None, "completed")
    assert second["status"] == "ended"
    ends = [event.get("response", event).get("status") for event in events if event != "[DONE]"]
    assert ends[-1] == "ended"
    assert "ended" not in ends[:-1]


async def test_a_session_is_set_up_and_asked_for(agent_here):
    async with agent_here(HTTP_CHAT, AT_ONCE, "--initialization") as agent, client_of(agent, headers={}) as client:
        metadata = agent.metadata
        assert metadata["initialization_endpoint"] == agent.process.setup_url
        assert metadata["custom_headers"] == {
            "X-Simulation-Id": "{{simulation_output_id}}",
            "X-Session-Id": "{{sessionId}}",
            "X-Conversation-Id": "{{init_response.conversation.id}}",
        }
        payload = metadata["initialization_payload"] | {"simulation_output_id": "sim-9"}
        session = (await client.post(metadata["initialization_endpoint"], json=payload)).json()
        headers = {"X-Session-Id": session["sessionId"], "X-Conversation-Id": session["conversation"]["id"]}
        body = {"messages": [user("hello")]}
        refused = [
            await client.post("/chat", json=body, headers=wrong)
            for wrong in ({}, headers | {"X-Session-Id": "?"}, headers | {"X-Conversation-Id": "?"})
        ]
        answered = await client.post("/chat", json=body, headers=headers)
        unreadable = await client.post("/sessions", content=b"{")
    assert [each.status_code for each in (*refused, answered, unreadable)] == [400, 400, 400, 200, 400]
    assert "X-Session-Id" in refused[0].json()["error"]["message"]
    assert agent.stamped("set_up")[0]["simulation_output_id"] == "sim-9"
    # Not named in a header: known from the session.
    assert agent.stamped("message_in")[0]["simulation_output_id"] == "sim-9"


async def test_a_shape_of_its_own(agent_here):
    async with (
        agent_here(HTTP_CHAT, AT_ONCE, "--template", "--tool-rounds=1", "--ends-after=1") as agent,
        client_of(agent) as client,
    ):
        metadata = agent.metadata
        assert (metadata["payload_wrapper"], metadata["response_message_path"]) == ("data", "data.reply.text")
        assert metadata["tool_call_extraction_config"]["tool_calls_path"] == "data.reply.tool_calls"
        history = [user("hello")]
        (call,) = (await client.post("/chat", json=wrapped(history))).json()["data"]["reply"]["tool_calls"]
        assert call == {"id": "call_1_1", "name": "lookup_order", "arguments": '{"order_id": "A-1"}'}
        calls = [{"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": "{}"}}]
        history += [
            assistant(None) | {"tool_calls": calls},
            {"role": "tool", "tool_call_id": call["id"], "content": ""},
        ]
        answer = (await client.post("/chat", json=wrapped(history))).json()
        refused = [
            await client.post("/chat", json=wrong)
            for wrong in (
                {"messages": history},
                wrapped(history)["data"],
                {"data": {"history": history, "latest": "?"}},
            )
        ]
    assert answer == {"data": {"reply": {"text": "You said: hello"}}, "status": "ended"}
    assert [each.status_code for each in refused] == [400, 400, 400]


def wrapped(history):
    return {"data": {"history": history, "latest": "hello", "session": "s", "simulation": "sim-1"}}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"not JSON", "line 1 column 1"),
        (b"[]", "expected a JSON object"),
        (b"{}", "expected a list of messages"),
        (b'{"messages": []}', "expected the last message to be the user's"),
        (b'{"messages": [{"role": "user", "content": 5}]}', "message 0: expected content that is text"),
    ],
)
async def test_requests_that_make_no_sense(agent_here, body, message):
    async with agent_here(HTTP_CHAT, "--delay=1h") as agent, client_of(agent) as client:
        answer = await client.post("/chat", content=body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]
    assert len(agent.stamped("unreadable")) == 1


async def test_other_paths_and_methods(agent_here):
    async with agent_here(HTTP_CHAT) as agent, client_of(agent) as client:
        answers = [await client.get("/chat"), await client.post("/"), await client.post("/a2a", json={})]
    assert {answer.status_code for answer in answers} == {404}


async def test_without_tls(agent_here):
    async with agent_here(HTTP_CHAT, AT_ONCE, "--no-tls") as agent:
        assert agent.metadata["chat_endpoint"].startswith("http://")
        async with httpx.AsyncClient() as client:
            answer = await client.post(agent.process.endpoint, json={"messages": [user("hi")]}, headers=SIMULATION)
    assert answer.status_code == 200
