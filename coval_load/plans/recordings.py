"""The recordings of a run: all that were opened, or of those that ended the ones that are kept."""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs

from coval_load.actors.cue_list import write_cue_list
from coval_load.actors.simulation import Identity
from coval_load.actors.spooled_recording import SpooledRecording, VoiceRecording, remove_recording
from coval_load.actors.stereo_recording import StereoRecording
from coval_load.engine.keeping import Keeper, key_of, offer_row
from coval_load.engine.run_folder import RunFolder

WAITING_AT_MOST = 1_000
"""How many recordings that are kept may wait to be mixed: each is an open file. Beyond these they are lost."""


@attrs.define
class Recordings:
    """Written by one thread; `keeper` decides which are kept, None: all that are opened. Use it as a context.

    Error handling: nothing is raised for the disk's sake; `faults` are what it did not take.
    """

    folder: RunFolder
    keeper: Keeper | None = None
    _writer: ThreadPoolExecutor = attrs.field(factory=lambda: ThreadPoolExecutor(1, "recordings"), init=False)
    _opened: list[StereoRecording] = attrs.field(factory=list, init=False)
    _going: dict[str, SpooledRecording] = attrs.field(factory=dict, init=False)
    _kept: dict[str, SpooledRecording | None] = attrs.field(factory=dict, init=False)
    _waiting: deque[Future[None]] = attrs.field(factory=deque, init=False)
    _labelling: deque[Future[None]] = attrs.field(factory=deque, init=False)
    _lost: list[OSError] = attrs.field(factory=list, init=False)

    def __enter__(self) -> "Recordings":
        return self

    def __exit__(self, *_: object) -> None:
        for recording in self._going.values():  # of simulations that never came to a row
            recording.discard()
        self._writer.shutdown()

    @property
    def faults(self) -> list[OSError]:
        """The first thing that went wrong on disk with each recording that is incomplete, or not there."""
        return [*self._lost, *(one.fault for one in self._all() if one is not None and one.fault is not None)]

    def _all(self) -> Iterator[StereoRecording | SpooledRecording | None]:
        yield from self._opened
        yield from self._kept.values()

    def open(self, identity: Identity, started_at: float) -> VoiceRecording | None:
        """The recording of one simulation, which begins at `started_at` on the Trio clock.

        None where it is known already that it won't be kept.
        """
        one = identity.simulation_output_id
        if self.keeper is None:
            self._opened.append(StereoRecording(self.folder.recording(one), started_at, self._writer))
            return self._opened[-1]
        if not self.keeper.may_keep(key_of(identity.scenario, identity.number)):
            return None
        self._going[one] = SpooledRecording(self.folder.recording(one), started_at, self._writer)
        return self._going[one]

    def settle(self, row: Mapping[str, Any]) -> bool:
        """Decide about the recording of a simulation that has ended by its whole row; whether there is one."""
        if self.keeper is None:
            return row["recording"] is not None
        one = row["simulation_output_id"]
        recording = self._going.pop(one, None)
        if recording is None:
            return False
        kept = offer_row(self.keeper, row) if recording.has_sound else None
        if kept is None or not kept.reasons:
            recording.discard()
            return False
        for displaced in kept.displaced:
            self._displace(displaced)
        return self._keep(one, recording)

    def label(self, simulation_output_id: str, cues: str) -> None:
        """Write `cues` beside the recording of a simulation that `settle` kept; never waits."""
        while self._labelling and self._labelling[0].done():
            self._labelling.popleft()
        if len(self._labelling) < WAITING_AT_MOST:
            path = self.folder.recording(simulation_output_id)
            self._labelling.append(self._writer.submit(self._write_label, path, cues))

    def _write_label(self, path: Path, cues: str) -> None:
        try:
            write_cue_list(path, cues)
        except OSError as error:
            self._lost = self._lost or [error]

    def adopt(self, simulation_output_id: str) -> None:
        """The file of one that is kept was written by an earlier process."""
        self._kept[simulation_output_id] = None

    def _keep(self, one: str, recording: SpooledRecording) -> bool:
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        if len(self._waiting) >= WAITING_AT_MOST:
            recording.discard()
            self._lost = self._lost or [OSError("more recordings had to be kept at once than could be mixed")]
            return False
        self._kept[one] = recording
        self._waiting.append(recording.keep())
        return True

    def _displace(self, one: str) -> None:
        if one not in self._kept:
            return  # it was lost
        recording = self._kept.pop(one)
        if recording is None:
            self._writer.submit(remove_recording, self.folder.recording(one))
        else:
            recording.displace()
