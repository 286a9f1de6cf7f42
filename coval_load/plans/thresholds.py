"""The section `thresholds` of a plan: from what is written to thresholds, or to all that is wrong with them."""

import difflib
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Protocol

import attrs

from coval_load.engine import labels, metrics
from coval_load.engine.labels import Selector
from coval_load.engine.outcome import ErrorKind
from coval_load.engine.thresholds import DRIFT, WITHOUT_LABELS, Threshold
from coval_load.faults import Fault, Faulty
from coval_load.limits import Length, one_of, show, step
from coval_load.plans.load_schema import Seconds
from coval_load.plans.threshold_text import (
    EXPECTED_EXPRESSION,
    Unreadable,
    read_against,
    read_aggregate,
    read_expression,
    read_key,
    read_limit,
)
from coval_load.strict import structure

MOST_IN_A_LIST = 100
MOST_NAMES_LISTED = 10

_NAMES = (*metrics.METRICS, *metrics.SIMULATION_COUNTS, *metrics.COUNTERS)
_KINDS = tuple(kind.value for kind in ErrorKind)


@attrs.frozen(kw_only=True)
class ThresholdEntry:
    """One threshold as an object; `delay` is counted from the start of the run, in seconds."""

    threshold: Annotated[str, Length(1, 200)]
    abort_on_fail: bool = False
    delay: Seconds | None = None

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Fault]:
        """A `delay` only with `abort_on_fail`."""
        if values.get("delay") is not None and values.get("abort_on_fail") is False:
            yield Fault("delay", "expected abort_on_fail: true beside delay, which says from when on to abort")


class BaselineValues(Protocol):
    """Another run, whose values limits are taken from."""

    @property
    def caution(self) -> str | None:
        """Why not to rely on it, a sentence; None where there is no reason."""

    def value(self, threshold: Threshold) -> float:
        """What `threshold` would be judged by in that run, in its unit. Raises `Unreadable`."""


@attrs.frozen
class NoBaseline:
    """None was given."""

    caution: str | None = None

    def value(self, threshold: Threshold) -> float:
        """There is no such thing. Raises `Unreadable`."""
        raise Unreadable("expected a run to take the limit from: give its folder as baseline of the plan or --baseline")


def load_thresholds(
    raw: Any,
    path: str,
    known: Mapping[str, Collection[str]],
    *,
    hide: Callable[[Any], Any] = lambda value: value,
    baseline: BaselineValues = NoBaseline(),
) -> tuple[tuple[Threshold, ...], list[Fault]]:
    """The thresholds of the section `raw` that stands at `path`, and every fault in it; never raises.

    `known` has the names that a selector can select, by label (`agent`, `scenario`, `test_case`, `persona`);
    a label that is missing there is not checked. `hide` is applied to each value before a message shows it.
    `baseline` is what limits such as `baseline + 10%` are taken from.
    """
    if raw is None:
        return (), []
    if not isinstance(raw, Mapping):
        return (), [Fault(path, f"expected an object of thresholds by metric; got {show(hide(raw))}")]
    reading = _Reading(known, hide, baseline)
    found = tuple(threshold for key, value in raw.items() for threshold in reading.key(key, value, path))
    return found, reading.faults


@attrs.frozen
class _Subject:
    name: str
    selector: Selector
    kind: str | None


@attrs.frozen
class _Written:
    """An entry, where it stands, and where its expression does."""

    entry: ThresholdEntry
    path: str
    text_path: str


