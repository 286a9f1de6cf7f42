"""What a chat over A2A means, from a plan to its rows, in both versions of the protocol."""

from urllib.parse import parse_qs

import pytest
import trio
from http_agent import A2A, converse

VERSIONS = ("0.3", "1.0")
METHODS = {"0.3": ("message/send", "message/stream"), "1.0": ("SendMessage", "SendStreamingMessage")}
ROLES = {"0.3": "agent", "1.0": "ROLE_AGENT"}


def part(version, text):
    return {"kind": "text", "text": text} if version == "0.3" else {"text": text}


def message(version, text, **more):
    body = {"messageId": "m-1", "role": ROLES[version], "parts": [part(version, text)], **more}
    return {"kind": "message", **body} if version == "0.3" else {"message": body}


def task(version, state, text, task_id="t-1", context_id="c-1"):
    state = state if version == "0.3" else f"TASK_STATE_{state.replace('-', '_').upper()}"
    said = {"messageId": "m-2", "role": ROLES[version], "parts": [part(version, text)]}
    body = {"id": task_id, "contextId": context_id, "status": {"state": state, "message": said}}
    return {"kind": "task", **body} if version == "0.3" else {"task": body}


async def reply(asked, result):
    await asked.answer({"jsonrpc": "2.0", "id": asked.json["id"], "result": result})


def text_in(asked):
    return asked.json["params"]["message"]["parts"][0]["text"]


async def talk(tmp_path, handle, *turns, version="0.3", **more):
    metadata = {**({"a2a_version": version} if version else {}), **more.pop("metadata", {})}
    return await converse(tmp_path, handle, *turns, metadata=metadata, model_type=A2A, path="/a2a", **more)


