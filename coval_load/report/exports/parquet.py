"""A run as two Parquet tables: its simulations, and the turns of their transcripts. Takes the extra `parquet`."""

import importlib.util
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import attrs

from coval_load.report.exports.parquet_rows import simulation_row, turn_rows
from coval_load.report.kept import Kept

if TYPE_CHECKING:
    import pyarrow as pa

MISSING = "expected the extra parquet: pip install 'coval-load[parquet]'"

_MOST_ROWS, _MOST_LETTERS = 4_096, 8_000_000


def is_installed() -> bool:
    """Whether pyarrow is there; does not import it, which takes a while."""
    return importlib.util.find_spec("pyarrow") is not None


@attrs.define
class _Table:
    """One file, written under another name until it is whole. Rows wait until there are enough for a row group."""

    path: Path
    schema: "pa.Schema"
    _writer: Any = attrs.field(init=False)
    _waiting: list[Mapping[str, Any]] = attrs.field(factory=list, init=False)
    _letters: int = attrs.field(default=0, init=False)

    @property
    def _part(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part")

    @_writer.default
    def _open(self) -> Any:
        import pyarrow.parquet as pq

        return pq.ParquetWriter(self._part, self.schema, compression="zstd")

    def add(self, row: Mapping[str, Any], letters: int) -> None:
        self._waiting.append(row)
        self._letters += letters
        if len(self._waiting) >= _MOST_ROWS or self._letters >= _MOST_LETTERS:
            self._write()

    def _write(self) -> None:
        import pyarrow as pa

        rows = self._waiting
        present = frozenset[str]().union(*rows)
        # Most metrics are measured in no row: what is in none of them is not looked for in each. As one array of
        # structs, as pyarrow takes rows apart several times faster than Python can.
        fields = [field for field in self.schema if field.name in present]
        whole = pa.array(rows, pa.struct(fields))
        found = {field.name: column for field, column in zip(fields, whole.flatten(), strict=True)}
        columns = [
            found[field.name] if field.name in found else pa.nulls(len(rows), field.type) for field in self.schema
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self.schema))
        self._waiting, self._letters = [], 0

    def __enter__(self) -> "_Table":
        return self

    def __exit__(self, raised: type[BaseException] | None, *_: object) -> None:
        try:
            if raised is None and self._waiting:
                self._write()
            self._writer.close()
            if raised is None:
                self._part.replace(self.path)
        finally:
            self._part.unlink(missing_ok=True)


@attrs.define
class ParquetTables:
    """Writes `simulations.parquet` and `turns.parquet` into `folder`, which is made. A visitor of the rows.

    Used as a context manager: the files are there, whole, once it was left without an error. Memory is bounded by
    4,096 rows and 8 million letters for each file, however many rows there are.

    Error handling: ModuleNotFoundError with `MISSING` on entering where pyarrow is not installed; OSError where the
    disk does not take it; KeyError, TypeError or ValueError (pyarrow's are ValueErrors) for a row that is none.
    """

    folder: Path
    run: Mapping[str, Any]
    kept: Kept | None = None
    """Conversations that have their transcript in a file of their own; None: all have it in their row."""
    _files: ExitStack = attrs.field(factory=ExitStack, init=False)
    _simulations: _Table = attrs.field(init=False)
    _turns: _Table = attrs.field(init=False)
    _run_id: str = attrs.field(init=False)
    _started: datetime = attrs.field(init=False)

    def __enter__(self) -> "ParquetTables":
        if not is_installed():
            raise ModuleNotFoundError(MISSING)
        from coval_load.report.exports.parquet_schemas import SIMULATIONS, TURNS

        self._run_id = str(self.run.get("run_id") or "")
        self._started = datetime.fromisoformat(str(self.run["started"])).astimezone(UTC).replace(tzinfo=None)
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as files:
            self._simulations = files.enter_context(_Table(self.folder / "simulations.parquet", SIMULATIONS))
            self._turns = files.enter_context(_Table(self.folder / "turns.parquet", TURNS))
            self._files = files.pop_all()
        return self

    def add(self, row: Mapping[str, Any], offset: int = 0) -> None:
        """Take in one row; `offset`, where it stands in the file, is not used."""
        row = row if self.kept is None else self.kept.whole(row)
        started_at = row["started_at"]
        started_utc = None if started_at is None else self._started + timedelta(seconds=started_at)
        simulation = {"run_id": self._run_id, "started_utc": started_utc, **simulation_row(row)}
        self._simulations.add(simulation, len(simulation["error_message"] or ""))
        for turn in turn_rows(row):
            self._turns.add({"run_id": self._run_id, **turn}, len(turn["content"] or ""))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.__exit__(kind, error, trace)
