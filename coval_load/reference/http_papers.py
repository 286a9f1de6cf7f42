"""The agent files of agents over HTTP: what their options mean in a connect-an-agent body."""

from typing import Any

from coval_load.reference.chat_reply import TOOL
from coval_load.reference.chat_request import WRAPPER
from coval_load.reference.http_chat import CONVERSATION_HEADER, SESSION_HEADER, SIMULATION_HEADER, TOKEN
from coval_load.reference.model_types import CHAT, REALTIME
from coval_load.reference.oauth import CREDENTIALS, FORM
from coval_load.reference.options import AgentOptions

NAMES_SIMULATION = {SIMULATION_HEADER: "{{simulation_output_id}}"}
NAMES_SESSION = {SESSION_HEADER: "{{sessionId}}", CONVERSATION_HEADER: "{{init_response.conversation.id}}"}
TEMPLATE = (
    '{"history": {{messages}}, "latest": "{{latest_message}}", "session": "{{sessionId}}",'
    ' "simulation": "{{simulation_output_id}}"}'
)
TOOL_RESULTS = [{"tool": TOOL, "result": {"status": "shipped"}}]


def http_metadata(options: AgentOptions, endpoint: str, setup_url: str) -> dict[str, Any]:
    """`metadata` for a chat or an A2A agent that is reached at `endpoint`."""
    metadata: dict[str, Any] = {"chat_endpoint": endpoint, "custom_headers": dict(NAMES_SIMULATION)}
    metadata |= _chat(options, setup_url) if options.model_type == CHAT else _a2a(options, setup_url)
    if options.streaming.stream is not None:
        metadata["stream"] = options.streaming.stream
    return metadata


def tool_results(options: AgentOptions) -> list[dict[str, Any]]:
    """What a test case answers to the tools that the agent calls; empty where it calls none."""
    calls = options.http_chat.tool_rounds or any(m.kind == "endless-tool-call" for m in options.misbehaviours)
    return TOOL_RESULTS if calls and options.model_type in (CHAT, *REALTIME) else []


def _chat(options: AgentOptions, setup_url: str) -> dict[str, Any]:
    chat = options.http_chat
    metadata: dict[str, Any] = {}
    if chat.api != "standard":
        metadata |= {"model": "reference", "system_prompt": "You repeat what you hear.", "authentication_token": TOKEN}
    if chat.api == "responses":
        metadata["response_format"] = "responses"
    if chat.initialization:
        metadata |= {
            "initialization_endpoint": setup_url,
            "initialization_payload": {"simulation_output_id": "{{simulation_output_id}}", "channel": "load-test"},
            "custom_headers": NAMES_SIMULATION | NAMES_SESSION,
        }
    if chat.template:
        metadata |= _template(options)
    return metadata


def _template(options: AgentOptions) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "input_template": TEMPLATE,
        "payload_wrapper": WRAPPER,
        "response_message_path": "data.reply.text",
    }
    if tool_results(options):
        metadata["tool_call_extraction_config"] = {
            "tool_calls_path": "data.reply.tool_calls",
            "id_path": "id",
            "name_path": "name",
            "arguments_path": "arguments",
        }
    return metadata


def _a2a(options: AgentOptions, setup_url: str) -> dict[str, Any]:
    if not options.a2a.oauth:
        return {}
    return {
        "initialization_endpoint": setup_url,
        "initialization_payload": dict(CREDENTIALS),
        "initialization_content_type": FORM,
    }
