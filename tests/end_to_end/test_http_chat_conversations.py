"""What a chat over HTTP means, from a plan to its rows: each agent here answers request by request."""

import gzip
import json

import pytest
import trio
from http_agent import converse

TOOL = {"tool": "lookup_order", "result": {"status": "shipped"}}
OPENAI = {"model": "gpt-4o", "system_prompt": "Be kind.", "authentication_token": "sk-very-secret-token"}
FAST = {"wait_seconds": 0.25}


async def echoes(asked):
    await trio.sleep(1)
    await asked.say(f"you said {asked.said}")


async def test_turns_follow_one_another_over_one_connection(virtual_time, tmp_path):
    ran, agent = await converse(tmp_path, echoes, "one", "two", persona=FAST)
    assert ran.said == [
        ("user", "one"),
        ("assistant", "you said one"),
        ("user", "two"),
        ("assistant", "you said two"),
    ]
    assert ran.of_metric("response_latency") == pytest.approx([1, 1], abs=0.005)
    assert ran.of_metric("scheduled_response_latency") == pytest.approx([1, 1], abs=0.01)
    first, second = ran.turns("user")
    assert second["start"] - first["start"] == pytest.approx(1 + 0.25, abs=0.01)
    assert {asked.connection for asked in agent.asked} == {0}
    assert ran.summary["metrics"]["connect_time"]["count"] == 1
    assert ran.row["metrics"]["connect_time"] < 0.5  # it is no part of the reply's
    assert (ran.row["outcome"], ran.row["error"], ran.row["close_code"]) == ("completed", None, None)
    assert ran.summary["counters"]["messages_sent"] == ran.summary["counters"]["messages_received"] == 2


async def test_the_whole_history_goes_with_each_turn(virtual_time, tmp_path):
    _, agent = await converse(tmp_path, echoes, "one", "two")
    first, second = (asked.json["messages"] for asked in agent.asked)
    assert [(message["role"], message["content"]) for message in second] == [
        ("user", "one"),
        ("assistant", "you said one"),
        ("user", "two"),
    ]
    assert first[0] == second[0]
    assert all(message["timestamp"].endswith("Z") for message in second)
    _, agent = await converse(tmp_path / "stripped", echoes, "one", metadata={"strip_message_timestamps": True})
    assert agent.asked[0].json == {"messages": [{"role": "user", "content": "one"}]}


async def test_what_an_initialization_endpoint_answers_reaches_templates_and_headers(virtual_time, tmp_path):
    async def agent_with_sessions(asked):
        if asked.path == "/init":
            await asked.answer({"sessionId": "s-1", "conversation": {"id": 7}, "auth": {"token": "t-secret"}})
        else:
            await asked.answer({"data": {"reply": f"heard {asked.json['request']['text']}"}})

    ran, agent = await converse(
        tmp_path,
        agent_with_sessions,
        'say "hi"',
        "bye",
        metadata={
            "initialization_endpoint": "URL/init",
            "initialization_payload": {"user": "{{persona.user_id}}", "simulation": "{{simulation_output_id}}"},
            "custom_headers": {"X-Session": "{{sessionId}}", "X-Auth": "Token {{init_response.auth.token}}"},
            "custom_data": {"tier": "gold"},
            "input_template": '{"text": "{{latest_message}}", "all": {{messages}}, "conversation": {{conversation.id}},'
            ' "tier": "{{custom_data.tier}}", "account": "{{test_case.account}}"}',
            "payload_wrapper": "request",
            "response_message_path": "data.reply",
            "authorization_header": "X-API-Key key-of-the-agent",
        },
        persona={"initialization_parameters": {"user_id": "u-9"}},
    )
    assert ran.row["outcome"] == "completed", ran.error
    (init,) = (asked for asked in agent.asked if asked.path == "/init")
    assert init.json == {"user": "u-9", "simulation": ran.row["simulation_output_id"]}
    assert init.headers["x-api-key"] == "key-of-the-agent"
    for chat in agent.chats:
        assert chat.headers["x-session"] == "s-1"
        assert chat.headers["x-auth"] == "Token t-secret"
        assert set(chat.json) == {"request"}
        assert "custom_data" not in chat.json["request"]
    request = agent.chats[0].json["request"]
    assert (request["text"], request["conversation"], request["tier"]) == ('say "hi"', 7, "gold")
    assert request["account"] == "42"
    assert ran.row["metrics"]["setup_time"] >= 0
    assert "key-of-the-agent" not in (ran.folder / "run.json").read_text()


