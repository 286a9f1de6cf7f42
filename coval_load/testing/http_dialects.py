"""The check of dialects over HTTP."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from coval_load.codecs.dialects.http_interface import HttpChatFormat, HttpRequest
from coval_load.codecs.events import Event
from coval_load.codecs.templates import TemplateError
from coval_load.testing.arbitrary import any_json, any_text, as_read, field_names, held_bytes, noise, runs
from coval_load.testing.http_conversations import TIMESTAMP, Answer, Body, Conversation, Setting, read
from coval_load.testing.http_requests import check_request

MOST_OF_AN_ANSWER = 12_500_000
"""How many bytes may be kept of one answer: 10 MB, and a quarter more, as Python takes in advance what grows."""

_FLOOD_BYTES = 15_000_000
_FLOOD_PIECE = 64 * 1024
_LOOKED_AT_EVERY = 16
_TYPES = ("application/json", "text/event-stream", "text/event-stream; charset=utf-8", "text/plain", "")
_JSON_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9]+|true|false|null')

ReadRequest: TypeAlias = Callable[[HttpRequest], str]


@attrs.frozen
class HttpExample:
    """An answer of the agent with status 2xx, and the events it means as the first of a conversation.

    `body` is the whole of it, or a function that makes it for the request it answers. Adjacent pieces of text in
    `events` are one.
    """

    body: Body
    events: Sequence[Event]
    content_type: str = "application/json"


def check_http_dialect(
    format_: HttpChatFormat,
    values: Mapping[str, Any],
    examples: Sequence[HttpExample] = (),
    *,
    discovered: bytes | None = None,
    initialization: bytes = b"{}",
    read_text: ReadRequest | None = None,
    most_runs: int = 100,
) -> None:
    """Check that the dialects which `format_.open(values, discovered)` makes keep the contract.

    Raises `AssertionError` where one does not, or what the dialect itself raised. `initialization` is what the
    initialization endpoint answers, where there is one.

    - Each of `examples`, in a conversation of its own, means exactly its events, also if it comes byte by byte.
    - No answer raises, means nothing, or means something else where it is cut: arbitrary bytes, arbitrary JSON and
      spoiled examples, of any content type. Nor does what was discovered or what the initialization gives, but
      for the `TemplateError` of a value that is not there.
    - Whole conversations go on: texts, results of tools, and asking again while a reply is pending.
    - Each request can be sent as it is (`check_request`), and all but discovery and initialization go to one host.
    - A flood leaves no more than `MOST_OF_AN_ANSWER` bytes in a dialect and its reading, as far as Python sees.
    - `read_text`, an agent's own reading of a request, gives back what was said last, with U+FFFD for each lone
      surrogate.

    `most_runs` is how many inputs are tried for each property.
    """
    setting = Setting(format_, values, discovered, initialization)
    _first_events(setting, Answer(b"{}", "application/json"))
    _check_examples(setting, examples)
    _check_total(setting, examples, most_runs)
    _check_set_up(setting, examples, most_runs)
    _check_bounded(setting, examples)
    if read_text is not None:
        _check_text(setting, examples, read_text, most_runs)


def _check_examples(setting: Setting, examples: Sequence[HttpExample]) -> None:
    for example in examples:
        for cuts in ((), _everywhere(example, setting)):
            came = _first_events(setting, Answer(example.body, example.content_type, cuts))
            if came != list(example.events):
                how = "byte by byte" if cuts else "whole"
                raise AssertionError(f"{example.body!r}, {how}: expected {list(example.events)}; it meant {came}")


def _everywhere(example: HttpExample, setting: Setting) -> list[float]:
    request = setting.open().say("Hi", TIMESTAMP)
    (body,) = Answer(example.body, example.content_type).pieces(request)
    return [place / len(body) for place in range(1, len(body))]


def _first_events(setting: Setting, answer: Answer) -> list[Event]:
    dialect = setting.open()
    request = check_request(dialect.say("Hi", TIMESTAMP))
    return read(dialect.read(answer.content_type), answer.pieces(request))


def _check_total(setting: Setting, examples: Sequence[HttpExample], most_runs: int) -> None:
    from hypothesis import given
    from hypothesis import strategies as st

    answers = _any_answer(setting, examples)
    turns = st.lists(st.tuples(any_text(), st.lists(answers, min_size=1, max_size=4)), min_size=1, max_size=4)

    @runs(most_runs)
    @given(turns, st.booleans())
    def converse(script: list[tuple[str, list[Answer]]], gives_results: bool) -> None:
        conversation = Conversation(setting.open(), gives_results)
        for text, arriving in script:
            if not conversation.is_over:
                conversation.take(text, arriving)

    @runs(most_runs)
    @given(answers)
    def cut(answer: Answer) -> None:
        whole = _first_events(setting, attrs.evolve(answer, cuts=()))
        came = _first_events(setting, answer)
        if came != whole:
            raise AssertionError(f"{answer}: expected {whole}, as if it came whole; it meant {came}")

    converse()
    cut()


def _any_answer(setting: Setting, examples: Sequence[HttpExample]) -> Any:
    from hypothesis import strategies as st

    json_bytes = any_json([*field_names(setting.format_), *_words_of(examples)])
    framed = st.lists(json_bytes, max_size=4).map(lambda datas: b"".join(b"data: %s\n\n" % data for data in datas))
    types = st.sampled_from([*_TYPES, *(example.content_type for example in examples)])
    cuts = st.lists(st.floats(0, 1), max_size=4)
    arbitrary = st.builds(Answer, st.binary() | json_bytes | framed, types, cuts)
    if not examples:
        return arbitrary
    spoiled = st.builds(_spoiled, st.sampled_from(examples), st.integers(0, 1000), json_bytes, cuts)
    good = st.builds(lambda one, cuts: Answer(one.body, one.content_type, cuts), st.sampled_from(examples), cuts)
    return good | spoiled | arbitrary


def _spoiled(example: HttpExample, place: int, value: bytes, cuts: Sequence[float]) -> Answer:
    """The example with `value` in place of one of its JSON's names or values."""

    def spoil(request: HttpRequest) -> bytes:
        (body,) = Answer(example.body, example.content_type).pieces(request)
        tokens = list(_JSON_TOKEN.finditer(body))
        if not tokens:
            return body + value
        token = tokens[place % len(tokens)]
        return body[: token.start()] + value + body[token.end() :]

    return Answer(spoil, example.content_type, cuts)


