"""What an earlier process kept of a run that goes on: weighed again, so that it counts against what comes."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from coval_load.actors.spooled_recording import remove_recording
from coval_load.engine.keeping import Keeper, offer_row
from coval_load.engine.run_folder import RunFolder, read_rows
from coval_load.plans.conversations import Conversations, remove_conversation
from coval_load.plans.recordings import Recordings


def adopt(folder: RunFolder, recordings: Recordings, conversations: Conversations | None) -> None:
    """Let both go on with their files in `folder`; those of no simulation that was settled are removed.

    How slow a simulation was stands in its kept conversation, or in its row where the plan keeps transcripts there;
    of one that has neither, it is not known, and it gives way to whatever comes.
    """
    sounds = _files(folder.path / "recordings", ".wav") if recordings.keeper is not None else {}
    texts = _files(conversations.folder, ".json") if conversations is not None else {}
    rows = _last_rows(folder.simulations_file, {*sounds, *texts})
    whole = {one: row for one in texts if one in rows and (row := _read(texts[one])) is not None}
    if recordings.keeper is not None:
        of_sounds = [whole.get(one, rows[one]) for one in sounds if one in rows]
        _adopt(recordings.keeper, of_sounds, sounds, recordings.adopt, remove_recording)
    if conversations is not None:
        _adopt(conversations.keeper, whole.values(), texts, conversations.adopt, remove_conversation)


def _files(folder: Path, suffix: str) -> dict[str, Path]:
    """By simulation; one that is there only in part is removed by its whole name, too."""
    found = [*folder.glob(f"*{suffix}"), *folder.glob(f"*{suffix}.part")]
    whole = [path.with_name(path.name.removesuffix(".part")) for path in found]
    return {path.name.removesuffix(suffix): path for path in whole}


def _last_rows(path: Path, wanted: set[str]) -> dict[str, Mapping[str, Any]]:
    if not wanted:
        return {}
    return {row["simulation_output_id"]: row for row in read_rows(path) if row["simulation_output_id"] in wanted}


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        row = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return row if isinstance(row, dict) else None


def _adopt(
    keeper: Keeper,
    rows: Iterable[Mapping[str, Any]],
    files: Mapping[str, Path],
    take: Callable[[str], object],
    remove: Callable[[Path], object],
) -> None:
    for row in sorted(rows, key=lambda row: float(row["ended_at"])):
        offer_row(keeper, row, unknown_s=None if row["transcript"] else 0.0)
    for one, path in files.items():
        if one in keeper.kept and path.exists():
            take(one)
        else:
            remove(path)
