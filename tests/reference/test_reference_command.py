"""The command line, and the files that an agent leaves for its callers."""

import json

import pytest
import yaml
from click.testing import CliRunner
from reference_callers import CHAT, options_for

from coval_load.agents.addresses import Targets
from coval_load.agents.loading import load_agent
from coval_load.agents.options.registry import OPTIONS
from coval_load.codecs.audio.packaged import CLIPS
from coval_load.reference.command import reference_agent
from coval_load.reference.contradictions import contradictions
from coval_load.reference.papers import Address, agent_body, plan, write_papers


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
