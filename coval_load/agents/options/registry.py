"""Which options class reads `metadata` of which model type: what can be simulated."""

from collections.abc import Mapping

from coval_load.agents.model_types import ModelType
from coval_load.agents.options.chat import ChatOptions
from coval_load.agents.options.chat_a2a import ChatA2AOptions
from coval_load.agents.options.chat_websocket import ChatWebSocketOptions
from coval_load.agents.options.gemini_realtime import GeminiRealtimeOptions
from coval_load.agents.options.openai_realtime import OpenAIRealtimeOptions
from coval_load.agents.options.websocket import WebSocketOptions

OPTIONS: Mapping[str, type] = {
    ModelType.WEBSOCKET: WebSocketOptions,
    ModelType.CHAT_WEBSOCKET: ChatWebSocketOptions,
    ModelType.CHAT: ChatOptions,
    ModelType.CHAT_A2A: ChatA2AOptions,
    ModelType.OPENAI_REALTIME: OpenAIRealtimeOptions,
    ModelType.GEMINI_REALTIME: GeminiRealtimeOptions,
}
