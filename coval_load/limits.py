"""Markers for `typing.Annotated`: what a value must keep to, and how text is read into one."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, ClassVar, Protocol, runtime_checkable

import attrs

from coval_load.faults import Fault
from coval_load.json_text import read_json


@attrs.frozen
class Wrong:
    """What was expected of a value, and the value that came: shown only when the message is made."""

    NOTHING: ClassVar[object] = object()
    UNSEEN: ClassVar[object] = object()
    HIDDEN: ClassVar[object] = object()

    expected: str
    got: Any = UNSEEN
    path: str = ""
    message: str | None = None

    @classmethod
    def of(cls, fault: Fault) -> "Wrong":
        """A fault whose message is complete."""
        return cls("", path=fault.path, message=fault.message)

    def under(self, prefix: str) -> "Wrong":
        """The same, seen from a document that holds this one at `prefix`."""
        return attrs.evolve(self, path=Fault(self.path, "").under(prefix).path)

    def hidden(self) -> "Wrong":
        """The same for a secret: what came is `***`, but for nothing and an empty text."""
        has_none = self.got is Wrong.NOTHING or self.got == ""
        return attrs.evolve(self, got=self.got if has_none else Wrong.HIDDEN)

    def fault(self, redact: Callable[[Any], Any]) -> Fault:
        """The message for people; `redact` is applied to what came."""
        if self.message is not None:
            return Fault(self.path, self.message)
        if self.got is Wrong.UNSEEN:
            return Fault(self.path, f"expected {self.expected}")
        words = {id(Wrong.NOTHING): "nothing", id(Wrong.HIDDEN): "***"}.get(id(self.got))
        return Fault(self.path, f"expected {self.expected}; got {words or show(redact(self.got))}")


@runtime_checkable
class Reader(Protocol):
    """A marker that turns what stands in a document into what the type asks for."""

    expected: str

    def read(self, raw: Any) -> Any:
        """The value to structure, or a `Wrong`."""
        ...


@runtime_checkable
class Limit(Protocol):
    """A marker that a structured value must keep to."""

    expected: str

    def wrongs(self, value: Any) -> Iterator[Wrong]:
        """What is wrong with `value`, paths relative to it."""
        ...


@attrs.frozen
class Secret:
    """Never shown: a message about it says `got ***`."""


@attrs.frozen
class NoNull:
    """`null` is not the default here but a fault: where people copy it from, it means something else."""


@attrs.frozen
class Tagged:
    """On a union of classes: the key whose literal value says which one it is."""

    key: str


@attrs.frozen
class Length:
    """At least `least` and at most `most` characters or items."""

    least: int = 0
    most: int | None = None
    expected: str = ""

    def wrongs(self, value: Sized) -> Iterator[Wrong]:
        unit = "characters" if isinstance(value, str) else "items"
        if len(value) < self.least or (self.most is not None and len(value) > self.most):
            bounds = f"at least {self.least}" if self.most is None else f"{self.least} to {self.most}"
            yield Wrong.of(Fault("", f"expected {bounds} {unit}; got {len(value)}"))


@attrs.frozen
class Between:
    """At least `least` and at most `most`; None is no bound; `above` is a bound not reached itself."""

    least: float | None = None
    most: float | None = None
    above: float | None = None

    @property
    def expected(self) -> str:
        if self.above is not None:
            return f"a number above {self.above:g}"
        if self.most is None:
            return f"a number of at least {self.least:g}"
        return f"a number from {self.least:g} to {self.most:g}"

    def wrongs(self, value: float) -> Iterator[Wrong]:
        if (
            (self.least is not None and value < self.least)
            or (self.most is not None and value > self.most)
            or (self.above is not None and value <= self.above)
        ):
            yield Wrong(self.expected, value)


@attrs.frozen
class OneOf:
    """One of these values. (Where they are text, `Literal` says it too.)"""

    values: tuple[Any, ...]

    @property
    def expected(self) -> str:
        return one_of(self.values)

    def wrongs(self, value: Any) -> Iterator[Wrong]:
        if value not in self.values:
            yield Wrong(self.expected, value)


@attrs.frozen
class Pattern:
    """Text that the whole of `regex` matches; `expected` says so in words."""

    regex: str
    expected: str

    def wrongs(self, value: str) -> Iterator[Wrong]:
        if not re.fullmatch(self.regex, value):
            yield Wrong(self.expected, value)


@attrs.frozen
class Contains:
    """Text with a placeholder in it that nothing can be sent without."""

    placeholder: str

    @property
    def expected(self) -> str:
        return f"a template with {self.placeholder} in it"

    def wrongs(self, value: str) -> Iterator[Wrong]:
        name = re.escape(self.placeholder.strip("{}"))
        if not re.search(r"\{\{\s*" + name + r"\s*\}\}", value):
            yield Wrong.of(Fault("", f"expected {self.expected}; got one without it"))


@attrs.frozen
class JsonSize:
    """At most `most` bytes when written as JSON without spaces, which is the shortest that it can be."""

    most: int
    expected: str = ""

    def wrongs(self, value: Any) -> Iterator[Wrong]:
        size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
        if size > self.most:
            yield Wrong.of(Fault("", f"expected at most {self.most} bytes of JSON; got {size}"))


@attrs.frozen
class JsonObject:
    """An object, or a string that encodes one: both load to the same thing."""

    expected: str = "an object, or a string that encodes one"

    def read(self, raw: Any) -> Any:
        if not isinstance(raw, str):
            return raw if isinstance(raw, dict) else Wrong(self.expected, raw)
        try:
            value = read_json(raw)
        except ValueError as error:
            return Wrong(f"{self.expected} ({error})", raw)
        return value if isinstance(value, dict) else Wrong(self.expected, raw)


@attrs.frozen
class JsonText:
    """JSON text, or an object that is taken as the text that encodes it."""

    expected: str = "a string or an object"

    def read(self, raw: Any) -> Any:
        if isinstance(raw, str):
            return raw
        if not isinstance(raw, dict):
            return Wrong(self.expected, raw)
        try:
            return json.dumps(raw, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError):
            return Wrong("an object of JSON values only", raw)


@attrs.frozen
class Duration:
    """Text such as `300ms`, `2s`, `10m`, `8h`, or a number of seconds; gives seconds, above zero."""

    expected: str = "a duration above zero such as 300ms, 2s, 10m, 8h or a number of seconds"

    _SECONDS: ClassVar[dict[str, float]] = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

    def read(self, raw: Any) -> Any:
        seconds = parse_duration(raw) if isinstance(raw, str) else raw
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            return Wrong(self.expected, raw)
        # A year bounds it: what is longer is a slip, and overflows a deadline's arithmetic sooner or later.
        return seconds if 0 < seconds <= 366 * 24 * 3600 else Wrong(self.expected, raw)


def parse_duration(text: str) -> float | None:
    """Seconds for text such as `300ms`, `2s`, `10m`, `8h`; None where it is not a duration."""
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)(ms|s|m|h)", text.strip())
    if not found:
        return None
    seconds = float(found[1]) * Duration._SECONDS[found[2]]
    return seconds if math.isfinite(seconds) else None


def one_of(values: Iterable[Any]) -> str:
    """`one of a, b, c`."""
    words = [str(value) for value in values]
    return words[0] if len(words) == 1 else f"one of {', '.join(words)}"


def step(key: str) -> str:
    """A key as a step of a JSON path."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f"[{json.dumps(key)}]"


def show(value: Any) -> str:
    """A value in a message: short, on one line, whatever it is."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, int) and value.bit_length() > 128:
        return "a huge number"
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    if not isinstance(value, str):
        return f"a {type(value).__name__}"
    text = value if len(value) <= 60 else value[:57] + "..."
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in quoted)