@pytest.mark.parametrize("format_", ["chat_completions", "responses"])
async def test_an_openai_compatible_api_is_driven_directly(virtual_time, tmp_path, format_):
    async def api(asked):
        await trio.sleep(1)
        await asked.begin(content_type="text/event-stream")
        for piece in ("You ", "said ", "it."):
            if format_ == "responses":
                await asked.event({"type": "response.output_text.delta", "delta": piece})
            else:
                await asked.piece(piece)
            await trio.sleep(0.25)
        if format_ == "responses":
            usage = {"input_tokens": 11, "output_tokens": 3}
            await asked.event({"type": "response.completed", "response": {"status": "completed", "usage": usage}})
        else:
            await asked.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            await asked.event({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 3}})
            await asked.event("[DONE]")
        await asked.end()

    ran, agent = await converse(tmp_path, api, "one", "two", metadata={**OPENAI, "response_format": format_})
    assert ran.row["outcome"] == "completed", ran.error
    assert ran.turns("assistant")[1]["content"] == "You said it."
    assert ran.of_metric("ttft") == pytest.approx([1, 1], abs=0.005)
    assert ran.of_metric("response_latency") == pytest.approx([1, 1], abs=0.005)
    assert ran.of_metric("response_time") == pytest.approx([1.5, 1.5], abs=0.01)
    assert ran.summary["metrics"]["inter_chunk_latency"]["count"] == 4
    assert ran.summary["metrics"]["inter_chunk_latency"]["p50"] == pytest.approx(0.25, abs=0.01)
    assert (ran.summary["counters"]["input_tokens"], ran.summary["counters"]["output_tokens"]) == (22, 6)
    assert ran.turns("assistant")[0]["usage"] == {"input_tokens": 11, "output_tokens": 3}
    assert ran.turns("assistant")[0]["chunks"] == 3
    body = agent.asked[1].json
    assert body["stream"] is True
    assert body["model"] == "gpt-4o"
    assert agent.asked[0].headers["authorization"] == "Bearer sk-very-secret-token"
    if format_ == "responses":
        assert body["instructions"] == "Be kind."
        assert [item["role"] for item in body["input"]] == ["user", "assistant", "user"]
    else:
        assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "user"]
        assert not any("timestamp" in message for message in body["messages"])
    assert all("sk-very-secret" not in file.read_text() for file in ran.folder.iterdir() if file.is_file())


