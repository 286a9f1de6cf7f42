"""Chat completions and responses, against litellm's proxy: an OpenAI-compatible server that calls no model."""

import pytest
import yaml

from driving import dial, plan_of, run
from peers import HERE, free_port, installed, serving

CONFIG = yaml.safe_load((HERE / "litellm.yaml").read_text())
KEY = CONFIG["general_settings"]["master_key"]
MODELS = {model["model_name"]: model["litellm_params"] for model in CONFIG["model_list"]}
SAID = MODELS["plain"]["mock_response"]
CHAT, RESPONSES = "chat_completions", "responses"
PATHS = {CHAT: "/v1/chat/completions", RESPONSES: "/v1/responses"}
FORMATS = pytest.mark.parametrize("response_format", [CHAT, RESPONSES])
STREAMED = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    programs, port = installed("litellm"), free_port()
    command = [programs / "litellm", "--config", HERE / "litellm.yaml", "--host", "127.0.0.1", "--port", port]
    with serving(
        [*command, "--num_workers", 1],
        port,
        tmp_path_factory.mktemp("litellm") / "log",
        ready="/health/readiness",
        PEER_BASE=f"http://127.0.0.1:{port}/v1",
        LITELLM_LOCAL_MODEL_COST_MAP="True",
    ) as peer:
        yield peer


def talk_to(proxy, model, *turns, response_format=CHAT, key=KEY, **more):
    # Only through the bridge does the proxy stream responses, and refuse them.
    name = model if response_format == CHAT else f"bridged-{model}"
    metadata = {
        "chat_endpoint": proxy.url + PATHS[response_format],
        "authentication_token": key,
        "response_format": response_format,
        "model": name,
        "system_prompt": "be brief",
        "max_tokens": 100,
        **more,
    }
    return plan_of("MODEL_TYPE_CHAT", metadata, *turns)


@FORMATS
@STREAMED
def test_a_conversation(proxy, tmp_path, response_format, stream):
    plan = talk_to(proxy, "plain", "hello", "and again", response_format=response_format, stream=stream)
    done = run(plan, tmp_path)
    assert (done.exit_code, done.row["outcome"], done.row["error"]) == (0, "completed", None), done.said
    assert done.agent_said == [SAID, SAID]
    assert [entry["content"] for entry in done.row["transcript"]] == ["hello", SAID, "and again", SAID]
    assert done.measured("response_latency") == done.measured("response_time") == 2
    assert done.measured("ttft") == (2 if stream else 0)


