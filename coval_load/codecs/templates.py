"""Templates: JSON text, or parsed JSON, with `{{name}}` and `{{path.to.field}}` in it.

Inside of a JSON string a value is put in as JSON-escaped text, outside of one as its JSON encoding. A
value is never scanned for placeholders again. `{{` that is followed by no `}}` before the next brace,
quote or backslash is text like any other.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import attrs
import orjson

from coval_load.codecs.encoding import as_text, encode_json, escape
from coval_load.codecs.paths import NOT_THERE, Path

Allowed: TypeAlias = Iterable[str] | Callable[[str], bool]
"""The names a template may use.

`agent.*` stands for every path that begins with `agent.`, `*` for every path whose first step none of the
other names begins with.
"""

_PLACEHOLDER = re.compile(r'\{\{([^{}"\\]*)\}\}')
_NAME = re.compile(r"[^\s.]+(?:\.[^\s.]+)*")
_TOKEN = re.compile(r'\\.|"|' + _PLACEHOLDER.pattern, re.DOTALL)
_TOO_DEEP = "nested too deeply; expected JSON of a few hundred levels at most"
_RAW_NAMES = frozenset({"audio_data", "media_data"})
# A key takes only a string and a digit may stick to its neighbour: what is JSON with both of these
# for every placeholder outside of a string is JSON with any value.
_PROBES = (b'"probe"', b"0")


class TemplateError(Exception):
    """A template that can't be used, or not with these values.

    `template` is the name of the option it comes from, `placeholder` the name in braces, or None where
    the fault is the template's as a whole; `problem` says what is wrong.
    """

    def __init__(self, template: str, placeholder: str | None, problem: str) -> None:
        self.template = template
        self.placeholder = placeholder
        self.problem = problem
        super().__init__(f"{template}: {self.detail}")

    @property
    def detail(self) -> str:
        """The message without the template's name."""
        if self.placeholder is None:
            return self.problem
        return f"{{{{{self.placeholder}}}}}: {self.problem}"


@attrs.frozen
class _Slot:
    name: str
    path: Path
    quoted: bool

    def encode(self, values: Mapping[str, Any], template: str) -> bytes:
        value = _look_up(self.path, values, template)
        try:
            return escape(as_text(value)) if self.quoted else encode_json(value)
        except ValueError as error:
            raise TemplateError(template, self.name, str(error)) from error


_Part: TypeAlias = bytes | _Slot


@attrs.frozen
class Template:
    """A template of JSON text, parsed once and rendered often."""

    name: str
    parts: tuple[_Part, ...] = attrs.field(repr=False)  # an agent's templates may hold its keys

    @classmethod
    def parse(cls, text: str, *, name: str, allowed: Allowed | None = None) -> "Template":
        """Read `text`; `name` is what errors call it, `allowed` limits the placeholders (None: any).

        Raises `TemplateError` for a name that isn't allowed and for text that no values make JSON.
        """
        template = cls(name, tuple(_merged(_parts(text, name, _Names.of(allowed)))))
        for probe in _PROBES:
            template._prove(probe)
        return template

    @property
    def names(self) -> frozenset[str]:
        """The placeholders that are still to be filled."""
        return frozenset(part.name for part in self.parts if isinstance(part, _Slot))

    @property
    def is_raw(self) -> bool:
        """Whether it is `{{audio_data}}` or `{{media_data}}` and nothing else: raw bytes are sent."""
        first, *others = self.parts
        return not others and isinstance(first, _Slot) and first.name in _RAW_NAMES

    def render(self, values: Mapping[str, Any]) -> bytes:
        """UTF-8 JSON with `values` in it. Raises `TemplateError` where one is missing."""
        return b"".join(_bytes_of(part, values, self.name) for part in self.parts)

    def partial(self, values: Mapping[str, Any]) -> "Template":
        """The template with those placeholders filled whose first step `values` has.

        Raises `TemplateError` where a later step leads nowhere.
        """
        if not any(isinstance(part, _Slot) and part.path.segments[0] in values for part in self.parts):
            return self  # for every caller the same one
        filled = (
            part if isinstance(part, bytes) or part.path.segments[0] not in values else part.encode(values, self.name)
            for part in self.parts
        )
        return Template(self.name, tuple(_merged(filled)))

    def around(self, name: str) -> tuple[bytes, ...]:
        """What stands before, between and after the places of `name`, so that `text.join` renders it.

        `text` has to be escaped text without its quotes (base64 is so by nature); quotes of a place
        outside of a string are in the pieces. Raises `TemplateError` if another placeholder is unfilled.
        """
        pieces = [b""]
        for part in self.parts:
            if isinstance(part, bytes):
                pieces[-1] += part
            elif part.name != name:
                raise TemplateError(self.name, part.name, "no such value")
            else:
                quote = b"" if part.quoted else b'"'
                pieces[-1] += quote
                pieces.append(quote)
        return tuple(pieces)

    def _prove(self, probe: bytes) -> None:
        # `?` can continue no escape sequence, so `"\u00{{x}}"` is found out too.
        text = b"".join(part if isinstance(part, bytes) else (b"?" if part.quoted else probe) for part in self.parts)
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise TemplateError(
                self.name, None, f"expected text that is JSON once its placeholders are filled: {error}"
            ) from error