@pytest.mark.parametrize("version", VERSIONS)
async def test_messages_keep_their_context(virtual_time, tmp_path, version):
    async def echoes(asked):
        await trio.sleep(1)
        await reply(asked, message(version, f"you said {text_in(asked)}", contextId="c-7"))

    ran, agent = await talk(tmp_path, echoes, "one", "two", version=version)
    assert ran.row["outcome"] == "completed", ran.error
    assert ran.said == [
        ("user", "one"),
        ("assistant", "you said one"),
        ("user", "two"),
        ("assistant", "you said two"),
    ]
    assert ran.of_metric("response_latency") == pytest.approx([1, 1], abs=0.005)
    first, second = agent.asked
    assert first.json["method"] == METHODS[version][0]
    assert first.headers.get("a2a-version") == ("1.0" if version == "1.0" else None)
    assert "contextId" not in first.json["params"]["message"]
    assert second.json["params"]["message"]["contextId"] == "c-7"
    assert first.json["params"]["message"]["messageId"] != second.json["params"]["message"]["messageId"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_completed_task_gives_way_to_a_new_one_in_the_same_context(virtual_time, tmp_path, version):
    async def completes(asked):
        await reply(asked, task(version, "completed", "done"))

    ran, agent = await talk(tmp_path, completes, "one", "two", version=version)
    assert ran.row["outcome"] == "completed", ran.error
    second = agent.asked[1].json["params"]["message"]
    assert second["contextId"] == "c-1"
    assert "taskId" not in second


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_task_that_wants_more_is_gone_on_with(virtual_time, tmp_path, version):
    async def asks(asked):
        await reply(asked, task(version, "input-required", "which size?"))

    ran, agent = await talk(tmp_path, asks, "a pizza", "large", version=version)
    assert ran.row["outcome"] == "completed", ran.error
    assert agent.asked[1].json["params"]["message"]["taskId"] == "t-1"


@pytest.mark.parametrize("version", VERSIONS)
async def test_states_that_end_the_conversation_are_an_option(virtual_time, tmp_path, version):
    async def completes(asked):
        await reply(asked, task(version, "completed", "done"))

    metadata = {"terminal_states": ["completed"], "new_task_states": []}
    ran, agent = await talk(tmp_path, completes, "one", "two", version=version, metadata=metadata)
    assert ran.row["outcome"] == "completed", ran.error
    assert len(agent.asked) == 1
    assert ran.said[-1] == ("assistant", "done")


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_failed_task_is_an_error_of_the_agent(virtual_time, tmp_path, version):
    async def fails(asked):
        await reply(asked, task(version, "failed", "out of stock"))

    ran, _ = await talk(tmp_path, fails, "one", version=version)
    assert ran.error["kind"] == "agent_error"
    assert "out of stock" in ran.error["message"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_task_that_is_still_worked_on_is_asked_for_again(virtual_time, tmp_path, version):
    async def works(asked):
        is_question = "message" not in asked.json["params"]
        state = "completed" if is_question and len(polls) >= 3 else "working"
        polls.append(asked)
        await reply(asked, task(version, state, "done" if state == "completed" else "hold on"))

    polls = []
    ran, agent = await talk(tmp_path, works, "one", version=version)
    assert ran.row["outcome"] == "completed", ran.error
    assert ran.said[-1] == ("assistant", "done")
    assert ran.of_metric("response_latency") == pytest.approx([1.5], abs=0.02)
    assert agent.asked[1].json["method"] == ("tasks/get" if version == "0.3" else "GetTask")
    assert agent.asked[1].json["params"]["id"] == "t-1"
    assert ran.summary["counters"]["turns"] == 1


async def test_a_task_that_is_worked_on_for_ever_is_no_response(virtual_time, tmp_path):
    async def works(asked):
        await reply(asked, task("0.3", "working", "hold on"))

    ran, _ = await talk(tmp_path, works, "one", timeouts={"response": "3s"})
    assert ran.error["kind"] == "no_response"
    assert ran.lasted < 4


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_stream_is_read_as_it_comes(virtual_time, tmp_path, version):
    async def streams(asked):
        await asked.begin(content_type="text/event-stream")
        for at, text in enumerate(("Hel", "lo.")):
            await trio.sleep(1)
            artifact = {"artifactId": "a-1", "parts": [part(version, text)]}
            update = {"taskId": "t-1", "contextId": "c-1", "artifact": artifact, "append": at > 0}
            result = {"kind": "artifact-update", **update} if version == "0.3" else {"artifactUpdate": update}
            await asked.event({"jsonrpc": "2.0", "id": asked.json["id"], "result": result})
        state = "completed" if version == "0.3" else "TASK_STATE_COMPLETED"
        update = {"taskId": "t-1", "contextId": "c-1", "status": {"state": state}}
        result = {"kind": "status-update", "final": True, **update} if version == "0.3" else {"statusUpdate": update}
        await asked.event({"jsonrpc": "2.0", "id": asked.json["id"], "result": result})
        await asked.end()

    ran, agent = await talk(tmp_path, streams, "one", "two", version=version, metadata={"stream": True})
    assert ran.row["outcome"] == "completed", ran.error
    assert [turn["content"] for turn in ran.turns("assistant")] == ["Hello.", "Hello."]
    assert ran.of_metric("ttft") == pytest.approx([1, 1], abs=0.005)
    assert agent.asked[0].json["method"] == METHODS[version][1]


@pytest.mark.parametrize(
    ("code", "words"),
    [(-32601, "method"), (-32602, "params"), (-32603, "nternal"), (-32004, ""), (-32009, "a2a_version")],
)
async def test_json_rpc_errors_are_told_apart(virtual_time, tmp_path, code, words):
    async def refuses(asked):
        await asked.answer({"jsonrpc": "2.0", "id": asked.json["id"], "error": {"code": code, "message": "no"}})

    ran, _ = await talk(tmp_path, refuses, "one")
    assert ran.error["kind"] == "agent_error"
    assert str(code) in ran.error["message"]
    assert words in ran.error["message"]


@pytest.mark.parametrize(
    ("card", "method"), [("1.0", "SendMessage"), ("0.3.0", "message/send"), (None, "message/send")]
)
async def test_the_version_comes_from_the_agent_card_asked_for_once(virtual_time, tmp_path, card, method):
    version = "1.0" if card == "1.0" else "0.3"

    async def has_a_card(asked):
        if asked.method == "POST":
            await reply(asked, message(version, "hi"))
        elif card is None:
            await asked.answer({}, status=404)
        elif card == "1.0":
            interface = {"url": "https://elsewhere/", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
            await asked.answer({"name": "x", "supportedInterfaces": [interface]})
        else:
            await asked.answer({"name": "x", "protocolVersion": card, "url": "https://elsewhere/"})

    ran, agent = await talk(tmp_path, has_a_card, "one", version=None, load={"concurrency": 3, "simulations": 6})
    assert ran.summary["counts"]["completed"] == 6, ran.rows[0]["error"]
    assert {asked.json["method"] for asked in agent.asked if asked.method == "POST"} == {method}
    cards = [asked.path for asked in agent.asked if asked.method == "GET"]
    assert cards[0] == "/.well-known/agent-card.json"
    assert len(cards) == (2 if card is None else 1)


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "application/json"])
async def test_oauth2_client_credentials_give_the_bearer_token(virtual_time, tmp_path, content_type):
    async def guarded(asked):
        if asked.path == "/token":
            await asked.answer({"access_token": "token-of-this-caller", "token_type": "Bearer"})
        elif asked.headers.get("authorization") != "Bearer token-of-this-caller":
            await asked.answer({}, status=401)
        else:
            await reply(asked, message("0.3", "hi"))

    payload = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "a-real-secret"}
    ran, agent = await talk(
        tmp_path,
        guarded,
        "one",
        metadata={
            "initialization_endpoint": "URL/token",
            "initialization_payload": payload,
            "initialization_content_type": content_type,
        },
    )
    assert ran.row["outcome"] == "completed", ran.error
    asked = agent.asked[0]
    sent = (
        asked.json
        if content_type == "application/json"
        else {k: v[0] for k, v in parse_qs(asked.body.decode()).items()}
    )
    assert sent == payload
    kept = "".join(file.read_text() for file in ran.folder.iterdir() if file.is_file())
    assert "a-real-secret" not in kept
    assert "token-of-this-caller" not in kept


async def test_an_answer_without_a_token_is_a_failed_setup(virtual_time, tmp_path):
    async def refuses(asked):
        await asked.answer({"error": "invalid_client"})

    payload = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "a-real-secret"}
    metadata = {"initialization_endpoint": "URL/token", "initialization_payload": payload}
    ran, _ = await talk(tmp_path, refuses, "one", metadata=metadata)
    assert (ran.error["kind"], ran.error["stage"]) == ("setup_failed", "setup")
    assert "access_token" in ran.error["message"]