@FORMATS
def test_pieces_of_a_streamed_reply(proxy, tmp_path, response_format):
    done = run(talk_to(proxy, "plain", "hello", response_format=response_format, stream=True), tmp_path)
    (reply,) = done.agent_turns
    pieces = -(-len(SAID) // 3)  # the proxy streams three characters at a time
    assert reply["chunks"] == pieces
    assert done.measured("inter_chunk_latency") == pieces - 1
    assert 0 < reply["metrics"]["ttft"] <= reply["metrics"]["response_time"]


@FORMATS
@STREAMED
def test_tokens_are_counted(proxy, tmp_path, response_format, stream):
    done = run(talk_to(proxy, "plain", "hello", "more", response_format=response_format, stream=stream), tmp_path)
    usages = [entry["usage"] for entry in done.agent_turns]
    assert all(usage["input_tokens"] > 0 and usage["output_tokens"] > 0 for usage in usages)
    assert done.counted("input_tokens") == sum(usage["input_tokens"] for usage in usages)
    assert done.counted("output_tokens") == sum(usage["output_tokens"] for usage in usages)


@FORMATS
@STREAMED
def test_a_delay_of_the_agent_is_measured(proxy, tmp_path, response_format, stream):
    done = run(talk_to(proxy, "slow", "hello", response_format=response_format, stream=stream), tmp_path)
    assert done.agent_said == [MODELS["slow"]["mock_response"]]
    (reply,) = done.agent_turns
    delay_s = MODELS["slow"]["mock_delay"]
    assert delay_s <= reply["metrics"]["response_latency"] < delay_s + 2


REFUSED = {
    "busy": ("rate_limited", "got 429"),
    "broken": ("agent_error", "got 500"),
}


@FORMATS
@STREAMED
@pytest.mark.parametrize("model", REFUSED)
def test_what_the_proxy_refuses(proxy, tmp_path, response_format, stream, model):
    kind, told = REFUSED[model]
    done = run(talk_to(proxy, model, "hello", response_format=response_format, stream=stream), tmp_path)
    assert (done.exit_code, done.row["outcome"], done.row["error"]["kind"]) == (3, "failed", kind), done.said
    assert told in done.row["error"]["message"]
    assert done.summary["counts"]["failed"] == 1


@FORMATS
@pytest.mark.parametrize("header", ["authentication_token", "authorization_header"])
def test_a_wrong_key(proxy, tmp_path, response_format, header):
    wrong = {"authentication_token": "sk-wrong", "authorization_header": "Bearer sk-wrong"}[header]
    plan = talk_to(proxy, "plain", "hello", response_format=response_format)
    metadata = plan["agents"][0]["metadata"]
    del metadata["authentication_token"]
    metadata[header] = wrong
    done = run(plan, tmp_path)
    assert (done.exit_code, done.row["error"]["kind"]) == (3, "authentication_failed"), done.said
    assert "sk-wrong" not in done.said


def test_an_unknown_model(proxy, tmp_path):
    done = run(talk_to(proxy, "nobody", "hello"), tmp_path)
    assert (done.exit_code, done.row["error"]["kind"]) == (3, "agent_error"), done.said
    assert "model=nobody" in done.row["error"]["message"]


def test_a_stream_that_the_proxy_can_not_begin(proxy, tmp_path):
    """Status 500 with a body in the form of a stream: responses without the bridge."""
    plan = talk_to(proxy, "plain", "hello", response_format=RESPONSES, stream=True)
    plan["agents"][0]["metadata"]["model"] = "plain"
    done = run(plan, tmp_path)
    assert (done.exit_code, done.row["error"]["kind"]) == (3, "agent_error"), done.said


@FORMATS
def test_tools_that_the_agent_calls(proxy, tmp_path, response_format):
    """The proxy calls its tools again whatever they give: the rounds end where they are bounded."""
    plan = talk_to(proxy, "tools", "hello", response_format=response_format, stream=False, max_tool_rounds=2)
    results = [{"tool": "look_up", "result": {"state": "sent"}}, {"tool": "get_time", "result": "noon"}]
    plan["test_set"][0]["tool_results"] = results
    done = run(plan, tmp_path)
    assert (done.exit_code, done.row["error"]["kind"]) == (3, "no_response"), done.said
    assert "max_tool_rounds" in done.row["error"]["message"]
    assert done.counted("tool_calls") == 2 * 3
    called = [entry["tool"] for entry in done.row["transcript"] if entry.get("type") == "tool_call"]
    assert called[:2] == [
        {"id": "call_1", "name": "look_up", "arguments": '{"order": 7}'},
        {"id": "call_2", "name": "get_time", "arguments": "{}"},
    ]


def test_an_agent_by_paths(proxy, tmp_path):
    """The same answers, asked for with a template and read by a path, as of an API that is not known."""
    metadata = {
        "chat_endpoint": proxy.url + PATHS[CHAT],
        "authorization_header": f"Bearer {KEY}",
        "input_template": '{"model": "plain", "messages": {{messages}}, "user": "{{simulation_output_id}}"}',
        "strip_message_timestamps": True,
        "response_message_path": "choices.0.message.content",
    }
    done = run(plan_of("MODEL_TYPE_CHAT", metadata, "hello", "and again"), tmp_path)
    assert (done.exit_code, done.agent_said) == (0, [SAID, SAID]), done.said


@STREAMED
def test_many_at_once(proxy, tmp_path, stream):
    plan = talk_to(proxy, "plain", "hello", "and again", stream=stream)
    plan["load"] = {"concurrency": 8, "simulations": 40}
    done = run(plan, tmp_path)
    assert done.exit_code in (0, 98), done.said  # 98: the machine that runs the tests may be too slow
    assert done.summary["counts"]["completed"] == 40
    assert {entry["content"] for row in done.rows for entry in row["transcript"][1::2]} == {SAID}


@STREAMED
def test_dialling_once(proxy, tmp_path, stream):
    exit_code, said = dial(talk_to(proxy, "plain", "hello", stream=stream), tmp_path)
    assert exit_code == 0, said
    assert "two lines" in said
    assert KEY not in said
