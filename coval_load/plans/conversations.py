"""The conversations that a run keeps whole: a file for each, written and removed by a thread."""

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import orjson

from coval_load.engine.keeping import Keeper, Reason, offer_row
from coval_load.engine.plain_json import dump_json, plain

QUEUED_BYTES_AT_MOST = 64 * 1024 * 1024
"""Reached only when the disk stands still: a conversation that there is no room for is not written."""


@attrs.define
class Conversations:
    """`<simulation_output_id>.json` in `folder` for each simulation that `keeper` keeps; use it as a context.

    `clean` masks the secrets in a row. A name without `.part` is that of a whole file, whenever the process ends.

    Error handling: nothing is raised for the disk's sake; `lost` counts what could not be written, and `fault` is
    the first reason of it.
    """

    folder: Path
    keeper: Keeper
    clean: Callable[[Any], Any]
    lost: int = attrs.field(default=0, init=False)
    fault: OSError | None = attrs.field(default=None, init=False)
    _writer: ThreadPoolExecutor = attrs.field(factory=lambda: ThreadPoolExecutor(1, "conversations"), init=False)
    _handed_over: set[str] = attrs.field(factory=set, init=False)
    _queued: deque[tuple[Future[None], int]] = attrs.field(factory=deque, init=False)
    _queued_bytes: int = attrs.field(default=0, init=False)

    def __enter__(self) -> "Conversations":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.shutdown()

    def path(self, simulation_output_id: str) -> Path:
        """Where the conversation of a simulation goes."""
        return self.folder / f"{simulation_output_id}.json"

    def settle(self, row: Mapping[str, Any]) -> None:
        """Decide about a simulation that has ended by its whole row; never waits."""
        kept = offer_row(self.keeper, row)
        for one, reasons in kept.lessened.items():
            if one in self._handed_over:  # so no more waits for a disk that stands still than was written
                self._lessen(one, reasons)
        if kept.reasons:
            self._write(row["simulation_output_id"], dump_json(self._shown(row, kept.reasons), indented=True))

    def adopt(self, simulation_output_id: str) -> None:
        """The file of one that is kept was written by an earlier process."""
        self._handed_over.add(simulation_output_id)

    def _shown(self, row: Mapping[str, Any], reasons: tuple[Reason, ...]) -> Any:
        return self.clean(plain({**row, "kept_for": list(reasons)}))

    def _lessen(self, one: str, reasons: tuple[Reason, ...]) -> None:
        if reasons:
            self._writer.submit(self._retell, one, reasons)
        else:
            self._handed_over.discard(one)
            self._writer.submit(remove_conversation, self.path(one))

    def _write(self, one: str, content: bytes) -> None:
        while self._queued and self._queued[0][0].done():
            self._queued_bytes -= self._queued.popleft()[1]
        if self._queued_bytes + len(content) > QUEUED_BYTES_AT_MOST:
            self._lose(OSError("the disk does not keep up with them"))
            return
        self._queued_bytes += len(content)
        self._handed_over.add(one)
        self._queued.append((self._writer.submit(self._put, one, content), len(content)))

    # In the writer's thread

    def _put(self, one: str, content: bytes) -> None:
        path = self.path(one)
        part = path.with_name(path.name + ".part")
        try:
            self.folder.mkdir(exist_ok=True)
            part.write_bytes(content)
            part.replace(path)
        except OSError as error:
            self._lose(error)
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def _retell(self, one: str, reasons: tuple[Reason, ...]) -> None:
        try:
            kept = orjson.loads(self.path(one).read_bytes())
        except (OSError, ValueError):
            return  # it was not written, which has been told
        self._put(one, dump_json({**kept, "kept_for": list(reasons)}, indented=True))

    def _lose(self, fault: OSError) -> None:
        self.lost += 1
        self.fault = self.fault or fault


def remove_conversation(path: Path) -> None:
    """Take a conversation away. What can't be removed stays; nothing is raised."""
    for one in (path, path.with_name(path.name + ".part")):
        with suppress(OSError):
            one.unlink(missing_ok=True)