@attrs.define
class _Reading:
    known: Mapping[str, Collection[str]]
    hide: Callable[[Any], Any]
    baseline: BaselineValues
    faults: list[Fault] = attrs.field(factory=list)

    def refuse(self, path: str, expected: str, got: Any) -> None:
        self.faults.append(Fault(path, f"{expected}; got {show(self.hide(got))}"))

    def key(self, key: Any, value: Any, path: str) -> Iterator[Threshold]:
        if not isinstance(key, str):
            self.refuse(path, "expected every key to be a string", key)
            return
        where = Fault(step(key), "").under(path).path
        subject = self.subject(key, where)
        for written in self.entries(value, where):
            threshold = self.threshold(written, subject)
            if threshold is not None:
                yield threshold

    def subject(self, text: str, path: str) -> _Subject | None:
        """What a key is about; a label that is refused leaves its name, so that expressions can be checked."""
        try:
            key = read_key(text)
        except Unreadable as unreadable:
            self.refuse(path, str(unreadable), text)
            return None
        if key.name not in _NAMES:
            near = _near(key.name, _NAMES) or "expected a metric, a count or a counter of docs/metrics.md"
            self.faults.append(Fault(path, f"unknown metric {show(key.name)}; {near}"))
            return None
        self.faults += [Fault(path, message) for message in self.wrong_labels(key.name, key.labels)]
        named = dict(key.labels)
        kind = named.pop("kind", None)
        return _Subject(key.name, Selector.of(named), kind)

    def wrong_labels(self, name: str, given: Sequence[tuple[str, str]]) -> Iterator[str]:
        told = [label for label, _ in given]
        if name in WITHOUT_LABELS and told:
            yield f"expected no labels: {name} is of the generator as a whole, not of one simulation; take them out"
            return
        yield from (
            f"expected each label once; got {label} twice" for label in sorted(set(told)) if told.count(label) > 1
        )
        for label, value in given:
            yield from self.wrong_label(name, label, value)

    def wrong_label(self, name: str, label: str, value: str) -> Iterator[str]:
        if label == "kind":
            if name != metrics.FAILED:
                yield f"expected kind only with {metrics.FAILED}: {name} has no kinds of errors"
            elif value not in _KINDS:
                yield f"expected kind to be {one_of(_KINDS)}; got {show(value)}{_hint(value, _KINDS)}"
        elif label not in labels.NAMES:
            every = (*labels.NAMES, "kind") if name == metrics.FAILED else labels.NAMES
            yield f"unknown label {show(label)}; {_near(label, every) or f'expected {one_of(every)}'}"
        elif label in self.known and value not in self.known[label]:
            known = self.known[label]
            yield f"expected {label} to be {_listed(known)}; got {show(value)}{_hint(value, known)}"

    def entries(self, value: Any, path: str) -> Iterator[_Written]:
        if not isinstance(value, list | tuple):
            yield from self.entry(value, path)
            return
        if not 1 <= len(value) <= MOST_IN_A_LIST:
            self.faults.append(Fault(path, f"expected 1 to {MOST_IN_A_LIST} thresholds; got {len(value)}"))
            return
        for at, one in enumerate(value):
            yield from self.entry(one, f"{path}[{at}]")

    def entry(self, value: Any, path: str) -> Iterator[_Written]:
        try:
            if isinstance(value, str):
                yield _Written(structure(ThresholdEntry, {"threshold": value}, "", self.hide), path, path)
            elif isinstance(value, Mapping):
                yield _Written(structure(ThresholdEntry, value, "", self.hide), path, f"{path}.threshold")
            else:
                self.refuse(path, f"expected {EXPECTED_EXPRESSION}, or an object with it as threshold", value)
        except Faulty as faulty:
            bare = (attrs.evolve(f, path="") if isinstance(value, str) else f for f in faulty.faults)
            self.faults += [fault.under(path) for fault in bare]

    def threshold(self, written: _Written, subject: _Subject | None) -> Threshold | None:
        try:
            return self.read(written, subject)
        except Unreadable as unreadable:
            self.refuse(written.text_path, str(unreadable), written.entry.threshold)
            return None

    def read(self, written: _Written, subject: _Subject | None) -> Threshold | None:
        entry, expression = written.entry, read_expression(written.entry.threshold)
        if subject is None:
            return None
        aggregate = read_aggregate(expression.aggregate, subject.name)
        against = read_against(expression.limit, subject.name, aggregate) if expression.is_against_baseline else None
        limit = math.nan if against else read_limit(expression.limit, subject.name, aggregate)
        if aggregate == DRIFT:
            self.check_drift(written, subject)
        threshold = Threshold(
            subject.name,
            subject.selector,
            subject.kind,
            aggregate,
            expression.operator,
            limit,
            expression.text,
            entry.abort_on_fail,
            entry.delay or 0.0,
        )
        if against is None:
            return threshold
        value = self.baseline.value(threshold)
        return attrs.evolve(threshold, limit=against.limit(value), baseline=value, caution=self.baseline.caution)

    def check_drift(self, written: _Written, subject: _Subject) -> None:
        if subject.selector.wanted or subject.kind is not None:
            raise Unreadable("expected drift without labels: it is told of the whole run only")
        if written.entry.abort_on_fail:
            message = "expected no abort_on_fail: true beside drift, which is told at the end of the run"
            self.faults.append(Fault(f"{written.path}.abort_on_fail", message))


def _near(word: str, words: Iterable[str]) -> str | None:
    near = difflib.get_close_matches(word, list(words), n=2, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else None


def _hint(word: str, words: Iterable[str]) -> str:
    near = _near(word, words)
    return f" ({near})" if near else ""


def _listed(names: Collection[str]) -> str:
    if not names:
        return "left out, since there is none"
    known = sorted(set(names))
    first = [show(name) for name in known[:MOST_NAMES_LISTED]]
    more = len(known) - len(first)
    return one_of(first) + (f" and {more} more" if more else "")
