"""The kinds of agent that can be connected, and what people call them."""

import enum


class ModelType(enum.StrEnum):
    """`model_type` of the connect-an-agent body ("Connect an agent", Body)."""

    VOICE = "MODEL_TYPE_VOICE"
    OUTBOUND_VOICE = "MODEL_TYPE_OUTBOUND_VOICE"
    CHAT = "MODEL_TYPE_CHAT"
    CHAT_A2A = "MODEL_TYPE_CHAT_A2A"
    CHAT_WEBSOCKET = "MODEL_TYPE_CHAT_WEBSOCKET"
    SMS = "MODEL_TYPE_SMS"
    WEBSOCKET = "MODEL_TYPE_WEBSOCKET"
    OPENAI_REALTIME = "MODEL_TYPE_OPENAI_REALTIME"
    GEMINI_REALTIME = "MODEL_TYPE_GEMINI_REALTIME"

    @property
    def description(self) -> str:
        """The name for people."""
        return _DESCRIPTIONS[self]

    @property
    def is_voice(self) -> bool:
        """Whether the caller speaks, rather than writes."""
        return self not in (ModelType.CHAT, ModelType.CHAT_A2A, ModelType.CHAT_WEBSOCKET, ModelType.SMS)

    @property
    def most_at_once(self) -> int | None:
        """Simultaneous simulations of one agent that the documents allow; None where they name no limit."""
        return 8 if self is ModelType.CHAT_WEBSOCKET else None


_DESCRIPTIONS = {
    ModelType.VOICE: "inbound voice calls",
    ModelType.OUTBOUND_VOICE: "outbound voice calls",
    ModelType.CHAT: "chat over HTTP",
    ModelType.CHAT_A2A: "chat over A2A JSON-RPC",
    ModelType.CHAT_WEBSOCKET: "chat over WebSocket",
    ModelType.SMS: "SMS",
    ModelType.WEBSOCKET: "voice over WebSocket",
    ModelType.OPENAI_REALTIME: "OpenAI Realtime",
    ModelType.GEMINI_REALTIME: "Gemini Live",
}
