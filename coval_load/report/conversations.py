"""The conversations of a run as a page shows them: a table, and for each the whole of it, packed."""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import attrs

from coval_load.engine import metrics
from coval_load.report.kept import Kept
from coval_load.report.nearest import Nearest
from coval_load.report.packing import Interest, Wanted, pack, pack_details
from coval_load.report.picks import Pick, Picks
from coval_load.report.scan import read_at
from coval_load.report.visible import visible

COLUMNS = (
    "id", "scenario", "number", "agent", "test_case", "persona", "outcome", "kind", "scheduled_at", "started_at",
    "seconds", "turns", "latency", "checks_failed", "recorded", "detail",
)  # fmt: skip
"""Of the table, in this order."""

_TEXTS = ("simulation_output_id", "scenario", "agent", "test_case", "persona")


@attrs.frozen
class Packed:
    """What a page shows of conversations; see the fields of the same names of `Contents`."""

    table: str
    chunks: list[str]
    near: dict[str, dict[str, dict[str, Any]]]
    shown: int
    total: int
    left_out: list[str]
    has_recordings: bool


@attrs.frozen
class _Entry:
    """What the table has of a conversation."""

    row: Mapping[str, Any]
    recorded: bool
    latency_s: float | None = attrs.field(init=False)
    """The highest of its response latencies."""

    @property
    def kind(self) -> str | None:
        error = self.row["error"]
        return None if error is None else visible(str(error["kind"]))

    @property
    def began_s(self) -> float:
        """Where it never dialled, when it was due."""
        started = self.row["started_at"]
        return _seconds(self.row["scheduled_at"] if started is None else started)

    @latency_s.default
    def _highest_latency(self) -> float | None:
        measured = (turn.get("metrics", {}) for turn in self.row["transcript"])
        found = (one.get(metrics.RESPONSE_LATENCY) for one in (self.row["metrics"], *measured))
        return max((_seconds(one) for one in found if one is not None), default=None)

    def cells(self) -> list[Any]:
        """By `COLUMNS`, but for the last."""
        row, latency_s = self.row, self.latency_s
        identity, scenario, agent, test_case, persona = (_text(row.get(name)) for name in _TEXTS)
        turns = sum(turn["role"] == "user" for turn in row["transcript"])
        ran_s = None if row["started_at"] is None else round(_seconds(row["ended_at"]) - self.began_s, 6)
        started_s = None if row["started_at"] is None else round(self.began_s, 6)
        return [
            *(
                identity,
                scenario,
                _number(row.get("number")),
                agent,
                test_case,
                persona,
                _text(row["outcome"]),
                self.kind,
            ),
            *(round(_seconds(row["scheduled_at"]), 6), started_s, ran_s),
            turns if row["transcript"] else None,
            None if latency_s is None else round(latency_s, 6),
            sum(not check["passed"] for check in row.get("checks") or ()),
            self.recorded,
        ]


@attrs.define
class Conversations:
    """A visitor of `scan`; when all rows were seen, `packed` reads those again that are shown.

    Memory is bounded: some 10 MB for what is picked, and what is packed.
    """

    folder: Path
    summary: Mapping[str, Any]
    seed: str = ""
    has_recordings: bool = attrs.field(default=False, init=False)
    _picks: Picks = attrs.field(init=False)
    _nearest: Nearest = attrs.field(init=False)
    _kept: Kept = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._picks = Picks(self.seed)
        self._nearest = Nearest(self.summary["metrics"])
        self._kept = Kept(self.folder)

    def add(self, row: Mapping[str, Any], offset: int) -> None:
        """See `Visitor.add`."""
        entry = self._entry(row)
        identity, began_s = entry.cells()[0], entry.began_s
        self._nearest.add(entry.row["metrics"], identity, began_s, offset)
        for turn in entry.row["transcript"]:
            self._nearest.add(turn.get("metrics", {}), identity, began_s, offset)
        more = entry.recorded or row.get("simulation_output_id") in self._kept
        self._picks.add(Pick(began_s, offset), entry.kind, entry.latency_s, more)
        self.has_recordings = self.has_recordings or entry.recorded

    def packed(self) -> Packed:
        """All that is shown; reads the rows of it twice. OSError or ValueError where the file is another by now."""
        linked = {Pick(value.began_s, value.offset) for value in self._nearest.all()}
        picks = self._picks.chosen(linked)
        table = self._table(picks)
        wanted = self._wanted(picks, linked, table)
        chunks, table["detail"] = pack_details(self.folder, wanted, self._kept, self.seed)
        left_out = self._picks.left_out(len(picks)) + _without_details(table["detail"])
        near = {
            name: {told: {"id": one.id, "value": round(one.seconds, 6)} for told, one in found.items()}
            for name, found in self._nearest.values().items()
        }
        shown, total = len(picks), self._picks.total
        return Packed(pack(table), chunks, near, shown, total, left_out, self.has_recordings)

    def _table(self, picks: Iterable[Pick]) -> dict[str, list[Any]]:
        table: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        columns = list(table.values())[:-1]
        for row in read_at(self.folder, (pick.offset for pick in picks)):
            for column, cell in zip(columns, self._entry(row).cells(), strict=True):
                column.append(cell)
        return table

    def _wanted(self, picks: list[Pick], linked: set[Pick], table: Mapping[str, list[Any]]) -> list[Wanted]:
        slowest = self._picks.slowest()
        wanted = []
        for pick, identity, kind, recorded in zip(picks, table["id"], table["kind"], table["recorded"], strict=True):
            more = recorded or identity in self._kept or pick in slowest
            wanted.append(Wanted(pick.offset, identity, _interest(kind is not None or pick in linked, more)))
        return wanted

    def _entry(self, row: Mapping[str, Any]) -> _Entry:
        # Of a run whose rows have no transcripts, those that were kept have their turns and latencies all the same.
        return _Entry(row if row["transcript"] else self._kept.whole(row), self._is_recorded(row.get("recording")))

    def _is_recorded(self, recording: Any) -> bool:
        if not isinstance(recording, dict):
            return False
        file = PurePosixPath(str(recording.get("file")))
        # What a page leads to lies in the run folder, whatever a file of another origin says.
        return file.parent == PurePosixPath("recordings") and (self.folder / file).is_file()


def _interest(most: bool, more: bool) -> Interest:
    return Interest.MOST if most else Interest.MORE if more else Interest.SOME


def _without_details(has_details: list[bool]) -> list[str]:
    lacking = has_details.count(False)
    if not lacking:
        return []
    told = f"{lacking:,} of {len(has_details):,} conversations stand in the table without their transcripts"
    return [f"{told}, to keep the page small; simulations.jsonl has them"]


def _text(value: Any) -> str:
    return visible(value) if isinstance(value, str) else ""


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _seconds(value: Any) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"expected seconds; got {value!r}")
    return float(value)
