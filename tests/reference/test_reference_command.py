"""The command line, and the files that an agent leaves for its callers."""

import json

import pytest
import yaml
from click.testing import CliRunner
from http_callers import A2A, HTTP_CHAT
from reference_callers import CHAT, options_for

from coval_load.agents.addresses import Targets
from coval_load.agents.loading import load_agent
from coval_load.agents.options.registry import OPTIONS
from coval_load.codecs.audio.packaged import CLIPS
from coval_load.reference import command
from coval_load.reference.command import reference_agent
from coval_load.reference.contradictions import contradictions
from coval_load.reference.papers import Address, agent_body, plan, write_papers
from coval_load.reference.run import Announcement

OPENAI = "--model-type=openai_realtime"
GEMINI = "--model-type=gemini_realtime"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--delay=200ms"], "delay of at least the end silence, 0.3s"),
        (["--delay=600ms", "--spread=400ms"], "got 0.2s (delay less spread)"),
        (["--delay=1s", "--spread=2s"], "spread of at most the delay"),
        (["--encoding=mp3", "--mode=paced"], "--mode burst"),
        (["--encoding=ulaw", "--channels=2"], "one channel"),
        (["--binary", "--misbehave=bad-path"], "expected JSON audio"),
        ([CHAT, "--misbehave=no-ready"], "--ready-message"),
        ([CHAT, "--misbehave=bad-base64"], "expected with MODEL_TYPE_CHAT_WEBSOCKET a --misbehave of"),
        ([CHAT, "--message-format=content", "--misbehave=wrong-type"], "no type"),
        ([CHAT, "--misbehave=empty-choice"], "expected with MODEL_TYPE_CHAT_WEBSOCKET a --misbehave of"),
        (["--delay=1s", "--misbehave=half-json"], "expected with MODEL_TYPE_WEBSOCKET a --misbehave of"),
        ([HTTP_CHAT, "--misbehave=half-frame"], "expected with MODEL_TYPE_CHAT a --misbehave of"),
        ([HTTP_CHAT, "--misbehave=rpc-error"], "got rpc-error"),
        ([A2A, "--misbehave=endless-tool-call"], "got endless-tool-call"),
        ([HTTP_CHAT, "--greeting"], "can't speak first"),
        ([HTTP_CHAT, "--misbehave=setup-500"], "expected --initialization"),
        ([A2A, "--misbehave=setup-garbage"], "expected --oauth"),
        ([HTTP_CHAT, "--template", "--api=openai"], "expected --api standard"),
        ([HTTP_CHAT, "--template", "--stream"], "expected --no-stream"),
        ([HTTP_CHAT, "--template", "--misbehave=empty-choice"], "have no choices"),
        ([HTTP_CHAT, "--misbehave=half-stream"], "expected --stream"),
        ([HTTP_CHAT, "--api=openai", "--no-stream", "--misbehave=half-stream"], "expected --stream"),
        ([A2A, "--misbehave=half-stream"], "expected --stream"),
        ([A2A, "--a2a-pending=2"], "a message has no task"),
        ([A2A, "--a2a-state=input-required"], "a message has no task"),
        ([HTTP_CHAT, "--chunks=0"], "--chunks"),
        ([OPENAI, "--delay=200ms"], "delay of at least the end silence, 0.3s"),
        ([OPENAI, "--encoding=mp3"], "sends no mp3"),
        ([OPENAI, "--go-away-after=1s"], "expected no --go-away-after"),
        ([OPENAI, "--binary"], "mono audio in JSON"),
        ([OPENAI, "--misbehave=no-session-id"], "got no-session-id"),
        ([GEMINI, "--encoding=ulaw"], "expected --encoding pcm"),
        ([GEMINI, "--turn-detection=semantic_vad"], "has no semantic_vad"),
        ([GEMINI, "--go-away-after=9s", "--session-limit=9s"], "before the --session-limit, 9s"),
        (["--encoding=alaw"], "only OpenAI Realtime speaks it"),
        (["--delay=600"], "expected a duration such as 300ms"),
        (["--delay=-1s"], "expected a duration"),
        (["--delay=nans"], "expected a duration"),
        (["--misbehave=drop:2"], "share from 0 to 1"),
        (["--cpu=99999"], "processor this machine has"),
        (["--model-type=MODEL_TYPE_VOICE"], "MODEL_TYPE_WEBSOCKET"),
    ],
)
def test_what_makes_no_sense_is_told(tmp_path, arguments, message):
    done = CliRunner().invoke(reference_agent, [*arguments, f"--out={tmp_path}"])
    assert done.exit_code == 2
    assert message in " ".join(done.output.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("text", "seconds"), [("300ms", 0.3), ("2s", 2), ("1.5m", 90), ("1h", 3600), ("0s", 0)])
