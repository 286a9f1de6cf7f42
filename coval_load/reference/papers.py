"""What a reference agent leaves for its callers: the connect-an-agent body, a plan, the clips it names."""

import json
from pathlib import Path
from typing import Any

import attrs
import yaml

from coval_load.codecs.audio.packaged import CLIPS, clip_text, read_clip
from coval_load.reference.a2a import ENDPOINT as A2A_ENDPOINT
from coval_load.reference.http_chat import ENDPOINTS, SETUP
from coval_load.reference.http_papers import http_metadata, tool_results
from coval_load.reference.model_types import (
    CHAT,
    CHAT_A2A,
    CHAT_WEBSOCKET,
    GEMINI_REALTIME,
    OPENAI_REALTIME,
    OVER_HTTP,
    REALTIME,
    SPEAKING,
    VOICE,
)
from coval_load.reference.oauth import TOKEN_PATH
from coval_load.reference.options import AgentOptions, ServerOptions
from coval_load.reference.realtime.gates import OPENAI_PATH
from coval_load.reference.realtime.papers import realtime_metadata

TURNS = ("pizza-order", "pizza-size", "thanks-bye")
INITIALIZATION = {"type": "start", "simulation_output_id": "{{simulation_output_id}}"}
WEBSOCKET_URL_PATH = "data.websocket_url"
KINDS = {
    VOICE: "voice",
    CHAT_WEBSOCKET: "chat",
    CHAT: "HTTP chat",
    CHAT_A2A: "A2A",
    OPENAI_REALTIME: "OpenAI Realtime",
    GEMINI_REALTIME: "Gemini Live",
}


@attrs.frozen
class Address:
    """Where the agent is reached, and where a conversation is set up before it begins, by HTTP."""

    endpoint: str
    setup_url: str

    @classmethod
    def of(cls, options: AgentOptions, host: str, port: int, use_tls: bool) -> "Address":
        """The addresses of an agent with these options that listens on this port."""
        s = "s" if use_tls else ""
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        over_websocket, over_http = f"ws{s}://{authority}", f"http{s}://{authority}"
        match options.model_type:
            case "MODEL_TYPE_WEBSOCKET":
                return cls(f"{over_websocket}/voice", over_http + SETUP)
            case "MODEL_TYPE_CHAT":
                return cls(over_http + ENDPOINTS[options.http_chat.api], over_http + SETUP)
            case "MODEL_TYPE_CHAT_A2A":
                return cls(over_http + A2A_ENDPOINT, over_http + TOKEN_PATH)
            case "MODEL_TYPE_OPENAI_REALTIME":
                return cls(over_websocket + OPENAI_PATH, over_http + SETUP)
            case "MODEL_TYPE_GEMINI_REALTIME":
                return cls(over_websocket, over_http + SETUP)
            case _:
                return cls(f"{over_websocket}/chat", over_http + SETUP)


@attrs.frozen
class Papers:
    """The files that were written."""

    agent: Path
    plan: Path


def write_papers(options: AgentOptions, server: ServerOptions, address: Address) -> Papers:
    """Writes `agent.json`, `plan.yaml` and for agents that speak `clips/` into `server.out`, where the CA file is."""
    papers = Papers(server.out / "agent.json", server.out / "plan.yaml")
    body = agent_body(options, server, address)
    papers.agent.write_text(json.dumps(body, indent=2) + "\n", "utf-8")
    papers.plan.write_text(yaml.safe_dump(plan(options, server), sort_keys=False), "utf-8")
    if options.model_type in SPEAKING:
        _write_clips(server.out / "clips")
    return papers


def agent_body(options: AgentOptions, server: ServerOptions, address: Address) -> dict[str, Any]:
    """The connect-an-agent body that fits an agent with these options."""
    if options.model_type in OVER_HTTP:
        metadata = http_metadata(options, address.endpoint, address.setup_url)
    elif options.model_type in REALTIME:
        metadata = realtime_metadata(options, address.endpoint)
    else:
        metadata = _websocket_metadata(options, server, address)
    name = f"reference {KINDS[options.model_type]} agent"
    return {"display_name": name, "model_type": options.model_type, "metadata": metadata}


def _websocket_metadata(options: AgentOptions, server: ServerOptions, address: Address) -> dict[str, Any]:
    metadata: dict[str, Any] = {"endpoint": address.endpoint}
    if server.http_first:
        metadata = {
            "connection_mode": "http_first",
            "http_url": address.setup_url,
            "http_request_body": {"channel": "load-test"},
            "websocket_url_response_path": WEBSOCKET_URL_PATH,
        }
    metadata["initialization_json"] = INITIALIZATION
    return metadata | (_voice_metadata(options, server) if options.model_type == VOICE else _chat_metadata(options))


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
        "name": f"reference-{'voice' if options.model_type in SPEAKING else 'chat'}",
        "agents": ["agent.json"],
        "persona": {"conversation_initiation": says_first, "wait_seconds": 0.5},
        "test_set": [_test_case(options)],
        "load": {"concurrency": 5, "simulations": 10},
        **({"tls": {"ca_file": "ca.pem"}} if server.use_tls else {}),
        "targets": targets,
    }


def _test_case(options: AgentOptions) -> dict[str, Any]:
    case: dict[str, Any] = {"id": "order-a-pizza", "turns": [_turn(name, options.model_type) for name in TURNS]}
    results = tool_results(options)
    return case | ({"tool_results": results} if results else {})


def _turn(name: str, model_type: str) -> dict[str, str]:
    turn = {"type": "text", "text": clip_text(name)}
    return turn | {"audio": f"clips/{name}.flac"} if model_type in SPEAKING else turn


def _write_clips(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in CLIPS:
        (folder / f"{name}.flac").write_bytes(read_clip(name))
