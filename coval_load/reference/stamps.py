"""What the reference agent knows about each conversation: the truth that measurements are held to."""

import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import orjson
import trio

FLUSH_EVERY_S = 0.2


class Stamps:
    """Writes one JSON object a line: connection, simulation_output_id, what, at (monotonic seconds), turn...

    `what` is one of `accepted`, `rejected`, `ready`, `heard_start`, `heard_end`, `reply_start`, `reply_end`,
    `barge_in_heard`, `message_in`, `message_out`, `misbehaved`, `unreadable`, `closed`; by realtime agents also
    `speech_started_sent`, `speech_stopped_sent`, `response_done`, `truncated`, `tool_called`, `tool_answered`,
    `going_away`, `expired`. Without a path
    nothing is written. A line is in the file 0.2 s after it was stamped, or when this closes. To be made
    within Trio.
    """

    def __init__(self, path: Path | None) -> None:
        self._file: IO[bytes] | None = path.open("ab") if path else None
        # Trio's clock starts at an offset of its own in each process; on the machine's monotonic clock, which
        # is under it, stamps can be compared with the times of another process.
        self._clock_offset_s = time.perf_counter() - trio.current_time()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()

    def add(self, what: str, at: float | None = None, **more: Any) -> None:
        """Stamps that `what` happened at `at` on Trio's clock; now if not given."""
        if self._file:
            at = trio.current_time() if at is None else at
            stamp = {"what": what, "at": at + self._clock_offset_s, **more}
            self._file.write(orjson.dumps(stamp, option=orjson.OPT_APPEND_NEWLINE))

    async def flush_often(self) -> None:
        """Runs for as long as stamps are made."""
        while self._file:
            await trio.sleep(FLUSH_EVERY_S)
            self._file.flush()
