"""What the reference agent knows about each conversation: the truth that measurements are held to."""

from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import orjson
import trio

from coval_load.reference.clock import now

FLUSH_EVERY_S = 0.2


class Stamps:
    """Writes one JSON object a line: connection, simulation_output_id, what, at (monotonic seconds), turn...

    `what` is one of `accepted`, `rejected`, `ready`, `heard_start`, `heard_end`, `reply_start`, `reply_end`,
    `barge_in_heard`, `message_in`, `message_out`, `misbehaved`, `unreadable`, `closed`. Without a path
    nothing is written. A line is in the file 0.2 s after it was stamped, or when this closes.
    """

    def __init__(self, path: Path | None) -> None:
        self._file: IO[bytes] | None = path.open("ab") if path else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()

    def add(self, what: str, at: float | None = None, **more: Any) -> None:
        """Stamps that `what` happened at `at`; now if not given."""
        if self._file:
            stamp = {"what": what, "at": now() if at is None else at, **more}
            self._file.write(orjson.dumps(stamp, option=orjson.OPT_APPEND_NEWLINE))

    async def flush_often(self) -> None:
        """Runs for as long as stamps are made."""
        while self._file:
            await trio.sleep(FLUSH_EVERY_S)
            self._file.flush()
