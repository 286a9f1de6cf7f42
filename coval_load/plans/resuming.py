"""What an earlier process left of a run that is to go on: its measurements, and which simulations are settled."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import orjson

from coval_load.engine import metrics
from coval_load.engine.plain_json import dump_json
from coval_load.engine.results import Results
from coval_load.engine.run_folder import read_rows
from coval_load.engine.shapes.interface import ClosedShape
from coval_load.engine.thresholds import Threshold, prepare
from coval_load.faults import Fault, Faulty
from coval_load.plans.plan import Plan, PlannedScenario
from coval_load.report.recovery import recover

_RUN_HAS = {"run_id": str, "source": dict, "plan": dict, "name": str, "started": str}


@attrs.define
class Numbers(Collection[int]):
    """Numbers from 0, a bit for each up to the highest: a week of soak has millions."""

    _bits: bytearray = attrs.field(factory=bytearray, init=False)

    def add(self, number: int) -> None:
        """Take in `number`, at least 0."""
        at = number >> 3
        if at >= len(self._bits):
            self._bits.extend(bytes(at + 1 - len(self._bits) + 4096))
        self._bits[at] |= 1 << (number & 7)

    def discard(self, number: int) -> None:
        """Let go of `number`, if it is there."""
        if number >> 3 < len(self._bits):
            self._bits[number >> 3] &= ~(1 << (number & 7))

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int) or number < 0 or number >> 3 >= len(self._bits):
            return False
        return bool(self._bits[number >> 3] >> (number & 7) & 1)

    def __iter__(self) -> Iterator[int]:
        return (number for number in range(len(self._bits) * 8) if number in self)

    def __len__(self) -> int:
        return sum(byte.bit_count() for byte in self._bits)


@attrs.frozen(eq=False)
class Earlier:
    """`run` is its `run.json`, `summary` what it measured, as far as that is on disk; `done` has for each scenario
    the numbers of its simulations that were settled. `elapsed_s` is how long it had run. `is_whole`: it ended, and
    `summary` is its `summary.json`.
    """

    run: Mapping[str, Any]
    summary: Mapping[str, Any]
    done: Mapping[str, Collection[int]]
    elapsed_s: float
    is_whole: bool = False

    @property
    def run_id(self) -> str:
        """The id of the run, which stays the same."""
        return str(self.run["run_id"])

    def leaves(self, plan: Plan) -> bool:
        """Whether anything of `plan`, the run's own, is still to be done."""
        return any(map(self._leaves_some_of, plan.scenarios))

    def _leaves_some_of(self, scenario: PlannedScenario) -> bool:
        shape = scenario.shape
        if shape.duration_s is not None and self.elapsed_s >= scenario.start_s + shape.duration_s:
            return False
        if not isinstance(shape, ClosedShape) or shape.simulations is None:
            return True
        return len(self.done.get(scenario.name, ())) < shape.simulations

    def merge_into(self, results: Results) -> None:
        """Let `results` begin with what was measured before; what was cut off then is offered again."""
        results.merge(
            {
                **self.summary,
                "notes": [self._told()],
                "counts": _settled(self.summary["counts"]),
                "agents": _all_settled(self.summary["agents"]),
                "scenarios": _all_settled(self.summary.get("scenarios", {})),
                "selections": _all_settled(self.summary.get("selections", {})),
            }
        )

    def _told(self) -> str:
        times = len(self.run.get("resumed") or ()) + 1
        often = "" if times == 1 else f" {times} times, the last time"
        again = ", with the concurrency of the plan again" if self.summary.get("changes") else ""
        return f"the run was resumed{often} after {self.elapsed_s:.0f} s{again}"


def read_run(folder: Path) -> dict[str, Any]:
    """`run.json` of a run that is to go on. Raises Faulty where there is none that can."""
    try:
        written = (folder / "run.json").read_bytes()
        run = orjson.loads(written or b"null")
    except FileNotFoundError:
        raise _unusable(folder, "it has no run.json: give the folder of a run") from None
    except (OSError, ValueError) as error:
        raise _unusable(folder, f"its run.json can't be read: {error}") from None
    if not written:
        raise _unusable(folder, "the run ended before it dialled: nothing is lost, start a new one") from None
    lacking = [name for name, kind in _RUN_HAS.items() if not (isinstance(run, dict) and _is(run.get(name), kind))]
    if lacking:
        raise _unusable(folder, f"its run.json lacks {', '.join(lacking)}: only runs of a plan or an agent can go on")
    return dict(run)


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and bool(value)


