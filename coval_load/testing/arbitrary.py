"""What the checks of all dialects share: arbitrary input, and how much of it a dialect keeps."""

import contextlib
import gc
import json
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

import attrs

_NOT_BUFFERS = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType)


def runs(most_runs: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Settings of Hypothesis for a check."""
    from hypothesis import HealthCheck, Phase, settings

    return settings(
        max_examples=most_runs,
        deadline=None,
        # The checks make their functions afresh, so what is kept by function is never found again.
        database=None,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


def any_json(words: Iterable[str]) -> Any:
    """A strategy for JSON as bytes, in whose keys and texts `words` often stand."""
    from hypothesis import strategies as st

    texts = st.text() | st.just("") | st.sampled_from([*words, ""])
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=12,
    )
    return values.map(_json_bytes)


def any_text() -> Any:
    """A strategy for what a caller may say: any characters, halves of them included, and what looks like syntax."""
    from hypothesis import strategies as st

    hostile = st.sampled_from(("{{message}}", '"}', "\\u0041", "\0"))
    return st.text(st.characters(exclude_categories=()), max_size=200) | hostile


def as_read(text: str) -> str:
    """`text` as it arrives: with U+FFFD for each lone surrogate, which UTF-8 cannot carry."""
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)


def field_names(format_: object) -> list[str]:
    """Texts out of the format itself: without its own keys, arbitrary JSON hardly gets anywhere."""
    found = ["session_id", "event"]
    kind = type(format_)
    names = [field.name for field in attrs.fields(kind)] if attrs.has(kind) else []
    fields = [getattr(format_, name) for name in names]
    for value in fields:
        members = value if isinstance(value, tuple | list) else [value]
        for member in members:
            if isinstance(member, str):
                found.extend([member, *member.split(".")])
    return found


def words_in(payloads: Iterable[bytes]) -> list[str]:
    """The keys and texts of those of `payloads` that are JSON, each once."""
    found: dict[str, None] = {}
    pending: list[Any] = []
    for payload in payloads:
        with contextlib.suppress(ValueError):
            pending.append(json.loads(payload))
    while pending:
        match pending.pop():
            case str() as text:
                found[text] = None
            case dict() as members:
                found.update(dict.fromkeys(members))
                pending.extend(members.values())
            case list() as items:
                pending.extend(items)
    return list(found)


def noise(length: int) -> bytes:
    """`length` bytes that mean nothing, and the same each time."""
    return bytes((number * 167 + number // 251) % 256 for number in range(length))


def held_bytes(holder: object, *others: object) -> int:
    """Size of all that can be reached from `holder`, but for what is reached through `others`."""
    seen = {id(other) for other in others}
    held = 0
    pending: list[Any] = [holder]
    while pending:
        value = pending.pop()
        if id(value) not in seen and not isinstance(value, _NOT_BUFFERS):
            seen.add(id(value))
            held += sys.getsizeof(value)
            pending.extend(gc.get_referents(value))
    return held


def _json_bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()