async def test_tool_calls_are_answered_until_the_agent_answers_in_text(virtual_time, tmp_path):
    async def looks_up(asked):
        await trio.sleep(0.5)
        messages = asked.json["messages"]
        if messages[-1]["role"] == "user":
            await asked.call_tool("lookup_order", {"order": 7})
        else:
            result = json.loads(messages[-1]["content"])["status"]
            await asked.say(f"It is {result}.")

    ran, agent = await converse(tmp_path, looks_up, "where is it?", "sure?", case={"tool_results": [TOOL]})
    assert ran.row["outcome"] == "completed", ran.error
    entries = [(entry["role"], entry.get("type"), entry["content"]) for entry in ran.row["transcript"]]
    assert entries[:4] == [
        ("user", None, "where is it?"),
        ("assistant", "tool_call", None),
        ("tool", "tool_result", '{"status":"shipped"}'),
        ("assistant", None, "It is shipped."),
    ]
    called = ran.row["transcript"][1]["tool"]
    assert (called["id"], called["name"], json.loads(called["arguments"])) == ("call_1", "lookup_order", {"order": 7})
    result = agent.asked[1].json["messages"][-1]
    assert (result["role"], result["tool_call_id"]) == ("tool", "call_1")
    assert ran.of_metric("response_latency") == pytest.approx([1, 1], abs=0.01)
    assert ran.summary["counters"]["tool_calls"] == 2
    assert ran.summary["counters"]["turns"] == 2
    roles = [message["role"] for message in agent.asked[-1].json["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "user", "assistant", "tool"]


async def test_tool_calls_that_never_end_do(virtual_time, tmp_path):
    async def loops(asked):
        await asked.call_tool("lookup_order", {})

    ran, agent = await converse(tmp_path, loops, "hi", case={"tool_results": [TOOL]}, metadata={"max_tool_rounds": 3})
    assert ran.error["kind"] == "no_response"
    assert "max_tool_rounds" in ran.error["message"]
    assert len(agent.asked) == 4


async def test_a_tool_call_without_a_result_is_told(virtual_time, tmp_path):
    async def calls(asked):
        await asked.call_tool("book_flight", {"to": "Rome"})

    ran, _ = await converse(tmp_path, calls, "hi", case={"tool_results": [TOOL]})
    assert ran.error["kind"] == "no_response"
    assert "'book_flight'" in ran.error["message"]
    assert "tool_results" in ran.error["message"]
    assert ran.row["transcript"][1]["type"] == "tool_call"


async def test_tool_calls_beside_a_text_are_reported_and_the_conversation_goes_on(virtual_time, tmp_path):
    async def did_it_itself(asked):
        await asked.call_tool("lookup_order", {}, text="It is on its way.")

    ran, agent = await converse(tmp_path, did_it_itself, "one", "two")
    assert ran.row["outcome"] == "completed", ran.error
    assert [message["role"] for message in agent.asked[1].json["messages"]] == ["user", "assistant", "user"]
    assert "tool_calls" not in agent.asked[1].json["messages"][1]


async def test_tool_calls_of_another_shape_are_extracted(virtual_time, tmp_path):
    async def own_shape(asked):
        await asked.answer({"text": "Done.", "actions": [{"do": "refund", "with": {"amount": 3}}]})

    config = {"tool_calls_path": "actions", "name_path": "do", "arguments_path": "with"}
    metadata = {"response_message_path": "text", "tool_call_extraction_config": config}
    ran, _ = await converse(tmp_path, own_shape, "hi", metadata=metadata)
    called = ran.row["transcript"][2]["tool"]
    assert (called["name"], json.loads(called["arguments"])) == ("refund", {"amount": 3})


async def test_a_status_of_ended_ends_the_conversation(virtual_time, tmp_path):
    async def says_goodbye(asked):
        await asked.say("Bye.", status="ended")

    ran, agent = await converse(tmp_path, says_goodbye, "one", "two", "three")
    assert ran.row["outcome"] == "completed"
    assert ran.said == [("user", "one"), ("assistant", "Bye.")]
    assert len(agent.asked) == 1
    assert ran.summary["counters"]["ended_by_agent"] == 1


async def sends(asked, kind):
    match kind:
        case "garbage":
            await asked.answer(b"<html>oops</html>", content_type="text/html")
        case "half json":
            await asked.answer(b'{"choices": [{"mess')
        case "empty choices":
            await asked.answer({"choices": []})
        case "elsewhere":
            await asked.answer({"reply": "hello"})
        case "500":
            await asked.answer({"error": "kaputt"}, status=500)
        case "401":
            await asked.answer({"error": "who are you?"}, status=401)
        case "429":
            await asked.answer({"error": "slow down"}, status=429, retry_after="7")
        case "302":
            await asked.answer({}, status=302, location="/elsewhere")
        case "error":
            await asked.answer({"error": {"message": "no such model", "type": "invalid_request_error"}})
        case "hang":
            await trio.sleep(3600)
        case "half stream":
            await asked.begin(content_type="text/event-stream")
            await asked.piece("Hel")
            await asked.end()
        case "stuck stream":
            await asked.begin(content_type="text/event-stream")
            await asked.piece("Hel")
            await trio.sleep(3600)
        case "drop":
            await asked.begin(content_length="1000")
            await asked.send(b"{")
        case "not http":
            await asked.stream.send_all(b"220 smtp.example.com ESMTP\r\n")


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("garbage", "invalid_message", "Invalid JSON response from endpoint"),
        ("half json", "invalid_message", "Invalid JSON response from endpoint"),
        ("empty choices", "invalid_message", "Could not extract message from path 'choices.0.message.content' in resp"),
        ("elsewhere", "invalid_message", "Could not extract message from path 'choices.0.message.content' in response"),
        ("500", "agent_error", "got 500"),
        ("401", "authentication_failed", "Authentication failed"),
        ("429", "rate_limited", "Retry-After: 7"),
        ("302", "agent_error", "redirects are not followed"),
        ("error", "agent_error", "no such model"),
        ("hang", "no_response", "No response received within 2 s: nothing came"),
        ("half stream", "invalid_message", "broke off"),
        ("stuck stream", "no_response", "the stream stopped after 3 characters"),
        ("drop", "connection_closed", ""),
        ("not http", "invalid_message", "HTTP"),
    ],
)
async def test_what_goes_wrong_has_a_name(virtual_time, tmp_path, kind, error, words):
    async def errs(asked):
        await sends(asked, kind)

    ran, _ = await converse(tmp_path, errs, "hi", timeouts={"response": "2s"})
    assert (ran.error["kind"], ran.error["stage"]) == (error, "conversation")
    assert words in ran.error["message"]
    assert ran.said[0] == ("user", "hi")
    assert ran.summary["generator"]["verdict"] != "invalid"