def check_same(folder: Path, run: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    """Raises Faulty where `plan`, masked, is not the one that the run in `folder` began with.

    Its name may be another one, as may that of its file: the run keeps the name it has. What is done about lost
    workers may change: the run goes on with other ones.
    """
    before = orjson.loads(orjson.dumps(run["plan"]))
    now = orjson.loads(orjson.dumps(plan))
    changed = sorted(key for key in {*before, *now} - {"name", "workers"} if before.get(key) != now.get(key))
    if changed:
        raise _unusable(folder, f"the plan has changed since: {', '.join(changed)}; undo that, or start a new run")


def read_earlier(folder: Path, run: Mapping[str, Any], thresholds: Sequence[Threshold] = ()) -> Earlier:
    """What the run in `folder` left, also for `thresholds`; lines that a kill tore off are cut off for good.

    What only rows of simulations tell goes into the timeline, for once that goes on nobody can say any more which
    measurements it lacks. A simulation whose row the disk did not take is not known, and done again. Raises Faulty.
    """
    try:
        for name in ("simulations.jsonl", "timeline.jsonl"):
            _mend(folder / name)
    except OSError as error:
        raise _unusable(folder, f"{name} can't be written: {error.strerror or error}") from error
    begin = partial(_select, thresholds)
    recovered = recover(folder, begin)
    if recovered.summary["counters"].get(metrics.ROWS_LOST):
        recovered = recover(folder, begin, anew=True)
    if recovered.remainder is not None:
        _add_to_timeline(folder, recovered.remainder)
    done, elapsed_s = _settled_in(folder)
    if (folder / "timeline.jsonl").exists():
        for row in read_rows(folder / "timeline.jsonl"):
            elapsed_s = max(elapsed_s, row["at"])
    return Earlier(run, recovered.summary, done, elapsed_s, recovered.is_whole)


def _add_to_timeline(folder: Path, row: Mapping[str, Any]) -> None:
    try:
        with (folder / "timeline.jsonl").open("ab") as file:
            file.write(dump_json(row) + b"\n")
    except OSError as error:
        raise _unusable(folder, f"timeline.jsonl can't be written: {error.strerror or error}") from error


def _select(thresholds: Sequence[Threshold], _: Mapping[str, Any], results: Results) -> None:
    prepare(thresholds, results)


def _settled_in(folder: Path) -> tuple[dict[str, Numbers], float]:
    """The settled numbers of each scenario, and when the last simulation ended."""
    done: dict[str, Numbers] = {}
    elapsed_s = 0.0
    for at, row in enumerate(read_rows(folder / "simulations.jsonl"), start=1):
        scenario, number = row.get("scenario"), row.get("number")
        if not isinstance(scenario, str) or not isinstance(number, int) or number < 0:
            raise _unusable(folder, f"row {at} of simulations.jsonl does not say which simulation of which scenario")
        numbers = done.setdefault(scenario, Numbers())
        elapsed_s = max(elapsed_s, row["ended_at"])
        if row["outcome"] == metrics.CANCELLED:
            numbers.discard(number)
        else:
            numbers.add(number)
    return done, elapsed_s


def _mend(path: Path) -> None:
    """Cut off a last line that is not whole, so that what is appended stands on a line of its own."""
    if not path.exists():
        path.touch()
        return
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        at = size
        while at > 0:
            step = min(at, 65_536)
            file.seek(at - step)
            newline = file.read(step).rfind(b"\n")
            if newline >= 0:
                at = at - step + newline + 1
                break
            at -= step
        if at < size:
            file.truncate(at)


def _settled(counts: Mapping[str, int]) -> dict[str, int]:
    ended = counts[metrics.COMPLETED] + counts[metrics.FAILED]
    dropped = counts.get(metrics.DROPPED, 0)
    return {
        **counts,
        metrics.OFFERED: ended + dropped,
        metrics.STARTED: ended,
        metrics.NEVER_STARTED: 0,
        metrics.CANCELLED: 0,
    }


def _all_settled(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {**entry, "counts": _settled(entry["counts"])} for name, entry in entries.items()}


def _unusable(folder: Path, why: str) -> Faulty:
    return Faulty([Fault("--resume", f"expected a run that can go on in {folder}, but {why}")])
