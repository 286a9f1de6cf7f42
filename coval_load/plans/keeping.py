"""What of each simulation stays on disk besides what was measured, as `record` in the plan says."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs

from coval_load.actors.cue_list import cue_list
from coval_load.actors.simulation import Identity
from coval_load.actors.spooled_recording import VoiceRecording
from coval_load.engine.keeping import Keeper
from coval_load.engine.plan import Selection
from coval_load.engine.results import Results
from coval_load.engine.run_folder import RunFolder
from coval_load.plans.conversations import Conversations
from coval_load.plans.kept_before import adopt
from coval_load.plans.plan import Plan
from coval_load.plans.recordings import Recordings
from coval_load.plans.samples import drawn_beforehand

WriteRow = Callable[[dict[str, Any]], object]


@attrs.define
class Keeping:
    """Takes the whole row of each simulation that ended, and writes what is left of it once parts are kept elsewhere.

    `keeps_turns`: whether rows have their transcripts and events, `keeps_words`: whether anything has. `clean` masks
    secrets. Made by `open_keeping`.
    """

    recordings: Recordings
    conversations: Conversations | None
    keeps_turns: bool
    keeps_words: bool = True
    clean: Callable[[Any], Any] = attrs.field(kw_only=True)

    def open_recording(self, identity: Identity, started_at: float) -> VoiceRecording | None:
        """See `Recordings.open`."""
        return self.recordings.open(identity, started_at)

    def before(self, write_row: WriteRow) -> WriteRow:
        """What takes a whole row, and gives what stays in it to `write_row`. Neither waits."""

        def write(row: dict[str, Any]) -> None:
            if self.recordings.settle(row):
                cues = cue_list(row, self.clean, with_words=self.keeps_words)
                self.recordings.label(row["simulation_output_id"], cues)
            else:
                row = {**row, "recording": None}
            if self.conversations is not None:
                self.conversations.settle(row)
            write_row(row if self.keeps_turns else {**row, "transcript": [], "events": []})

        return write


def weighed_audio(plan: Plan) -> Selection | None:
    """By what it is decided which recordings are kept, once their simulations are over; None: all that are opened."""
    audio = plan.recording.audio
    return audio if isinstance(audio, Selection) and drawn_beforehand(plan) is None else None


@contextmanager
def open_keeping(
    plan: Plan, folder: RunFolder, results: Results, clean: Callable[[Any], Any], *, is_resumed: bool = False
) -> Iterator[Keeping]:
    """Keep what `plan` says in `folder`; what the disk did not take is noted in `results` at the end.

    `is_resumed`: what is kept there was kept by an earlier process, and goes on being weighed against what comes.
    """
    transcripts, weighed = plan.recording.transcripts, weighed_audio(plan)
    conversations = None
    recordings = Recordings(folder, None if weighed is None else Keeper(weighed, plan.seed))
    if isinstance(transcripts, Selection):
        conversations = Conversations(folder.path / "conversations", Keeper(transcripts, plan.seed), clean)
    if is_resumed:
        adopt(folder, recordings, conversations)
    try:
        with recordings:
            if conversations is None:
                all_kept = transcripts == "all"
                yield Keeping(recordings, None, keeps_turns=all_kept, keeps_words=all_kept, clean=clean)
            else:
                with conversations:
                    yield Keeping(recordings, conversations, keeps_turns=False, clean=clean)
    finally:
        faults = recordings.faults
        _note(results, faults[:1], f"{len(faults)} recordings are incomplete")
        if conversations is not None and conversations.fault is not None:
            _note(results, [conversations.fault], f"{conversations.lost} conversations could not be written")


def _note(results: Results, faults: Iterable[OSError], what: str) -> None:
    for fault in faults:
        results.note(f"{what}: {fault.strerror or fault}")
