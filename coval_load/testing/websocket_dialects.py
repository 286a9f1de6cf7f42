"""The check of dialects over WebSocket."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, get_args

import attrs

from coval_load.codecs.dialects.interface import Dialect, Outgoing
from coval_load.codecs.events import Event
from coval_load.testing.arbitrary import any_json, any_text, as_read, field_names, held_bytes, noise, runs, words_in

MOST_BUFFERED = 512 * 1024
_EVENTS = get_args(Event)
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
      gives anything but events. The examples come among them, and what stands in them.
    - A flood of messages leaves no more than `MOST_BUFFERED` bytes in a dialect, as far as Python sees.
    - `read_text`, an agent's own reading of a text message, gives back what was said, with U+FFFD for
      each lone surrogate. `read_audio` gives back the mono PCM of a frame, byte for byte.

    `most_runs` is how many inputs are tried for each property.
    """
    _check_examples(format_, values, examples)
    _check_total(format_, values, examples, most_runs)
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


def _check_total(format_: Format, values: Mapping[str, Any], examples: Sequence[Example], most_runs: int) -> None:
    from hypothesis import given
    from hypothesis import strategies as st

    known = [_bytes_of(example) for example in examples]
    names = [*field_names(format_), *words_in(known)]
    texts = st.text() | st.just("") | st.sampled_from(names)
    messages = st.binary() | texts.map(_encode_any) | any_json(names)
    if known:
        messages |= st.sampled_from(known)

    @runs(most_runs)
    @given(st.lists(st.tuples(messages, st.booleans()), max_size=5))
    def decode(arriving: list[tuple[bytes, bool]]) -> None:
        dialect = format_.open(values)
        for payload, is_text in arriving:
            for event in dialect.decode(payload, is_text):
                if not isinstance(event, _EVENTS):
                    raise AssertionError(f"expected events from decode; got {event!r}")

    decode()


def _check_bounded(format_: Format, values: Mapping[str, Any], examples: Sequence[Example]) -> None:
    piece = noise(_FLOOD_PIECE + 1)
    floods: list[tuple[bytes, bool]] = [(piece, False), (piece, True), (b'{"' + piece.hex().encode(), True)]
    for example in examples:
        floods.append((_bytes_of(example), isinstance(example.payload, str)))
    for payload, is_text in floods:
        dialect = format_.open(values)
        before = held_bytes(dialect, format_)
        for _ in range(_FLOOD_BYTES // max(len(payload), _FLOOD_PIECE)):
            dialect.decode(payload, is_text)
        grown = held_bytes(dialect, format_) - before
        if grown > MOST_BUFFERED:
            raise AssertionError(
                f"expected at most {MOST_BUFFERED} bytes buffered; a flood of {payload[:40]!r} left {grown}"
            )


def _check_text(format_: Format, values: Mapping[str, Any], read_text: ReadText, most_runs: int) -> None:
    from hypothesis import given

    @runs(most_runs)
    @given(any_text())
    def say(text: str) -> None:
        dialect: Any = format_.open(values)
        came = read_text(dialect.text(text))
        if came != as_read(text):
            raise AssertionError(f"expected the agent to read {as_read(text)!r}; it read {came!r}")

    say()


def _check_audio(format_: Format, values: Mapping[str, Any], read_audio: ReadAudio, most_runs: int) -> None:
    from hypothesis import given
    from hypothesis import strategies as st

    voice: Any = format_

    @runs(most_runs)
    @given(st.binary(max_size=2000))
    def say(data: bytes) -> None:
        pcm = data[: len(data) // 2 * 2]
        dialect = voice.open(values)
        frame = Outgoing(dialect.frame(voice.audio_body(pcm)), dialect.frames_are_text)
        came = read_audio(frame)
        if came != pcm:
            raise AssertionError(f"expected the agent to hear {pcm!r}; it heard {came!r}")

    say()


def _encode_any(text: str) -> bytes:
    return text.encode(errors="replace")


def _bytes_of(example: Example) -> bytes:
    return example.payload.encode() if isinstance(example.payload, str) else example.payload
