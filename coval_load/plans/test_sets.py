"""Test sets: a list of test cases in a file of its own, or inline in the plan."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from coval_load.agents.environment import Steps, expand
from coval_load.agents.secrets import Redactor
from coval_load.faults import Fault, Faulty
from coval_load.limits import show
from coval_load.plans.documents import read_document
from coval_load.plans.schema import TestCase
from coval_load.strict import structure


@attrs.frozen
class TestSet:
    """Test cases by the place they stand at, and the folder that relative paths in them start from.

    Cases with a fault of their own are left out of `cases`; the fault is in `faults`. `path` is where the
    list of cases stands in the document that faults are reported for; `hidden` are the places in the list
    that something out of the environment came into.
    """

    __test__ = False  # not one of pytest's

    cases: Mapping[int, TestCase]
    folder: Path
    path: str
    faults: tuple[Fault, ...]
    secrets: frozenset[str] = attrs.field(default=frozenset(), repr=False)
    hidden: tuple[Steps, ...] = ()


def read_test_set(file: Path, environ: Mapping[str, str], path: str) -> TestSet:
    """The test set in a file: a list of test cases, or an object with `test_cases`.

    Raises `Faulty` where the file can't be read.
    """
    try:
        raw = read_document(file)
    except Faulty as faulty:
        raise Faulty(fault.under(path) for fault in faulty.faults) from None
    expanded = expand(raw, environ)
    faults = [fault.under(path) for fault in expanded.faults]
    cases, inside, hidden = expanded.value, path, expanded.places
    if isinstance(cases, dict) and "test_cases" in cases:
        extra = [key for key in cases if key != "test_cases"]
        faults += [Fault(path, f"unknown key {show(key)}; expected test_cases") for key in extra]
        cases, inside = cases["test_cases"], f"{path}.test_cases"
        hidden = tuple(place[1:] for place in hidden)
    loaded = load_test_set(cases, file.parent, inside, Redactor(expanded.secrets, shortest=1).clean)
    redactor = Redactor(expanded.secrets)
    unset = {fault.path for fault in faults}
    faults += [fault for fault in loaded.faults if fault.path not in unset]
    told = tuple(attrs.evolve(fault, message=redactor.text(fault.message)) for fault in faults)
    return attrs.evolve(loaded, faults=told, secrets=expanded.secrets, hidden=hidden)


def load_test_set(raw: Any, folder: Path, path: str, hide: Callable[[Any], Any]) -> TestSet:
    """The test set that `raw`, a list of test cases with their variables filled in, describes.

    `hide` is applied to each value before a message shows it.
    """
    if not isinstance(raw, list) or not raw:
        return TestSet({}, folder, path, (Fault(path, f"expected a list of test cases; got {_kind(raw)}"),))
    cases: dict[int, TestCase] = {}
    faults: list[Fault] = []
    for at, case in enumerate(raw):
        try:
            cases[at] = structure(TestCase, case, f"{path}[{at}]", hide)
        except Faulty as faulty:
            faults += faulty.faults
    return TestSet(cases, folder, path, (*faults, *_doubles(raw, path)))


def _kind(raw: Any) -> str:
    return "an empty one" if raw == [] else show(raw) if isinstance(raw, dict) else f"a {type(raw).__name__}"


def _doubles(raw: list[Any], path: str) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for at, case in enumerate(raw):
        name = case.get("id") if isinstance(case, dict) else None
        if isinstance(name, str) and first.setdefault(name, at) != at:
            yield Fault(f"{path}[{at}].id", f"expected an id of its own; {path}[{first[name]}] has the same")
