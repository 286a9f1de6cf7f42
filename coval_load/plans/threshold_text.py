"""What a threshold is written as: `response_latency{agent=support}` and `p95 < 1.5s`."""

import json
import re
from decimal import Decimal

import attrs

from coval_load.engine import metrics
from coval_load.engine.distribution import HIGHEST_US
from coval_load.engine.thresholds import BASELINE, COUNT, DRIFT, OPERATORS, PER_SECOND, RATE, RATE_OF, percent_of
from coval_load.faults import Fault, Faulty
from coval_load.limits import one_of, parse_duration, show

MOST_CHARACTERS = 2000

EXPECTED_KEY = 'a name such as failed, or one with labels such as response_latency{agent=support,test_case="a pizza"}'
EXPECTED_EXPRESSION = "an aggregate, an operator and a limit such as p95 < 1.5s"

_KEY = re.compile(r"\s*([^\s{}]+)\s*(?:\{(.*)\}\s*)?", re.DOTALL)
_LABEL = re.compile(r'\s*([^\s,{}="]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,{}="]+)\s*(,|$)')
_EXPRESSION = re.compile(r"\s*([^\s<>=!]+)\s*([<>=!]+)\s*(baseline\b[^<>=!]*|[^\s<>=!]+)\s*")
_AGAINST = re.compile(rf"{BASELINE}(?:\s*([-+*])\s*([^\s+*-]+))?\s*")
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")
_PERCENTS = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)%")
_SIGNED_PERCENTS = re.compile(r"(-?[0-9]{1,15}(?:\.[0-9]{1,15})?)%")

_MOST_WITHOUT_UNIT = 60
"""A number alone is in seconds. Most who write 1500 mean milliseconds, and their threshold would always hold."""


class Unreadable(Exception):
    """Text that is no threshold; the message is complete but for what came."""


@attrs.frozen
class Key:
    """A name and its labels, in the order they stand, not yet held against what there is."""

    name: str
    labels: tuple[tuple[str, str], ...]


@attrs.frozen
class Expression:
    """`p95 < 1.5s` in its three parts, and as one text with single spaces where there were any."""

    aggregate: str
    operator: str
    limit: str
    text: str

    @property
    def is_against_baseline(self) -> bool:
        """Whether the limit is taken from another run."""
        return self.limit.startswith(BASELINE)


@attrs.frozen
class AgainstBaseline:
    """`baseline + 10%`: what is done to the baseline's value, which gives the limit.

    `amount` is in the unit of the value, or a factor of it where `is_factor`.
    """

    amount: float
    is_factor: bool

    def limit(self, value: float) -> float:
        """The limit, in the unit of `value`; rounded so that 1.1 times 1 s is 1.1 s."""
        return round(value * self.amount if self.is_factor else value + self.amount, 12)


def parse_option(text: str) -> tuple[str, str]:
    """The key and the expression of `--threshold "response_latency: p95 < 1.5s"`, neither of them read further.

    Raises `Faulty` where there are no two.
    """
    # At the last colon: the value of a label may hold one, an expression never does.
    key, colon, expression = text.rpartition(":")
    if not colon or not key.strip() or not expression.strip():
        raise Faulty([Fault("", f'expected a threshold such as "response_latency: p95 < 1.5s"; got {show(text)}')])
    return key.strip(), expression.strip()


def read_key(text: str) -> Key:
    """What stands before an expression. Raises `Unreadable`."""
    found = _KEY.fullmatch(text) if len(text) <= MOST_CHARACTERS else None
    if found is None:
        raise Unreadable(f"expected {EXPECTED_KEY}, at most {MOST_CHARACTERS} characters")
    name, inside = found.groups()
    return Key(name, () if inside is None else tuple(_read_labels(inside)))


def _read_labels(inside: str) -> list[tuple[str, str]]:
    labels: list[tuple[str, str]] = []
    at, after = 0, ","
    while after:
        found = _LABEL.match(inside, at)
        if found is None:
            raise Unreadable(
                'expected label=value between the braces, several after commas, values with , { } = " or '
                "spaces in double quotes"
            )
        name, value, after = found.groups()
        labels.append((name, _unquoted(value)))
        at = found.end()
    return labels


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        text = str(json.loads(value))
        text.encode()
    except ValueError:
        raise Unreadable("expected text between double quotes to be written as in JSON") from None
    return text


