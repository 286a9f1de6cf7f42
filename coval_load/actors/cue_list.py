"""What was said when, as a label track to open beside a recording."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from coval_load.engine.plain_json import dump_json
from coval_load.json_text import one_line

LONGEST_WORDS = 300
"""Characters; of what is longer the rest is left out, and `…` put in its place."""

_SPEAKERS = {"user": "caller", "assistant": "agent", "tool": "tool"}
_DEEDS = {"dtmf": "dtmf", "media": "media", "text": "text", "tool_call": "tool call"}


@attrs.frozen(order=True)
class Cue:
    """A label from `start` to `end`, in seconds since the start of the recording; a point where they are the same."""

    start: float
    end: float
    label: str


def cue_list(row: Mapping[str, Any], clean: Callable[[str], str] = str, *, with_words: bool = True) -> str:
    """The label track of the recording of a simulation, from its row as it stands in `simulations.jsonl`.

    A line for each turn, each event (a point) and the error (a point at the end), ordered by when they begin: start,
    end and label, parted by tabs, as the Audacity manual has it ("Importing and Exporting Labels"). Times are in
    seconds since the start of the recording; what reaches beyond the recording is cut off at its ends. `clean` masks
    secrets. Without words it says of the conversation only who spoke, or did something, when.
    """
    start, end, error = row["recording"]["start"], row["ended_at"], row["error"]

    def label(who: str, words: Iterable[str], is_shown: bool = with_words) -> str:
        return f"{who}: {_short(map(clean, words))}" if is_shown else who

    cues = [
        *(
            Cue(turn["start"], end if turn["end"] is None else turn["end"], label(_who(turn), _words(turn)))
            for turn in row["transcript"]
        ),
        *(Cue(event["at"], event["at"], label("event", _told(event))) for event in row["events"]),
        *([] if error is None else [Cue(end, end, label("error", (error["kind"], error["message"]), True))]),
    ]
    return "".join(map(_line, sorted(_within(cues, start, end))))


def write_cue_list(recording: Path, cues: str) -> None:
    """Write `ID.labels.txt` beside the recording `ID.wav`; blocks, and raises OSError."""
    recording.with_suffix(".labels.txt").write_text(cues, "utf-8", newline="\n")


def _within(cues: Iterable[Cue], start: float, end: float) -> Iterator[Cue]:
    longest = max(end - start, 0.0)
    for cue in cues:
        begins = min(max(cue.start - start, 0.0), longest)
        yield Cue(begins, min(max(cue.end - start, begins), longest), cue.label.removesuffix(": "))


def _line(cue: Cue) -> str:
    return f"{cue.start:.6f}\t{cue.end:.6f}\t{cue.label}\n"


def _who(turn: Mapping[str, Any]) -> str:
    who = _SPEAKERS[turn["role"]]
    if turn.get("type") in _DEEDS:
        who += f" {_DEEDS[turn['type']]}"
    if turn.get("interrupted"):
        who += " (interrupted)"
    if turn.get("interrupted_caller"):
        who += " (interrupts)"
    if turn.get("ended"):
        who += f" ({turn['ended'].partition(':')[0]})"
    return who


def _words(turn: Mapping[str, Any]) -> Iterator[str]:
    tool = turn.get("tool")
    if tool is not None:
        yield from (tool["name"], tool.get("arguments", ""))
    yield turn["content"] or ""
    understood = turn.get("transcribed")
    if understood and _plain(understood) != _plain(turn["content"] or ""):
        yield f"[understood: {understood}]"


def _plain(words: str) -> list[str]:
    """As one hears it: how a transcription writes it is no misunderstanding."""
    return re.findall(r"\w+", words[: 10 * LONGEST_WORDS].casefold())


def _told(event: Mapping[str, Any]) -> Iterator[str]:
    yield event["message_type"]
    yield event["event"] or ""
    yield dump_json(event["payload"]).decode()


def _short(words: Iterable[str]) -> str:
    # Cut before it is looked through, as it may be a megabyte.
    text = one_line(" ".join(part[: 2 * LONGEST_WORDS] for part in words if part))
    return text if len(text) <= LONGEST_WORDS else text[: LONGEST_WORDS - 1] + "…"
