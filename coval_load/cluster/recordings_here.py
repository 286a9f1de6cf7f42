"""The recordings that workers made: fetched by the coordinator, once it knows that they are kept."""

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

import attrs
import trio

from coval_load.actors.simulation import Identity
from coval_load.actors.spooled_recording import remove_recording
from coval_load.cluster import messages
from coval_load.plans.recordings import WAITING_AT_MOST, Recordings

COMING_AT_MOST = 16
COMING_FROM_ONE_AT_MOST = 2
"""How many recordings are asked for at once, of all workers and of one: it mixes the next while it sends one."""

UNWRITTEN_BYTES_AT_MOST = 256 * 1024 * 1024
"""Reached only when the disk stands still: a recording that there is no room for is lost."""

QUIET_AT_MOST_S = 30.0
"""How long nothing may come of what is still to come at the end of a run."""

Send = Callable[[str, messages.Recording], object]
"""Tells a worker, by name, what is wanted; as `Post.send` it never waits, and drops what can't be delivered."""


@attrs.define
class _ArrivingFile:
    """The file of a recording; its calls run in the writer's thread, one after another, and raise no OSError.

    `ended` is done when nothing more will be made of it. `make_path` may make the folder, and is called there, too.
    """

    make_path: Callable[[], Path]
    fault: OSError | None = None
    call: Callable[[], None] | None = None
    ended: Future[None] = attrs.field(factory=Future)
    _path: Path | None = None
    _file: IO[bytes] | None = None

    def write(self, data: bytes) -> None:
        """Append `data` to what is called `….part` as long as it is not whole."""
        if self.fault is not None:
            return
        try:
            if self._file is None:
                self._path = self.make_path()
                self._file = _part_of(self._path).open("wb")
            self._file.write(data)
        except OSError as error:
            self.fault = error

    def complete(self) -> None:
        """All that was written is the whole file: give it its name, then run `call`."""
        try:
            if self._file is not None and self._path is not None and self.fault is None:
                self._file.close()
                _part_of(self._path).replace(self._path)
                self._file = None
        except OSError as error:
            self.fault = error
        if self.fault is not None:
            self.drop()
        elif self.call is not None:
            self.call()
        self._end()

    def drop(self) -> None:
        """Take away what there is of it, whole or not, with the labels beside it."""
        if self._file is not None:
            with suppress(OSError):  # what it still holds may not find room
                self._file.close()
            self._file = None
        if self._path is not None:
            remove_recording(self._path)
        self._end()

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


def _part_of(path: Path) -> Path:
    return path.with_name(path.name + ".part")


@attrs.define(eq=False)
class FetchedRecording:
    """One that lies at `worker`; see `plans.recordings.Weighed`. Made by `RecordingsHere`.

    `is_whole`: all of it has come, though it may still have to be written.
    """

    simulation_output_id: str
    worker: str
    here: "RecordingsHere" = attrs.field(repr=False)
    is_whole: bool = attrs.field(default=False, init=False)
    _fault: OSError | None = attrs.field(default=None, init=False)
    _file: _ArrivingFile = attrs.field(init=False)

    @property
    def fault(self) -> OSError | None:
        """Why it is incomplete, or did not come."""
        return self._fault or self._file.fault

    @property
    def has_sound(self) -> bool:
        """Whether there is anything to keep: nothing where its worker is lost; for the rest see its row."""
        return not self.here.has_lost(self.worker)

    def keep(self) -> Future[None]:
        """Ask for it when it is its turn; done when the file is there, or won't be."""
        self._file = _ArrivingFile(partial(self.here.recordings.folder.recording, self.simulation_output_id))
        self.here.want(self)
        return self._file.ended

    def then(self, call: Callable[[], None]) -> Future[None]:
        """Have the writer run `call` once the file is whole, and never where it does not come to that."""
        self._file.call = call
        return self._file.ended

    def discard(self) -> None:
        """Let the worker forget it."""
        self.here.tell(self, wanted=False)

    def displace(self) -> None:
        """Forget it after all, wherever it is: what has come of it is removed."""
        self.here.forget(self)
        self._submit(self._file.drop)

    def lose(self, fault: OSError) -> None:
        """The rest of it won't come."""
        self._fault = fault
        self._submit(self._file.drop)

    def add(self, piece: messages.Sound) -> Future[None]:
        """Write the next piece; done when it is on disk, and if it was the last, with all of it."""
        written = self._submit(self._file.write, piece.data)
        if not piece.is_last:
            return written
        self.is_whole = True
        self._fault = None if piece.fault is None else OSError(piece.fault)
        return self._submit(self._file.complete)

    def _submit(self, call: Callable[..., None], *args: object) -> Future[None]:
        writer: Executor = self.here.recordings.writer
        return writer.submit(call, *args)