async def test_a_path_that_leads_nowhere_is_named(virtual_time, tmp_path):
    ran, _ = await converse(tmp_path, echoes, "hi", metadata={"response_message_path": "data.reply"})
    assert ran.error["kind"] == "invalid_message"
    assert "Could not extract message from path 'data.reply' in response" in ran.error["message"]


async def test_a_429_can_be_waited_out(virtual_time, tmp_path):
    refused = []

    async def limits(asked):
        if len(refused) < 2:
            refused.append(asked)
            await asked.answer({}, status=429, retry_after="3")
        else:
            await trio.sleep(1)
            await asked.say("Now.")

    ran, _ = await converse(tmp_path, limits, "hi", metadata={"honor_retry_after": True})
    assert ran.row["outcome"] == "completed", ran.error
    assert ran.of_metric("response_latency") == pytest.approx([1], abs=0.01)
    assert ran.of_metric("scheduled_response_latency") == pytest.approx([7], abs=0.02)
    assert ran.summary["counters"]["rate_limit_waits"] == 2


async def test_a_wait_longer_than_the_response_timeout_is_not_waited(virtual_time, tmp_path):
    async def limits(asked):
        await asked.answer({}, status=429, retry_after="3600")

    ran, _ = await converse(tmp_path, limits, "hi", metadata={"honor_retry_after": True})
    assert ran.error["kind"] == "rate_limited"
    assert ran.lasted < 1


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (500, b"{}", "setup_failed", "got 500"),
        (401, b"{}", "authentication_failed", "Authentication failed"),
        (429, b"{}", "rate_limited", "got 429"),
        (200, b"<html>", "setup_failed", "Invalid JSON response from endpoint"),
        (200, b'{"other": 1}', "setup_failed", "init_response.auth"),
    ],
)
async def test_a_failing_initialization_endpoint_is_a_failed_setup(virtual_time, tmp_path, status, body, kind, words):
    async def fails(asked):
        await asked.answer(body, status=status)

    metadata = {"initialization_endpoint": "URL/init", "custom_headers": {"X-A": "{{init_response.auth}}"}}
    ran, agent = await converse(tmp_path, fails, "hi", metadata=metadata)
    assert (ran.error["kind"], ran.error["stage"]) == (kind, "setup")
    assert words in ran.error["message"]
    assert not agent.chats


async def test_a_connection_that_the_agent_closed_while_idle_is_replaced(virtual_time, tmp_path):
    async def hangs_up(asked):
        await asked.say("Hello.")
        await asked.stream.aclose()

    ran, agent = await converse(tmp_path, hangs_up, "one", "two", persona={"wait_seconds": 1})
    assert ran.row["outcome"] == "completed", ran.error
    assert [asked.connection for asked in agent.asked] == [0, 1]
    assert ran.summary["metrics"]["connect_time"]["count"] == 2


async def test_many_conversations_share_connections(virtual_time, tmp_path):
    ran, agent = await converse(
        tmp_path, echoes, "one", "two", load={"concurrency": 5, "simulations": 20}, persona={"wait_seconds": 0}
    )
    assert ran.summary["counts"]["completed"] == 20
    assert len(agent.asked) == 40
    assert len({asked.connection for asked in agent.asked}) <= 6


async def test_a_packed_answer_is_read(virtual_time, tmp_path):
    async def packs(asked):
        body = json.dumps({"choices": [{"message": {"content": "packed"}}]}).encode()
        await asked.answer(gzip.compress(body), content_encoding="gzip")

    ran, _ = await converse(tmp_path, packs, "hi")
    assert ran.said[1] == ("assistant", "packed")


async def test_an_error_says_in_which_turn_it_came(virtual_time, tmp_path):
    async def fails_later(asked):
        if len(asked.json["messages"]) == 1:
            await asked.say("Hello.")
        else:
            await asked.answer({}, status=503)

    ran, _ = await converse(tmp_path, fails_later, "one", "two", "three")
    assert (ran.error["stage"], ran.error["turn"]) == ("conversation", 2)


async def test_further_parameters_stand_in_the_request_or_take_the_place_of_its_own(virtual_time, tmp_path):
    tools = [{"type": "function", "function": {"name": "lookup_order"}}]
    extra = {"temperature": None, "max_completion_tokens": 300, "tools": tools, 'od"d': "{{messages}}"}
    metadata = {**OPENAI, "stream": False, "extra_body": extra}
    _, agent = await converse(tmp_path, echoes, "one", metadata=metadata)
    body = agent.asked[0].json
    assert "temperature" not in body
    assert {key: body[key] for key in extra if key in body} == {k: v for k, v in extra.items() if v is not None}
    assert (body["model"], body["messages"][0]["role"]) == ("gpt-4o", "system")
