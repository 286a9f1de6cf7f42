"""`input_template`: JSON text with placeholders, or an object that stands for such text."""

import json
import re
from typing import Any

import attrs

from coval_load.limits import Wrong

_PLACEHOLDER = re.compile(r'\{\{([^{}"\\]*)\}\}')


@attrs.frozen
class InputTemplate:
    """JSON text as it is, or an object as the text that encodes it ("Input Template").

    In an object there are no values without quotes, so a string in it that is one placeholder and nothing
    else takes the value as it is: `{"messages": "{{messages}}"}` is the text `{"messages": {{messages}}}`.
    """

    expected: str = "JSON text with placeholders, or an object"

    def read(self, raw: Any) -> Any:
        if isinstance(raw, str):
            return raw
        if not isinstance(raw, dict):
            return Wrong(self.expected, raw)
        try:
            return _text(raw)
        except (TypeError, ValueError):
            return Wrong("an object of JSON values only", raw)


def _text(value: Any) -> str:
    match value:
        case str():
            return value if _PLACEHOLDER.fullmatch(value) else _quoted(value)
        case dict():
            return "{" + ", ".join(f"{_key(key)}: {_text(child)}" for key, child in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_text, value)) + "]"
        case _:
            return json.dumps(value, allow_nan=False)


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError
    return _quoted(key)


def _quoted(text: str) -> str:
    # Within braces nothing is escaped, or the placeholder would be text like any other.
    return json.dumps(_PLACEHOLDER.sub(lambda found: f"{{{{{found[1].strip()}}}}}", text), ensure_ascii=False)
