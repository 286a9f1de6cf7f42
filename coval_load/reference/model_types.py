"""The model types there are reference agents for, and how they are named on the command line."""

from typing import Any

import click

VOICE = "MODEL_TYPE_WEBSOCKET"
CHAT_WEBSOCKET = "MODEL_TYPE_CHAT_WEBSOCKET"
CHAT = "MODEL_TYPE_CHAT"
CHAT_A2A = "MODEL_TYPE_CHAT_A2A"
OPENAI_REALTIME = "MODEL_TYPE_OPENAI_REALTIME"
GEMINI_REALTIME = "MODEL_TYPE_GEMINI_REALTIME"
MODEL_TYPES = (VOICE, CHAT_WEBSOCKET, CHAT, CHAT_A2A, OPENAI_REALTIME, GEMINI_REALTIME)
OVER_HTTP = (CHAT, CHAT_A2A)
REALTIME = (OPENAI_REALTIME, GEMINI_REALTIME)
SPEAKING = (VOICE, *REALTIME)

_PREFIX = "MODEL_TYPE_"
_CALLED = {
    "voice": VOICE,
    "chat": CHAT,
    "chat_a2a": CHAT_A2A,
    "chat_websocket": CHAT_WEBSOCKET,
    "openai_realtime": OPENAI_REALTIME,
    "gemini_realtime": GEMINI_REALTIME,
}


class ModelTypeName(click.ParamType[str]):
    """`voice`, `websocket` or `MODEL_TYPE_WEBSOCKET` -> `MODEL_TYPE_WEBSOCKET`."""

    name = "model type"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The full name of a model type that there is a reference agent for."""
        full: str = _CALLED.get(value.lower(), value.upper())
        full = full if full.startswith(_PREFIX) else _PREFIX + full
        if full not in MODEL_TYPES:
            self.fail(f"expected one of {', '.join((*_CALLED, *MODEL_TYPES))}; got {value!r}", param, ctx)
        return full

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """What stands in `--help`: not that full names are taken, too."""
        return f"[{'|'.join(_CALLED)}]"


MODEL_TYPE = ModelTypeName()
