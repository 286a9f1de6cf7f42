"""How a model type is named on the command line: in full, by its end in lower case, or as what people call it."""

from typing import Any

import click

from coval_load.reference.options import CHAT, VOICE

_PREFIX = "MODEL_TYPE_"
_CALLED = {"voice": VOICE, "chat": CHAT}


class ModelTypeName(click.ParamType[str]):
    """`voice`, `websocket` or `MODEL_TYPE_WEBSOCKET` -> `MODEL_TYPE_WEBSOCKET`."""

    name = "model type"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The full name of a model type that there is a reference agent for."""
        full: str = _CALLED.get(value.lower(), value.upper())
        full = full if full.startswith(_PREFIX) else _PREFIX + full
        if full not in (VOICE, CHAT):
            self.fail(f"expected one of {', '.join((*_CALLED, VOICE, CHAT))}; got {value!r}", param, ctx)
        return full

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """What stands in `--help`."""
        return f"[{'|'.join((*_CALLED, VOICE, CHAT))}]"


MODEL_TYPE = ModelTypeName()