def test_durations(text, seconds):
    options, _ = options_for(f"--delay={text}")
    assert options.delay_s == pytest.approx(seconds)


def test_an_echo_needs_no_delay():
    options, _ = options_for("--echo", "--delay=0ms")
    assert contradictions(options) == []


def papers(tmp_path, *arguments):
    options, server = options_for(*arguments, f"--out={tmp_path}")
    written = write_papers(options, server, Address.of(options, "127.0.0.1", 9, server.use_tls))
    return json.loads(written.agent.read_text()), yaml.safe_load(written.plan.read_text())


def test_a_voice_agents_papers(tmp_path):
    body, plan = papers(tmp_path, "--caller-rate=8000", "--agent-rate=48000", "--encoding=ulaw", "--events")
    assert body["model_type"] == "MODEL_TYPE_WEBSOCKET"
    assert (
        body["metadata"]
        | {
            "endpoint": "wss://127.0.0.1:9/voice",
            "audio_encoding": "ulaw",
            "send_sample_rate_hertz": 8000,
            "receive_sample_rate_hertz": 48000,
            "receive_audio_channels": 1,
            "pace_inbound_binary_audio": True,
            "non_audio_event_message_types": ["cart_update"],
        }
        == body["metadata"]
    )
    assert plan["tls"] == {"ca_file": "ca.pem"}
    assert plan["targets"] == {"allow_private": True}
    for turn in plan["test_set"][0]["turns"]:
        assert turn["text"] in CLIPS.values()
        assert (tmp_path / turn["audio"]).read_bytes()[:4] == b"fLaC"


def test_a_chat_agents_papers(tmp_path):
    body, plan = papers(tmp_path, CHAT, "--no-tls", "--greeting", "--ready-message=hi")
    assert body["metadata"]["endpoint"] == "ws://127.0.0.1:9/chat"
    assert body["metadata"]["handshake_ready_message_type"] == "hi"
    assert plan["targets"] == {"allow_private": True, "allow_plaintext": True}
    assert plan["persona"]["conversation_initiation"] == "wait_for_user"
    assert "tls" not in plan
    assert all("audio" not in turn for turn in plan["test_set"][0]["turns"])


def test_an_http_chat_agents_papers(tmp_path):
    body, plan = papers(tmp_path, HTTP_CHAT)
    assert body["model_type"] == "MODEL_TYPE_CHAT"
    assert body["metadata"] == {
        "chat_endpoint": "https://127.0.0.1:9/chat",
        "custom_headers": {"X-Simulation-Id": "{{simulation_output_id}}"},
    }
    assert plan["targets"] == {"allow_private": True}
    assert plan["tls"] == {"ca_file": "ca.pem"}
    assert plan["persona"]["conversation_initiation"] == "speak_first"
    (case,) = plan["test_set"]
    assert case.keys() == {"id", "turns"}
    assert all(turn.keys() == {"type", "text"} for turn in case["turns"])


@pytest.mark.parametrize(
    ("api", "keys"),
    [("openai", set()), ("responses", {"response_format"})],
)
def test_an_openai_agents_papers(tmp_path, api, keys):
    body, _ = papers(tmp_path, HTTP_CHAT, f"--api={api}", "--stream")
    given = {"chat_endpoint", "custom_headers", "model", "system_prompt", "authentication_token", "stream"}
    assert body["metadata"].keys() == given | keys
    assert body["metadata"]["stream"] is True


def test_what_the_templates_of_an_agent_file_say(tmp_path):
    metadata = papers(tmp_path, HTTP_CHAT, "--template")[0]["metadata"]
    assert metadata["response_message_path"] == "data.reply.text"
    filled = metadata["input_template"].replace("{{messages}}", "[]")
    assert json.loads(filled)["latest"] == "{{latest_message}}"
    assert "tool_call_extraction_config" not in metadata


@pytest.mark.parametrize("arguments", [["--tool-rounds=1"], ["--misbehave=endless-tool-call"]])
def test_tools_have_results_in_the_plan(tmp_path, arguments):
    (case,) = papers(tmp_path, HTTP_CHAT, *arguments)[1]["test_set"]
    assert case["tool_results"] == [{"tool": "lookup_order", "result": {"status": "shipped"}}]


