"""What may stand in `checks` of a test case. Each class is one object of the file; its attributes are the keys."""

import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import attrs

from coval_load.actors.checks.latency import MEASURED
from coval_load.engine import metrics
from coval_load.faults import Fault
from coval_load.limits import Between, Duration, Length, OneOf, Tagged, Wrong

MOST_TURNS = 10_000


@attrs.frozen
class RegularExpression:
    """Text that `re.compile` takes."""

    expected: str = ""

    def wrongs(self, value: str) -> Iterator[Wrong]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a pattern that later versions of Python may read otherwise
                re.compile(value)
        except (re.error, OverflowError, RecursionError) as error:
            yield Wrong.of(Fault("", f"expected a regular expression; {error}"))


Name = Annotated[str, Length(1, 200)]
Text = Annotated[str, Length(1, 10_000)]
Expression = Annotated[str, Length(1, 1_000), RegularExpression()]
JsonPath = Annotated[str, Length(1, 1_000)]
Turn = Annotated[int, Between(least=-MOST_TURNS, most=MOST_TURNS)]
Fewer = Annotated[int, Between(least=1, most=100_000)]
Metric = Annotated[str, OneOf(MEASURED)]


@attrs.frozen(kw_only=True)
class ContainsCheck:
    """A reply has `text` in it."""

    type: Literal["contains"]
    text: Text = attrs.field(repr=False)
    ignore_case: bool = True
    turn: Turn | None = None
    negate: bool = False
    name: Name | None = None


@attrs.frozen(kw_only=True)
class MatchesCheck:
    """`re.search` finds `pattern` in a reply."""

    type: Literal["matches"]
    pattern: Expression = attrs.field(repr=False)
    ignore_case: bool = False
    turn: Turn | None = None
    negate: bool = False
    name: Name | None = None


@attrs.frozen(kw_only=True)
class EqualsCheck:
    """A reply is `text`, but for white space around it."""

    type: Literal["equals"]
    text: Text = attrs.field(repr=False)
    ignore_case: bool = False
    turn: Turn | None = None
    negate: bool = False
    name: Name | None = None


@attrs.frozen(kw_only=True)
class EventCheck:
    """A captured event of this type has `equals` at `path` of its payload; without `equals`, anything."""

    type: Literal["event"]
    message_type: Name
    path: JsonPath | None = None
    equals: Any = attrs.field(default=None, repr=False)
    turn: Turn | None = None
    negate: bool = False
    name: Name | None = None


@attrs.frozen(kw_only=True)
class ToolCalledCheck:
    """The agent called `tool`; with `arguments`, with these and maybe others."""

    type: Literal["tool_called"]
    tool: Name
    arguments: Mapping[str, Any] | None = attrs.field(default=None, repr=False)
    turn: Turn | None = None
    negate: bool = False
    name: Name | None = None


@attrs.frozen(kw_only=True)
class ShorterThanCheck:
    """Every reply has fewer than so many `characters`, or `words`."""

    type: Literal["shorter_than"]
    characters: Fewer | None = None
    words: Fewer | None = None
    turn: Turn | None = None
    name: Name | None = None

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Fault]:
        """`characters` or `words`, and not both."""
        given = [key for key in ("characters", "words") if values.get(key) is not None]
        if {"characters", "words"} <= values.keys() and len(given) != 1:
            yield Fault("", f"expected characters or words; got {'both, take one out' if given else 'neither'}")


@attrs.frozen(kw_only=True)
class LatencyUnderCheck:
    """Every reply that has `metric` has it under `limit` seconds."""

    type: Literal["latency_under"]
    limit: Annotated[float, Duration()]
    metric: Metric = metrics.RESPONSE_LATENCY
    turn: Turn | None = None
    name: Name | None = None


@attrs.frozen(kw_only=True)
class FunctionCheck:
    """A function of an installed package, by the name of its entry point; `options` are its keyword arguments."""

    type: Literal["function"]
    name: Name
    options: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    turn: Turn | None = None


AnyCheck = (
    ContainsCheck
    | MatchesCheck
    | EqualsCheck
    | EventCheck
    | ToolCalledCheck
    | ShorterThanCheck
    | LatencyUnderCheck
    | FunctionCheck
)
CheckKey = Annotated[AnyCheck, Tagged("type")]
