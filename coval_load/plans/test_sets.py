"""Test sets: test cases in a file of their own, with or without one script for all, or inline in the plan."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from coval_load.agents.environment import Steps, expand
from coval_load.agents.secrets import Redactor
from coval_load.engine.choice import MOST_SHUFFLED, ChoiceKind
from coval_load.faults import Fault, Faulty
from coval_load.limits import show
from coval_load.plans.data_files import NUMBERS, Rows, read_csv, read_json_lines, read_number
from coval_load.plans.documents import DOCUMENTS, Readers, read_file
from coval_load.plans.places import Items, Places, Scripted
from coval_load.plans.schema import TestCase, TestSetFile
from coval_load.plans.scripts import SCRIPT_KEYS, Script, Unfilled, fill_texts
from coval_load.strict import structure

MOST_TOLD = 100
"""Faults of one file of test cases that are told; of the others, how many there are."""

Hide = Callable[[Any], Any]


@attrs.frozen
class TestSet:
    """Test cases by the place they stand at, and the folder that relative paths in them start from.

    Cases with a fault of their own are left out of `cases`; the fault is in `faults`. `path` is where the plan
    names them, `places` where each of them stands; `hidden` are the places in the list of cases that something
    out of the environment came into.
    """

    __test__ = False  # not one of pytest's

    cases: Mapping[int, TestCase]
    folder: Path
    path: str
    places: Places
    faults: tuple[Fault, ...]
    secrets: frozenset[str] = attrs.field(default=frozenset(), repr=False)
    hidden: tuple[Steps, ...] = ()


def read_cases(
    raw: Any, folder: Path, path: str, environ: Mapping[str, str], *, hide: Hide, hidden: tuple[Steps, ...] = ()
) -> TestSet | None:
    """The test set that `raw`, what a plan in `folder` has at `path`, says; None where it is of another type.

    Variables in `raw` are filled in, at the places `hidden`; those of files are yet to be. `hide` is applied to
    each value of the plan before a message shows it. Raises `Faulty` where a file can't be read.
    """
    if isinstance(raw, str):
        return read_test_set((folder / raw).absolute(), environ, path)
    if isinstance(raw, list):
        return _loaded(raw, folder, path, Items(path), hide, hidden)
    if not isinstance(raw, dict) or not isinstance(raw.get("file"), str):
        return None
    file, named = (folder / raw["file"]).absolute(), f"{path}.file"
    try:
        script = Script(structure(TestSetFile, raw, path, hide), path, hidden)
    except Faulty as faulty:
        # What is wrong in the file is told along with it; its cases are of no use without their script.
        keys = {key: () for key in SCRIPT_KEYS if raw.get(key) is not None}
        found = read_test_set(file, environ, named, Script(TestSetFile(file=raw["file"], **keys), path))
        return attrs.evolve(found, cases={}, faults=(*faulty.faults, *found.faults))
    found = read_test_set(file, environ, named, script)
    return attrs.evolve(found, folder=folder) if "turns" in script.keys else found


def read_test_set(file: Path, environ: Mapping[str, str], path: str, script: Script | None = None) -> TestSet:
    """The test set in a file: a test case in each line, a list of them, or an object with `test_cases`.

    Raises `Faulty` where the file can't be read.
    """
    has_turns = script is not None and "turns" in script.keys
    readers: Readers = {
        **DOCUMENTS,
        ".jsonl": ("JSON Lines", partial(read_json_lines, path=path)),
        ".csv": ("CSV", partial(read_csv, path=path, has_script=has_turns)),
    }
    try:
        raw = read_file(file, readers)
    except Faulty as faulty:
        raise Faulty(fault if fault.path else fault.under(path) for fault in faulty.faults) from None
    document = _of_rows(raw, environ) if isinstance(raw, Rows) else _of_document(raw, environ, path)
    hide = Redactor(document.secrets, shortest=1).clean
    loaded = _loaded(document.cases, file.parent, path, document.places, hide, document.hidden, script)
    unset = {fault.path for fault in document.faults}
    faults = [*document.faults, *(fault for fault in loaded.faults if fault.path not in unset)]
    redactor = Redactor(document.secrets)
    told = [attrs.evolve(fault, message=redactor.text(fault.message)) for fault in faults[:MOST_TOLD]]
    if len(faults) > MOST_TOLD:
        told.append(Fault(path, f"expected no faults in {file.name}; got {len(faults) - MOST_TOLD} more than these"))
    return attrs.evolve(loaded, faults=tuple(told), secrets=document.secrets)


@attrs.frozen
class _Document:
    """A file of test cases with its variables filled in."""

    cases: Any = attrs.field(repr=False)
    places: Places
    faults: tuple[Fault, ...]
    secrets: frozenset[str] = attrs.field(repr=False)
    hidden: tuple[Steps, ...]


def _of_document(raw: Any, environ: Mapping[str, str], path: str) -> _Document:
    expanded = expand(raw, environ)
    faults = [fault.under(path) for fault in expanded.faults]
    cases, inside, hidden = expanded.value, path, expanded.places
    if isinstance(cases, dict) and "test_cases" in cases:
        extra = [key for key in cases if key != "test_cases"]
        faults += [Fault(path, f"unknown key {show(key)}; expected test_cases") for key in extra]
        cases, inside = cases["test_cases"], f"{path}.test_cases"
        hidden = tuple(place[1:] for place in hidden)
    return _Document(cases, Items(inside), tuple(faults), expanded.secrets, hidden)


def _of_rows(rows: Rows, environ: Mapping[str, str]) -> _Document:
    cases, faults, secrets, hidden = [], list(rows.faults), set[str](), []
    for at, case in enumerate(rows.cases):
        expanded = expand(case, environ)
        value = expanded.value
        if rows.numbers_are_text:
            value |= {key: read_number(value[key]) for key in NUMBERS if key in value}
        cases.append(value)
        faults += [Fault(rows.places.path(at, fault.path), fault.message) for fault in expanded.faults]
        secrets |= expanded.secrets
        hidden += [(at, *place) for place in expanded.places]
    return _Document(cases, rows.places, tuple(faults), frozenset(secrets), tuple(hidden))


def _loaded(
    raw: Any,
    folder: Path,
    path: str,
    places: Places,
    hide: Hide,
    hidden: tuple[Steps, ...],
    script: Script | None = None,
) -> TestSet:
    if not isinstance(raw, list) or (not raw and isinstance(places, Items)):
        where = places.list_path if isinstance(places, Items) else path
        fault = Fault(where, f"expected a list of test cases; got {_kind(raw)}")
        return TestSet({}, folder, path, places, (fault,))
    cases: dict[int, TestCase] = {}
    faults: list[Fault] = []
    for at, case in enumerate(raw):
        try:
            cases[at] = _structured(case, at, places, hide, script)
        except Faulty as faulty:
            faults += faulty.faults
    if script is not None:
        places = Scripted(script.path, script.keys, places)
        shared = [place for place in script.hidden if place[0] in script.keys]
        hidden += tuple((at, *place) for place in shared for at in cases)
    faults += _doubles(raw, places)
    return _filled(TestSet(cases, folder, path, places, tuple(faults), hidden=hidden), hide)


def _structured(case: Any, at: int, places: Places, hide: Hide, script: Script | None) -> TestCase:
    taken = [key for key in (script.keys if script else ()) if isinstance(case, dict) and case.get(key) is not None]
    message = "expected none of its own, since the plan gives those of all test cases; take one out"
    faults = [Fault(places.path(at, key), message) for key in taken]
    if script is not None and isinstance(case, dict):
        case = {key: value for key, value in case.items() if key not in script.keys}
        case |= {"turns": []} if "turns" in script.keys else {}
    try:
        structured = structure(TestCase, case, "", hide)
    except Faulty as faulty:
        faults += [Fault(places.path(at, fault.path), fault.message) for fault in faulty.faults]
    if faults:
        raise Faulty(faults)
    return script.given_to(structured) if script else structured


def _filled(test_set: TestSet, hide: Hide) -> TestSet:
    hidden: dict[int, list[Steps]] = defaultdict(list)
    for at, *place in test_set.hidden:
        if isinstance(at, int) and place:
            hidden[at].append(tuple(place))
    cases, secret = {}, []
    unfilled: dict[tuple[str, str], list[tuple[str, Unfilled]]] = defaultdict(list)
    for at, case in test_set.cases.items():
        filled = fill_texts(case, hidden.get(at, ()))
        cases[at] = filled.case
        secret += [(at, *place) for place in filled.hidden]
        for one in filled.unfilled:
            unfilled[test_set.places.path(at, one.inside), one.expected].append((case.id, one))
    faults = [_untold(path, found, hide) for (path, _), found in unfilled.items()]
    return attrs.evolve(
        test_set, cases=cases, faults=(*test_set.faults, *faults), hidden=(*test_set.hidden, *dict.fromkeys(secret))
    )


def _untold(path: str, found: Sequence[tuple[str, Unfilled]], hide: Hide) -> Fault:
    """One fault for all the test cases that a text of their script can't be filled for."""
    name, first = found[0]
    others = f", and {len(found) - 1} more are like it" if len(found) > 1 else ""
    return Fault(path, f"{first.expected}; test case {show(hide(name))} {first.got}{others}")


def choice_faults(test_set: TestSet, choice: ChoiceKind) -> Iterator[Fault]:
    """What of `test_set` can't be had by the `choice` of a plan."""
    for at, case in test_set.cases.items():
        if choice == "weighted" and case.iterations != 1:
            message = f"expected 1, or a choice that is not weighted; got {case.iterations}: say weight instead"
            yield Fault(test_set.places.path(at, "iterations"), message)
    length = sum(case.iterations for case in test_set.cases.values())
    if choice == "shuffled" and length > MOST_SHUFFLED:
        yield Fault(test_set.path, f"expected at most {MOST_SHUFFLED} iterations in all to shuffle; got {length}")


def _kind(raw: Any) -> str:
    return "an empty one" if raw == [] else show(raw) if isinstance(raw, dict) else f"a {type(raw).__name__}"


def _doubles(raw: list[Any], places: Places) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for at, case in enumerate(raw):
        name = case.get("id") if isinstance(case, dict) else None
        if isinstance(name, str) and first.setdefault(name, at) != at:
            message = f"expected an id of its own; {places.path(first[name])} has the same"
            yield Fault(places.path(at, "id"), message)
