"""The recordings of a run: all that were opened, or of those that ended the ones that are kept."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

import attrs

from coval_load.actors.cue_list import write_cue_list
from coval_load.actors.simulation import Identity
from coval_load.actors.spooled_recording import SpooledRecording, VoiceRecording, remove_recording
from coval_load.actors.stereo_recording import StereoRecording
from coval_load.engine.keeping import Keeper, key_of, offer_row
from coval_load.engine.run_folder import RunFolder

WAITING_AT_MOST = 1_000
"""How many recordings that are kept may wait to be mixed: each is an open file. Beyond these they are lost."""


class Weighed(Protocol):
    """A recording that may come to be kept, wherever its sound lies: as `SpooledRecording` has it.

    No call waits, or raises an OSError.
    """

    @property
    def fault(self) -> OSError | None:
        """Why it is incomplete, or not there."""
        ...

    @property
    def has_sound(self) -> bool:
        """Whether there is anything to keep."""
        ...

    def keep(self) -> Future[None]:
        """Have its file made; done when it is there, or will never be."""
        ...

    def then(self, call: Callable[[], None]) -> Future[None]:
        """After `keep`: have the writer run `call` once the file was made; done as what `keep` gave, or later."""
        ...

    def discard(self) -> None:
        """It is not kept."""
        ...

    def displace(self) -> None:
        """After `keep`: it is not kept any more."""
        ...


@attrs.define
class Recordings:
    """Written by one thread; `keeper` decides which are kept, None: all that are opened. Use it as a context.

    Those of this process come to be by `open`; what is recorded elsewhere is told by `expect`. No more than
    `most_waiting` that are kept may wait for their files.

    Error handling: nothing is raised for the disk's sake; `faults` are what it did not take.
    """

    folder: RunFolder
    keeper: Keeper | None = None
    most_waiting: int = WAITING_AT_MOST
    writer: ThreadPoolExecutor = attrs.field(factory=lambda: ThreadPoolExecutor(1, "recordings"), init=False)
    _opened: dict[str, StereoRecording] = attrs.field(factory=dict, init=False)
    _going: dict[str, Weighed] = attrs.field(factory=dict, init=False)
    _kept: dict[str, Weighed | None] = attrs.field(factory=dict, init=False)
    _waiting: list[Future[None]] = attrs.field(factory=list, init=False)
    _labelling: list[Future[None]] = attrs.field(factory=list, init=False)
    _lost: list[OSError] = attrs.field(factory=list, init=False)

    def __enter__(self) -> "Recordings":
        return self

    def __exit__(self, *_: object) -> None:
        for recording in self._going.values():  # of simulations that never came to a row
            recording.discard()
        self.writer.shutdown()

    @property
    def faults(self) -> list[OSError]:
        """The first thing that went wrong with each recording that is incomplete, or not there."""
        return [*self._lost, *(one.fault for one in self._all() if one is not None and one.fault is not None)]

    def _all(self) -> Iterator[StereoRecording | Weighed | None]:
        yield from self._opened.values()
        yield from self._kept.values()

    def open(self, identity: Identity, started_at: float) -> VoiceRecording | None:
        """The recording of one simulation, which begins at `started_at` on the Trio clock.

        None where it is known already that it won't be kept.
        """
        one = identity.simulation_output_id
        if self.keeper is None:
            self._opened[one] = StereoRecording(self.folder.recording(one), started_at, self.writer)
            return self._opened[one]
        if not self.may_keep(identity):
            return None
        spooled = SpooledRecording(self.folder.recording(one), started_at, self.writer)
        self.expect(one, spooled)
        return spooled

    def may_keep(self, identity: Identity) -> bool:
        """Whether the recording of a simulation may come to be kept: false where it surely won't be."""
        return self.keeper is None or self.keeper.may_keep(key_of(identity.scenario, identity.number))

    def expect(self, simulation_output_id: str, recording: Weighed) -> None:
        """Let `settle` decide about `recording`."""
        self._going[simulation_output_id] = recording

    def settle(self, row: Mapping[str, Any]) -> bool:
        """Decide about the recording of a simulation that has ended by its whole row; whether there is one."""
        one = row["simulation_output_id"]
        if one in self._opened:
            return row["recording"] is not None
        recording = self._going.pop(one, None)
        if recording is None:
            return False
        if row["recording"] is None or not recording.has_sound or not self._is_wanted(row):
            recording.discard()
            return False
        return self._keep(one, recording)

    def _is_wanted(self, row: Mapping[str, Any]) -> bool:
        if self.keeper is None:
            return True
        kept = offer_row(self.keeper, row)
        for displaced in kept.displaced:
            self._displace(displaced)
        return bool(kept.reasons)

    def label(self, simulation_output_id: str, cues: str) -> None:
        """Write `cues` beside the recording of a simulation that `settle` kept, once it is there; never waits."""
        if not self._has_room(self._labelling):
            return
        recording = self._kept.get(simulation_output_id)
        write = partial(self._write_label, simulation_output_id, cues)
        self._labelling.append(self.writer.submit(write) if recording is None else recording.then(write))

    def _write_label(self, one: str, cues: str) -> None:
        try:
            write_cue_list(self.folder.recording(one), cues)
        except OSError as error:
            self._lost = self._lost or [error]

    def adopt(self, simulation_output_id: str) -> None:
        """The file of one that is kept was written by an earlier process."""
        self._kept[simulation_output_id] = None

    def _keep(self, one: str, recording: Weighed) -> bool:
        if not self._has_room(self._waiting):
            recording.discard()
            self._lost = self._lost or [OSError("more recordings had to be kept at once than could be mixed")]
            return False
        self._kept[one] = recording
        self._waiting.append(recording.keep())
        return True

    def _has_room(self, waiting: list[Future[None]]) -> bool:
        if len(waiting) >= self.most_waiting:
            waiting[:] = (one for one in waiting if not one.done())
        return len(waiting) < self.most_waiting

    def _displace(self, one: str) -> None:
        if one not in self._kept:
            return  # it was lost
        recording = self._kept.pop(one)
        if recording is None:
            self.writer.submit(remove_recording, self.folder.recording(one))
        else:
            recording.displace()
