"""Checks for whoever adds an agent protocol: call `check_dialect` from your tests.

Needs Hypothesis (`pip install hypothesis`), which is loaded when a check runs.
"""

import gc
import json
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import attrs

from coval_load.codecs.dialects.interface import Dialect, Outgoing
from coval_load.codecs.events import (
    AgentEventReceived,
    AudioReceived,
    Event,
    MessageIgnored,
    ReadyReceived,
    TextReceived,
    Violation,
)

MOST_BUFFERED = 512 * 1024
_EVENTS = (AgentEventReceived, AudioReceived, MessageIgnored, ReadyReceived, TextReceived, Violation)
_NOT_BUFFERS = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType)
_FLOOD_BYTES = 4 * MOST_BUFFERED
_FLOOD_PIECE = 4096


class Format(Protocol):
    """A `VoiceFormat` or a `ChatFormat`."""

    def open(self, values: Mapping[str, Any]) -> Dialect:
        """The dialect of one simulation."""
        ...


@attrs.frozen
class Example:
    """A message from the agent and the events it means. A `str` payload is a text message."""

    payload: str | bytes
    events: Sequence[Event]

    def decode(self, dialect: Dialect) -> Sequence[Event]:
        """What `dialect` makes of the message."""
        if isinstance(self.payload, str):
            return dialect.decode(self.payload.encode(), True)
        return dialect.decode(self.payload, False)


ReadText: TypeAlias = Callable[[Outgoing], str]
ReadAudio: TypeAlias = Callable[[Outgoing], bytes]


def check_dialect(
    format_: Format,
    values: Mapping[str, Any],
    examples: Sequence[Example] = (),
    *,
    read_text: ReadText | None = None,
    read_audio: ReadAudio | None = None,
    most_runs: int = 100,
) -> None:
    """Check that the dialects which `format_.open(values)` makes keep the contract.

    Raises `AssertionError` where one does not, or what the dialect itself raised.

    - Each of `examples`, in a dialect of its own, means exactly its events.
    - No message of arbitrary bytes or arbitrary JSON, text or binary, alone or after another, raises or
      gives anything but events.
    - A flood of messages leaves no more than `MOST_BUFFERED` bytes in a dialect, as far as Python sees.
    - `read_text`, an agent's own reading of a text message, gives back what was said, with U+FFFD for
      each lone surrogate. `read_audio` gives back the mono PCM of a frame, byte for byte.

    `most_runs` is how many inputs are tried for each property.
    """
    _check_examples(format_, values, examples)
    _check_total(format_, values, most_runs)
    _check_bounded(format_, values, examples)
    if read_text is not None:
        _check_text(format_, values, read_text, most_runs)
    if read_audio is not None:
        _check_audio(format_, values, read_audio, most_runs)


def _check_examples(format_: Format, values: Mapping[str, Any], examples: Sequence[Example]) -> None:
    for example in examples:
        came = list(example.decode(format_.open(values)))
        if came != list(example.events):
            raise AssertionError(f"{example.payload!r}: expected {list(example.events)}; decode gave {came}")


def _check_total(format_: Format, values: Mapping[str, Any], most_runs: int) -> None:
    from hypothesis import given
    from hypothesis import strategies as st

    texts = st.text() | st.just("") | st.sampled_from(_field_names(format_))
    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=12,
    )
    messages = st.binary() | texts.map(_encode_any) | json_values.map(_json_bytes)

    @_bounded(most_runs)
    @given(st.lists(st.tuples(messages, st.booleans()), max_size=5))
    def decode(arriving: list[tuple[bytes, bool]]) -> None:
        dialect = format_.open(values)
        for payload, is_text in arriving:
            for event in dialect.decode(payload, is_text):
                if not isinstance(event, _EVENTS):
                    raise AssertionError(f"expected events from decode; got {event!r}")

    decode()


def _check_bounded(format_: Format, values: Mapping[str, Any], examples: Sequence[Example]) -> None:
    noise = bytes((number * 167 + number // 251) % 256 for number in range(_FLOOD_PIECE + 1))
    floods: list[tuple[bytes, bool]] = [(noise, False), (noise, True), (b'{"' + noise.hex().encode(), True)]
    for example in examples:
        floods.append(
            (example.payload.encode(), True) if isinstance(example.payload, str) else (example.payload, False)
        )
    for payload, is_text in floods:
        dialect = format_.open(values)
        before = _held_bytes(dialect, format_)
        for _ in range(_FLOOD_BYTES // max(len(payload), _FLOOD_PIECE)):
            dialect.decode(payload, is_text)
        grown = _held_bytes(dialect, format_) - before
        if grown > MOST_BUFFERED:
            raise AssertionError(
                f"expected at most {MOST_BUFFERED} bytes buffered; a flood of {payload[:40]!r} left {grown}"
            )


def _check_text(format_: Format, values: Mapping[str, Any], read_text: ReadText, most_runs: int) -> None:
    from hypothesis import given
    from hypothesis import strategies as st

    @_bounded(most_runs)
    @given(
        st.text(st.characters(exclude_categories=()), max_size=200)
        | st.sampled_from(("{{message}}", '"}', "\\u0041", "\0"))
    )
    def say(text: str) -> None:
        dialect: Any = format_.open(values)
        came = read_text(dialect.text(text))
        expected = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
        if came != expected:
            raise AssertionError(f"expected the agent to read {expected!r}; it read {came!r}")

    say()


def _check_audio(format_: Format, values: Mapping[str, Any], read_audio: ReadAudio, most_runs: int) -> None:
    from hypothesis import given
    from hypothesis import strategies as st

    voice: Any = format_

    @_bounded(most_runs)
    @given(st.binary(max_size=2000))
    def say(data: bytes) -> None:
        pcm = data[: len(data) // 2 * 2]
        dialect = voice.open(values)
        frame = Outgoing(dialect.frame(voice.audio_body(pcm)), dialect.frames_are_text)
        came = read_audio(frame)
        if came != pcm:
            raise AssertionError(f"expected the agent to hear {pcm!r}; it heard {came!r}")

    say()


def _bounded(most_runs: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    from hypothesis import HealthCheck, settings

    return settings(
        max_examples=most_runs,
        deadline=None,
        # The checks make their functions afresh, so what is kept by function is never found again.
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


def _field_names(format_: Format) -> list[str]:
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


def _encode_any(text: str) -> bytes:
    return text.encode(errors="replace")


def _json_bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()


def _held_bytes(dialect: Dialect, format_: Format) -> int:
    """Size of all that can be reached from `dialect`, but for its format."""
    seen = {id(format_)}
    held = 0
    pending: list[Any] = [dialect]
    while pending:
        value = pending.pop()
        if id(value) not in seen and not isinstance(value, _NOT_BUFFERS):
            seen.add(id(value))
            held += sys.getsizeof(value)
            pending.extend(gc.get_referents(value))
    return held