def test_an_a2a_agents_papers(tmp_path):
    body, plan = papers(tmp_path, A2A, "--no-tls", "--oauth", "--no-stream")
    assert body["model_type"] == "MODEL_TYPE_CHAT_A2A"
    assert body["metadata"] == {
        "chat_endpoint": "http://127.0.0.1:9/a2a",
        "custom_headers": {"X-Simulation-Id": "{{simulation_output_id}}"},
        "initialization_endpoint": "http://127.0.0.1:9/oauth/token",
        "initialization_payload": {
            "grant_type": "client_credentials",
            "client_id": "reference-client",
            "client_secret": "reference-secret",
        },
        "initialization_content_type": "application/x-www-form-urlencoded",
        "stream": False,
    }
    assert plan["targets"] == {"allow_private": True, "allow_plaintext": True}


def test_the_help_tells_which_kinds_there_are_for_whom():
    said = " ".join(CliRunner().invoke(reference_agent, ["--help"]).output.split()).replace("- ", "-")
    assert "every model type: bad-path, drop" in said
    assert "[voice|chat|chat_a2a|chat_websocket|openai_realtime|gemini_realtime] What kind of agent it is." in said
    assert "MODEL_TYPE_CHAT_A2A: half-json" in said


@pytest.mark.parametrize(
    ("arguments", "sets_up"),
    [([], False), (["--http-first"], True), ([HTTP_CHAT], False), ([HTTP_CHAT, "--initialization"], True)],
)
def test_it_says_what_to_run_and_no_more_than_its_agent_file_needs(tmp_path, monkeypatch, arguments, sets_up):
    async def only_announce(options, server, announce):
        announce(Announcement("wss://a", "https://a/setup", "a.json", "plan.yaml", None, None, 1))

    monkeypatch.setattr(command, "run_reference_agent", only_announce)
    said = CliRunner().invoke(reference_agent, [*arguments, "--out", str(tmp_path)]).output
    assert "its agent file: a.json\n" in said
    assert "coval-load check plan.yaml --dial\n  coval-load run plan.yaml\n" in said
    assert ("https://a/setup" in said) == sets_up


def test_an_agent_that_is_set_up_over_http(tmp_path):
    body, _ = papers(tmp_path, "--http-first")
    assert body["metadata"]["connection_mode"] == "http_first"
    assert body["metadata"]["http_url"] == "https://127.0.0.1:9/sessions"
    assert "endpoint" not in body["metadata"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--encoding=mp3"],
        ["--encoding=ulaw", "--caller-rate=8000", "--agent-rate=8000"],
        ["--binary", "--events", "--http-first", "--no-tls"],
        ["--channels=2", "--greeting"],
        ["--echo"],
        [CHAT, "--message-format=content", "--echoes"],
        [CHAT, "--ready-message=session_ready", "--http-first", "--events"],
        [HTTP_CHAT],
        [HTTP_CHAT, "--no-tls", "--stream"],
        [HTTP_CHAT, "--api=openai", "--no-stream", "--misbehave=empty-choice"],
        [HTTP_CHAT, "--api=responses", "--misbehave=half-stream", "--tool-rounds=2"],
        [HTTP_CHAT, "--initialization", "--misbehave=setup-500"],
        [HTTP_CHAT, "--template", "--initialization", "--tool-rounds=1"],
        [A2A, "--stream", "--a2a-version=1.0"],
        [A2A, "--oauth", "--misbehave=setup-garbage"],
        [OPENAI, "--encoding=alaw", "--tool-rounds=1", "--session-limit=9s", "--misbehave=refused-setup"],
        [OPENAI, "--turn-detection=none", "--no-tls", "--greeting"],
        [GEMINI, "--tool-rounds=1", "--session-limit=9s", "--go-away-after=5s"],
        [GEMINI, "--turn-detection=none", "--api-version=v1beta"],
    ],
    ids=" ".join,
)
def test_papers_can_be_used_as_they_are(tmp_path, arguments):
    body, _ = papers(tmp_path, *arguments)
    targets = Targets(allow_private=True, allow_plaintext="--no-tls" in arguments)
    agent = load_agent(body, options=OPTIONS, targets=targets, environ={})
    assert agent.name == body["display_name"]


def test_an_echo_comes_back_at_the_callers_rate():
    options, server = options_for("--echo", "--caller-rate=8000", "--binary")
    metadata = agent_body(options, server, Address.of(options, "::1", 9, True))["metadata"]
    assert metadata["receive_sample_rate_hertz"] == 8000
    assert metadata["send_audio_template"] == "{{audio_data}}"
    assert metadata["endpoint"] == "wss://[::1]:9/voice"
    assert plan(options, server)["name"] == "reference-voice"
