"""What was said when, as a label track to open beside a recording."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from coval_load.engine.plain_json import dump_json
from coval_load.json_text import one_line

LONGEST_WORDS = 300
"""Characters; of what is longer the rest is left out, and `…` put in its place."""

_SPEAKERS = {"user": "caller", "assistant": "agent", "tool": "tool"}


@attrs.frozen(order=True)
class Cue:
    """A label from `start` to `end`, in seconds since the start of the recording; a point where they are the same."""

    start: float
    end: float
    label: str


def cue_list(row: Mapping[str, Any]) -> str:
    """The label track of the recording of a simulation, from its row as it stands in `simulations.jsonl`.

    A line for each turn, each event (a point) and the error (a point at the end), ordered by when they begin: start,
    end and label, parted by tabs, as the Audacity manual has it ("Importing and Exporting Labels"). Times are in
    seconds since the start of the recording; what reaches beyond the recording is cut off at its ends.
    """
    start, end, error = row["recording"]["start"], row["ended_at"], row["error"]
    cues = [
        *(Cue(turn["start"], end if turn["end"] is None else turn["end"], _turn(turn)) for turn in row["transcript"]),
        *(Cue(event["at"], event["at"], _event(event)) for event in row["events"]),
        *([] if error is None else [Cue(end, end, _error(error))]),
    ]
    return "".join(map(_line, sorted(_within(cues, start, end))))


def write_cue_list(recording: Path, cues: str) -> None:
    """Write `ID.labels.txt` beside the recording `ID.wav`; blocks, and raises OSError."""
    recording.with_suffix(".labels.txt").write_text(cues, "utf-8", newline="\n")


def _within(cues: Iterable[Cue], start: float, end: float) -> Iterator[Cue]:
    longest = max(end - start, 0.0)
    for cue in cues:
        begins = min(max(cue.start - start, 0.0), longest)
        yield Cue(begins, min(max(cue.end - start, begins), longest), cue.label)


def _line(cue: Cue) -> str:
    return f"{cue.start:.6f}\t{cue.end:.6f}\t{cue.label}\n"


def _turn(turn: Mapping[str, Any]) -> str:
    speaker = _SPEAKERS[turn["role"]]
    how = " (interrupted)" if turn.get("interrupted") else ""
    how += " (interrupted the caller)" if turn.get("interrupted_caller") else ""
    return _said(speaker, _words(turn)) + how


def _words(turn: Mapping[str, Any]) -> Iterator[str]:
    kind, tool, content = turn.get("type"), turn.get("tool", {}), turn["content"] or ""
    match kind:
        case "tool_call":
            yield from ("tool call", tool["name"], tool["arguments"])
        case "tool_result":
            yield from (tool["name"], content)
        case _:
            yield from (kind or "", content)


def _event(event: Mapping[str, Any]) -> str:
    payload = dump_json(event["payload"]).decode()
    return _said("event", (event["message_type"], event["event"] or "", payload))


def _error(error: Mapping[str, Any]) -> str:
    return _said("error", (f"{error['kind']}:", error["message"]))


def _said(who: str, words: Iterable[str]) -> str:
    # Cut before it is looked through, as it may be a megabyte.
    text = one_line(" ".join(part[: 2 * LONGEST_WORDS] for part in words if part))
    if len(text) > LONGEST_WORDS:
        text = text[: LONGEST_WORDS - 1] + "…"
    return f"{who}: {text}" if text else who