def read_expression(text: str) -> Expression:
    """The parts of an expression. Raises `Unreadable`."""
    found = _EXPRESSION.fullmatch(text)
    if found is None:
        raise Unreadable(f"expected {EXPECTED_EXPRESSION}")
    if found[2] not in OPERATORS:
        raise Unreadable(f"expected one of the operators {', '.join(OPERATORS)}")
    return Expression(found[1], found[2], found[3], " ".join(text.split()))


def read_against(text: str, name: str, aggregate: str) -> AgainstBaseline:
    """A limit such as `baseline`, `baseline + 10%`, `baseline - 50ms` or `baseline * 1.1`. Raises `Unreadable`.

    Percents are of the baseline's value; where that is a rate they are percentage points.
    """
    if aggregate == DRIFT:
        raise Unreadable("expected the limit of drift in percent, such as 5%: it is held against no baseline")
    found = _AGAINST.fullmatch(text)
    if found is None:
        raise Unreadable("expected a limit such as baseline, baseline + 10% or baseline * 1.1")
    operation, amount = found.groups()
    if operation is None:
        return AgainstBaseline(0.0, is_factor=False)
    if operation == "*":
        if not _NUMBER.fullmatch(amount):
            raise Unreadable("expected a plain number after baseline *, such as 1.1")
        return AgainstBaseline(float(amount), is_factor=True)
    sign = -1 if operation == "-" else 1
    percents = _PERCENTS.fullmatch(amount)
    if percents and aggregate != RATE:
        return AgainstBaseline(float(1 + sign * Decimal(percents[1]) / 100), is_factor=True)
    return AgainstBaseline(sign * read_limit(amount, name, aggregate), is_factor=False)


def aggregates_of(name: str) -> tuple[str, ...]:
    """What may stand first in an expression for a metric, a counter or a count; `pN` is any percentile."""
    if name in metrics.METRICS:
        return ("pN (as p95 or p99.9)", "min", "max", "mean", "avg", COUNT, DRIFT)
    rate = (RATE,) if name in RATE_OF else ()
    return (COUNT, PER_SECOND, *rate, *((DRIFT,) if name == metrics.FAILED else ()))


def read_aggregate(text: str, name: str) -> str:
    """An aggregate that `name` has. Raises `Unreadable`."""
    is_metric = name in metrics.METRICS
    if text in aggregates_of(name) or (is_metric and percent_of(text) is not None):
        return "mean" if text == "avg" else text
    raise Unreadable(f"expected an aggregate that {name} has, {one_of(aggregates_of(name))}")


def read_limit(text: str, name: str, aggregate: str) -> float:
    """Seconds, a number, a share of 1, or a share an hour, as `aggregate` of `name` has it. Raises `Unreadable`."""
    if aggregate == DRIFT:
        return _read_drift(text)
    if aggregate == RATE:
        return _read_share(text)
    if name in metrics.METRICS and aggregate != COUNT:
        return _read_seconds(text)
    if not _NUMBER.fullmatch(text):
        raise Unreadable(f"expected a plain number as the limit of {aggregate}")
    return float(text)


def _read_drift(text: str) -> float:
    found = _SIGNED_PERCENTS.fullmatch(text)
    if found is None:
        raise Unreadable("expected the limit of drift in percent, such as 5%: it is the change an hour")
    return _share(found[1])


def _read_share(text: str) -> float:
    found = _PERCENTS.fullmatch(text)
    share = _share(found[1]) if found else float(text) if _NUMBER.fullmatch(text) else None
    # A bare 1 is 100 %, which no one means who writes it.
    if share is None or share > 1 or (found is None and share == 1):
        hint = f" (did you mean {text}%?)" if share is not None and found is None and share <= 100 else ""
        raise Unreadable(f"expected the limit of a rate such as 1% or 0.01, at most 100%{hint}")
    return share


def _share(percents: str) -> float:
    # By way of decimals: 0.7 / 100 is not the float nearest to 7 / 1000, and a rate of just that would be told apart.
    return float(Decimal(percents) / 100)


def _read_seconds(text: str) -> float:
    if _NUMBER.fullmatch(text) and float(text) > _MOST_WITHOUT_UNIT:
        raise Unreadable(f"expected a unit with a limit above {_MOST_WITHOUT_UNIT}, as in {text}ms or {text}s")
    seconds = float(text) if _NUMBER.fullmatch(text) else parse_duration(text)
    # Longer ones are kept as this in histograms, so that they could not be told apart.
    if seconds is None or seconds > HIGHEST_US / 1e6:
        raise Unreadable("expected a limit such as 300ms, 1.5s or a number of seconds, at most 1h")
    return round(seconds, 9)  # 9ms times 0.001 is not the float nearest to 0.009