def _words_of(examples: Sequence[HttpExample]) -> list[str]:
    fixed = [example.body for example in examples if isinstance(example.body, bytes)]
    return [token[1:-1].decode(errors="replace") for body in fixed for token in _JSON_TOKEN.findall(body)]


def _check_set_up(setting: Setting, examples: Sequence[HttpExample], most_runs: int) -> None:
    from hypothesis import given
    from hypothesis import strategies as st

    answers = st.binary() | any_json([*field_names(setting.format_), *_words_of(examples)])
    format_, values = setting.format_, setting.values

    @runs(most_runs)
    @given(answers)
    def discover(answer: bytes) -> None:
        format_.open(values, answer)

    @runs(most_runs)
    @given(answers)
    def initialize(answer: bytes) -> None:
        dialect = format_.open(values, setting.discovered)
        try:
            wrong = dialect.initialized(answer)
            if wrong is None:
                check_request(dialect.say("Hi", TIMESTAMP))
        except TemplateError:
            return
        if wrong is not None and not isinstance(wrong, str):
            raise AssertionError(f"expected from initialized what is wrong, as text, or None; got {wrong!r}")

    if format_.discovery():
        discover()
    if setting.open().initialization() is not None:
        initialize()


def _check_bounded(setting: Setting, examples: Sequence[HttpExample]) -> None:
    endless = noise(_FLOOD_PIECE // 2).hex().encode()
    floods = [(b"", noise(_FLOOD_PIECE)), (b'{"a": "', endless), (b"data: ", endless), (b"", b"data: {}\n" * 7000)]
    for content_type in dict.fromkeys(("application/json", *(one.content_type for one in examples), _TYPES[1])):
        for beginning, piece in floods:
            _flood(setting, content_type, beginning, piece)
    for example in examples:
        (body,) = Answer(example.body, example.content_type).pieces(setting.open().say("Hi", TIMESTAMP))
        _flood(setting, example.content_type, b"", body * (_FLOOD_PIECE // len(body) + 1))


def _flood(setting: Setting, content_type: str, beginning: bytes, piece: bytes) -> None:
    dialect = setting.open()
    dialect.say("Hi", TIMESTAMP)
    before = held_bytes(dialect, setting.format_, setting.values)
    reading = dialect.read(content_type)
    reading.feed(beginning)
    for number in range(_FLOOD_BYTES // len(piece) + 1):
        reading.feed(piece)
        if number % _LOOKED_AT_EVERY == 0:
            grown = held_bytes([dialect, reading], setting.format_, setting.values) - before
            if grown > MOST_OF_AN_ANSWER:
                raise AssertionError(
                    f"expected at most {MOST_OF_AN_ANSWER} bytes kept of an answer ({content_type}); after "
                    f"{(number + 1) * len(piece)} bytes of {(beginning + piece)[:40]!r} there were {grown}"
                )
    reading.end()


def _check_text(setting: Setting, examples: Sequence[HttpExample], read_text: ReadRequest, most_runs: int) -> None:
    from hypothesis import given
    from hypothesis import strategies as st

    between = st.just(None) | st.sampled_from(examples) if examples else st.just(None)

    @runs(most_runs)
    @given(st.lists(st.tuples(any_text(), between), min_size=1, max_size=3))
    def say(script: list[tuple[str, HttpExample | None]]) -> None:
        dialect = setting.open()
        for text, example in script:
            request = dialect.say(text, TIMESTAMP)
            came = read_text(request)
            if came != as_read(text):
                raise AssertionError(f"expected the agent to read {as_read(text)!r}; it read {came!r}")
            if example is not None:
                answer = Answer(example.body, example.content_type)
                read(dialect.read(answer.content_type), answer.pieces(request))
                dialect.heard("So be it", False, TIMESTAMP)

    say()