@attrs.define(eq=False)
class RecordingsHere:
    """Has `recordings` decide about those that are made by workers, and fetches the ones that are kept.

    `is_recorded` says for each scenario, by name, of which numbers the audio may come to be kept (`plans.samples`).
    Use it as a context within that of `recordings`, inside a Trio run: what has not come at its end is a fault, and no
    file is left that is not whole.
    """

    recordings: Recordings
    is_recorded: Mapping[str, Callable[[int], bool]]
    _send: Send
    _wanted: dict[str, FetchedRecording] = attrs.field(factory=dict, init=False)
    _coming: dict[str, FetchedRecording] = attrs.field(factory=dict, init=False)
    _workers: set[str] = attrs.field(factory=set, init=False)
    _lost: set[str] = attrs.field(factory=set, init=False)
    _unwritten: deque[tuple[Future[None], int]] = attrs.field(factory=deque, init=False)
    _unwritten_bytes: int = attrs.field(default=0, init=False)
    _news: trio.Event = attrs.field(factory=trio.Event, init=False)
    _loop: trio.lowlevel.TrioToken = attrs.field(factory=trio.lowlevel.current_trio_token, init=False)
    _is_over: bool = attrs.field(default=False, init=False)

    def __enter__(self) -> "RecordingsHere":
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._lose(self._outstanding(), "the run ended before it had come from its worker")

    def dealt(self, identity: Identity, worker: str) -> bool:
        """A simulation goes to `worker`: whether it is to be recorded there (`Start.recorded`)."""
        if not self.is_recorded[identity.scenario](identity.number) or not self.recordings.may_keep(identity):
            return False
        self._workers.add(worker)
        self.recordings.most_waiting = WAITING_AT_MOST * len(self._workers)  # an open file each, at their workers
        one = identity.simulation_output_id
        self.recordings.expect(one, FetchedRecording(one, worker, self))
        return True

    def take(self, piece: messages.Sound) -> None:
        """The next piece of a recording has come; never waits."""
        recording = self._coming.get(piece.simulation_output_id)
        if recording is None or recording.is_whole:
            return  # it was displaced, or given up
        self._news.set()
        if piece.fault is not None and not piece.is_last:
            self._lose([recording], piece.fault)
        elif not self._has_room(len(piece.data)):
            self.tell(recording, wanted=False)
            self._lose([recording], "the disk does not keep up with the recordings")
        else:
            self._write(recording, piece)

    def lost(self, worker: str) -> None:
        """Nothing more will come from `worker`."""
        self._lost.add(worker)
        of_it = [one for one in self._outstanding() if one.worker == worker]
        self._lose(of_it, "its worker was lost before it had come")

    async def all_here(self) -> None:
        """Wait for what is wanted and has not come, for as long as some of it comes every 30 s.

        Let workers finish only after this: until then some of it may not have been asked for.
        """
        while self._wanted or self._coming:
            self._news = trio.Event()
            with trio.move_on_after(QUIET_AT_MOST_S) as quiet:
                await self._news.wait()
            if quiet.cancelled_caught:
                return

    # What its recordings do with it

    def has_lost(self, worker: str) -> bool:
        """Whether nothing comes from `worker` any more."""
        return worker in self._lost or self._is_over

    def want(self, recording: FetchedRecording) -> None:
        """Ask for `recording` as soon as there is room."""
        self._wanted[recording.simulation_output_id] = recording
        self._ask()

    def forget(self, recording: FetchedRecording) -> None:
        """Nobody waits for `recording` any more."""
        one = recording.simulation_output_id
        if self._wanted.pop(one, None) is not None or self._coming.pop(one, None) is not None:
            self._news.set()
            if not recording.is_whole:
                self.tell(recording, wanted=False)
            self._ask()

    def tell(self, recording: FetchedRecording, *, wanted: bool) -> None:
        """Tell the worker of `recording`, where there still is one."""
        if not self.has_lost(recording.worker):
            self._send(recording.worker, messages.Recording(recording.simulation_output_id, wanted))

    def _outstanding(self) -> list[FetchedRecording]:
        return [one for one in (*self._wanted.values(), *self._coming.values()) if not one.is_whole]

    def _ask(self) -> None:
        while len(self._coming) < COMING_AT_MOST and (recording := self._next()) is not None:
            del self._wanted[recording.simulation_output_id]
            self._coming[recording.simulation_output_id] = recording
            self.tell(recording, wanted=True)

    def _next(self) -> FetchedRecording | None:
        busy = [one.worker for one in self._coming.values()]
        free = (one for one in self._wanted.values() if busy.count(one.worker) < COMING_FROM_ONE_AT_MOST)
        return next(free, None)

    def _has_room(self, size: int) -> bool:
        while self._unwritten and self._unwritten[0][0].done():
            self._unwritten_bytes -= self._unwritten.popleft()[1]
        return self._unwritten_bytes + size <= UNWRITTEN_BYTES_AT_MOST

    def _write(self, recording: FetchedRecording, piece: messages.Sound) -> None:
        written = recording.add(piece)
        self._unwritten.append((written, len(piece.data)))
        self._unwritten_bytes += len(piece.data)
        if piece.is_last:
            written.add_done_callback(lambda _: self._loop.run_sync_soon(self._finish, recording))

    def _finish(self, recording: FetchedRecording) -> None:
        if self._coming.get(recording.simulation_output_id) is recording:
            del self._coming[recording.simulation_output_id]
            self._news.set()
            self._ask()

    def _lose(self, recordings: list[FetchedRecording], why: str) -> None:
        for recording in recordings:
            self._wanted.pop(recording.simulation_output_id, None)
            self._coming.pop(recording.simulation_output_id, None)
            recording.lose(OSError(why))
        self._news.set()
        self._ask()
