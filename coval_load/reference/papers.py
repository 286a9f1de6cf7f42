"""What a reference agent leaves for its callers: the connect-an-agent body, a plan, the clips it names."""

import json
from pathlib import Path
from typing import Any

import attrs
import yaml

from coval_load.codecs.audio.packaged import CLIPS, clip_text, read_clip
from coval_load.reference.options import CHAT, VOICE, AgentOptions, ServerOptions

TURNS = ("pizza-order", "pizza-size", "thanks-bye")
INITIALIZATION = {"type": "start", "simulation_output_id": "{{simulation_output_id}}"}
WEBSOCKET_URL_PATH = "data.websocket_url"


@attrs.frozen
class Address:
    """Where the agent is reached: by WebSocket, and by HTTP for the setup of HTTP-first mode."""

    endpoint: str
    setup_url: str

    @classmethod
    def of(cls, model_type: str, host: str, port: int, use_tls: bool) -> "Address":
        s = "s" if use_tls else ""
        path = "voice" if model_type == VOICE else "chat"
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return cls(f"ws{s}://{authority}/{path}", f"http{s}://{authority}/sessions")


@attrs.frozen
class Papers:
    """The files that were written."""

    agent: Path
    plan: Path


def write_papers(options: AgentOptions, server: ServerOptions, address: Address) -> Papers:
    """Writes `agent.json`, `plan.yaml` and for voice `clips/` into `server.out`, where the CA file is."""
    papers = Papers(server.out / "agent.json", server.out / "plan.yaml")
    body = agent_body(options, server, address)
    papers.agent.write_text(json.dumps(body, indent=2) + "\n", "utf-8")
    papers.plan.write_text(yaml.safe_dump(plan(options, server), sort_keys=False), "utf-8")
    if options.model_type == VOICE:
        _write_clips(server.out / "clips")
    return papers


def agent_body(options: AgentOptions, server: ServerOptions, address: Address) -> dict[str, Any]:
    """The connect-an-agent body that fits an agent with these options."""
    metadata: dict[str, Any] = {"endpoint": address.endpoint}
    if server.http_first:
        metadata = {
            "connection_mode": "http_first",
            "http_url": address.setup_url,
            "http_request_body": {"channel": "load-test"},
            "websocket_url_response_path": WEBSOCKET_URL_PATH,
        }
    metadata["initialization_json"] = INITIALIZATION
    metadata |= _voice_metadata(options, server) if options.model_type == VOICE else _chat_metadata(options)
    kind = "voice" if options.model_type == VOICE else "chat"
    return {"display_name": f"reference {kind} agent", "model_type": options.model_type, "metadata": metadata}


def _voice_metadata(options: AgentOptions, server: ServerOptions) -> dict[str, Any]:
    voice = options.voice
    metadata: dict[str, Any] = {
        "audio_encoding": voice.encoding,
        "send_sample_rate_hertz": voice.caller_rate_hz,
        "receive_sample_rate_hertz": voice.caller_rate_hz if voice.echo else voice.agent_rate_hz,
        "receive_audio_channels": voice.channels,
        "pace_inbound_binary_audio": True,
        "send_dtmf_template": '{"type": "dtmf", "digit": "{{digit}}"}',
    }
    if voice.binary:
        metadata["send_audio_template"] = "{{audio_data}}"
    if server.http_first:
        metadata |= {"handshake_ready_message_type": "session_ready", "handshake_requires_session_id": True}
    if options.events:
        metadata["non_audio_event_message_types"] = ["cart_update"]
    return metadata


def _chat_metadata(options: AgentOptions) -> dict[str, Any]:
    chat = options.chat
    metadata: dict[str, Any] = {"coalesce_timeout_seconds": 0.3}
    if chat.message_format == "content":
        metadata["message_format"] = "content"
    if chat.echoes:
        metadata |= {"direction_path": "direction", "outbound_direction_value": "outbound"}
    if chat.ready_type:
        metadata["handshake_ready_message_type"] = chat.ready_type
    return metadata


def plan(options: AgentOptions, server: ServerOptions) -> dict[str, Any]:
    """A small load on that agent, for a plan file beside the agent file."""
    says_first = "wait_for_user" if options.greeting else "speak_first"
    targets = {"allow_private": True} | ({} if server.use_tls else {"allow_plaintext": True})
    return {
        "name": f"reference-{'chat' if options.model_type == CHAT else 'voice'}",
        "agents": ["agent.json"],
        "persona": {"conversation_initiation": says_first, "wait_seconds": 0.5},
        "test_set": [{"id": "order-a-pizza", "turns": [_turn(name, options.model_type) for name in TURNS]}],
        "load": {"concurrency": 5, "simulations": 10},
        **({"tls": {"ca_file": "ca.pem"}} if server.use_tls else {}),
        "targets": targets,
    }


def _turn(name: str, model_type: str) -> dict[str, str]:
    turn = {"type": "text", "text": clip_text(name)}
    return turn | {"audio": f"clips/{name}.flac"} if model_type == VOICE else turn


def _write_clips(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in CLIPS:
        (folder / f"{name}.flac").write_bytes(read_clip(name))