@attrs.frozen
class JsonTemplate:
    """Parsed JSON with placeholders in its strings, at any depth, object keys included."""

    name: str
    value: Any = attrs.field(repr=False)

    @classmethod
    def parse(cls, value: Any, *, name: str, allowed: Allowed | None = None) -> "JsonTemplate":
        """Check the placeholders of `value`. Raises `TemplateError` for one that isn't allowed."""
        known = _Names.of(allowed)
        template = cls(name, value)
        try:
            for placeholder in template._placeholders():
                known.check(placeholder, name)
        except RecursionError as error:
            raise TemplateError(name, None, _TOO_DEEP) from error
        return template

    @property
    def names(self) -> frozenset[str]:
        """The placeholders in it."""
        return frozenset(self._placeholders())

    def fill(self, values: Mapping[str, Any]) -> Any:
        """A copy with `values` put into its strings as text. Raises `TemplateError` where one is missing.

        A string stays a string, also where it is one placeholder and nothing else.
        """
        try:
            return self._fill(self.value, values)
        except RecursionError as error:
            raise TemplateError(self.name, None, _TOO_DEEP) from error

    def _placeholders(self) -> Iterator[str]:
        for text in _strings(self.value):
            for match in _PLACEHOLDER.finditer(text):
                yield match[1].strip()

    def _fill(self, value: Any, values: Mapping[str, Any]) -> Any:
        match value:
            case str():
                return self._fill_text(value, values)
            case dict():
                return {self._fill_text(key, values): self._fill(member, values) for key, member in value.items()}
            case list() | tuple():
                return [self._fill(member, values) for member in value]
            case _:
                return value

    def _fill_text(self, text: str, values: Mapping[str, Any]) -> str:
        def value_of(match: re.Match[str]) -> str:
            placeholder = match[1].strip()
            value = _look_up(Path.parse(placeholder), values, self.name)
            try:
                return as_text(value)
            except ValueError as error:
                raise TemplateError(self.name, placeholder, str(error)) from error

        return _PLACEHOLDER.sub(value_of, text) if "{{" in text else text


def fill_json(value: Any, values: Mapping[str, Any], *, name: str = "template") -> Any:
    """`value` with its placeholders filled: `JsonTemplate.parse` and `fill` in one."""
    return JsonTemplate.parse(value, name=name).fill(values)


def _parts(text: str, template: str, known: "_Names") -> Iterator[_Part]:
    in_string = False
    end = 0
    for token in _TOKEN.finditer(text):
        if token[0] == '"':
            in_string = not in_string
        if token[1] is None:
            continue
        name = token[1].strip()
        known.check(name, template)
        yield _utf8(text[end : token.start()], template)
        yield _Slot(name, Path.parse(name), quoted=in_string)
        end = token.end()
    yield _utf8(text[end:], template)


def _merged(parts: Iterable[_Part]) -> Iterator[_Part]:
    literal = b""
    for part in parts:
        if isinstance(part, bytes):
            literal += part
            continue
        if literal:
            yield literal
        literal = b""
        yield part
    if literal:
        yield literal


def _utf8(text: str, template: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise TemplateError(template, None, f"expected text; character {error.start} is half of one") from error


@attrs.frozen
class _Names:
    """`Allowed`, with words for it."""

    is_known: Callable[[str], bool]
    expected: str = "nothing is put in here"

    @classmethod
    def of(cls, allowed: Allowed | None) -> "_Names":
        if allowed is None:
            return cls(lambda _: True)
        if callable(allowed):
            return cls(allowed)
        names = tuple(allowed)
        starts = tuple(name.removesuffix("*") for name in names if name.endswith(".*"))
        taken = frozenset(name.partition(".")[0] for name in names)

        def is_known(name: str) -> bool:
            return name in names or name.startswith(starts) or ("*" in names and name.partition(".")[0] not in taken)

        return cls(is_known, f"expected one of {', '.join(names)}")

    def check(self, placeholder: str, template: str) -> None:
        if not _NAME.fullmatch(placeholder):
            raise TemplateError(template, placeholder, "expected a name, or names joined by dots, in the braces")
        if not self.is_known(placeholder):
            raise TemplateError(template, placeholder, f"no such name; {self.expected}")


def _look_up(path: Path, values: Mapping[str, Any], template: str) -> Any:
    root = values.get(path.segments[0], NOT_THERE)
    found = Path(path.segments[1:]).find(root)
    if found is NOT_THERE:
        raise TemplateError(template, str(path), "no such value in this simulation")
    return found


def _bytes_of(part: _Part, values: Mapping[str, Any], template: str) -> bytes:
    return part if isinstance(part, bytes) else part.encode(values, template)


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            yield from value
            for member in value.values():
                yield from _strings(member)
        case list() | tuple():
            for member in value:
                yield from _strings(member)
