"""A run's summary for a terminal of 80 columns, read in ten seconds."""

import textwrap
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from coval_load.engine import metrics
from coval_load.report.units import clock, duration, many

WIDTH = 80
_CUT = " …"

_SHOWN = (
    metrics.RESPONSE_LATENCY,
    metrics.TTFB_AUDIO,
    metrics.TTFT,
    metrics.INTER_CHUNK_LATENCY,
    metrics.RESPONSE_TIME,
    metrics.GREETING_LATENCY,
    metrics.BARGE_IN_STOP_LATENCY,
    metrics.TURN_TIME,
    metrics.AUDIO_UNDERRUN,
    metrics.SETUP_TIME,
    metrics.CONNECT_TIME,
    metrics.HANDSHAKE_TIME,
    metrics.QUEUE_TIME,
)
_COLUMNS = ("p50", "p95", "p99", "max")
_CODES = {"bold": "1", "green": "32", "yellow": "33", "red": "31", "dim": "2"}
_VERDICTS = {
    "valid": ("green", "can be trusted"),
    "degraded": ("yellow", "can be trusted with care"),
    "invalid": ("red", "can't be trusted"),
}


def summary_text(summary: Mapping[str, Any], run: Mapping[str, Any], colour: bool, folder: str = "") -> str:
    """The summary in lines of at most 80 columns, with a newline at the end.

    `summary` and `run` are what `summary.json` and `run.json` hold; `folder` is where these are.
    """
    paint = _Paint(colour)
    parts = (
        _headline(summary, run, paint),
        _table(summary["metrics"], summary.get("agents", {}), paint),
        _errors(summary, paint),
        _generator(summary, paint),
        _notes(summary["notes"]),
        [f"results in {folder}"] if folder else [],
    )
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part))) + "\n"


class _Paint:
    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, text: str, colour: str) -> str:
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self._colour else text


def _headline(summary: Mapping[str, Any], run: Mapping[str, Any], paint: _Paint) -> Iterator[str]:
    counts = summary["counts"]
    yield paint(_one_line(run["name"], WIDTH), "bold")
    ended = [many(counts[metrics.COMPLETED], "simulation") + " completed"]
    ended += [f"{counts[status]:,} {status}" for status in (metrics.FAILED, metrics.CANCELLED) if counts[status]]
    colour = "red" if counts[metrics.FAILED] else "green" if counts[metrics.COMPLETED] else "yellow"
    yield paint(", ".join(ended), colour)
    said = [many(summary["counters"][metrics.TURNS], "turn")]
    concurrency = (run["plan"].get("load") or {}).get("concurrency")
    if concurrency is not None:
        said.append(f"up to {concurrency:,} at once")
    took = _took(run)
    if took is not None:
        said.append(f"in {clock(took)}")
    yield ", ".join(said)
    yield from _tools_and_tokens(summary["counters"])


def _tools_and_tokens(counters: Mapping[str, int]) -> Iterator[str]:
    said = [many(counters[metrics.TOOL_CALLS], "tool call")] if counters[metrics.TOOL_CALLS] else []
    read, written = counters[metrics.INPUT_TOKENS], counters[metrics.OUTPUT_TOKENS]
    if read or written:
        said.append(f"{many(read, 'token')} read and {written:,} written by the agent")
    if said:
        yield ", ".join(said)


def _took(run: Mapping[str, Any]) -> float | None:
    if not run["ended"]:
        return None
    return (datetime.fromisoformat(run["ended"]) - datetime.fromisoformat(run["started"])).total_seconds()


def _table(measured: Mapping[str, Any], agents: Mapping[str, Any], paint: _Paint) -> Iterator[str]:
    shown = [name for name in _SHOWN if name in measured]
    if not shown:
        return
    yield paint(f"{'':24}{'count':>10}" + "".join(f"{column:>11}" for column in _COLUMNS), "dim")
    for name in shown:
        yield _row(name, measured[name])
        if name == metrics.RESPONSE_LATENCY and len(agents) > 1:
            for agent, tally in sorted(agents.items()):
                if tally[name] is not None:
                    yield _row(_one_line(f"  {agent}", 23), tally[name])


def _row(name: str, entry: Mapping[str, Any]) -> str:
    return f"{name:24}{entry['count']:>10,}" + "".join(f"{duration(entry[c]):>11}" for c in _COLUMNS)


def _errors(summary: Mapping[str, Any], paint: _Paint) -> Iterator[str]:
    for kind, amount in sorted(summary["errors"].items(), key=lambda item: -item[1]):
        yield paint(f"{amount:>7,} {kind}", "red")
        example = summary.get("error_examples", {}).get(kind)
        if example:
            yield from _without_middle(example, indent=" " * 8, lines_at_most=5)


def _generator(summary: Mapping[str, Any], paint: _Paint) -> Iterator[str]:
    generator, measured = summary["generator"], summary["metrics"]
    colour, words = _VERDICTS[generator["verdict"]]
    if generator["verdict"] == "valid" and not summary["counts"][metrics.COMPLETED]:
        colour, words = "yellow", "completed no simulation; the generator was not why"
    yield paint(f"this run {words}", colour) + _pace(generator, measured)
    for reason in generator["reasons"]:
        yield from _wrapped(reason, indent="  ")


def _pace(generator: Mapping[str, Any], measured: Mapping[str, Any]) -> str:
    lateness, lag = measured.get(metrics.SEND_LATENESS), measured.get(metrics.LOOP_LAG)
    said = []
    if lateness:
        said.append(f"frames left {duration(lateness['p99'])} late (p99)")
    elif lag:
        said.append(f"the generator woke {duration(lag['p99'])} late (p99)")
    if generator["cpu_share"] is not None:
        said.append(f"CPU at {generator['cpu_share']:.0%}")
    return ": " + ", ".join(said) if said else ""


def _notes(notes: list[str]) -> Iterator[str]:
    for note in notes:
        yield from _wrapped(f"note: {note}", indent="")


def _wrapped(text: str, indent: str, width: int = WIDTH) -> list[str]:
    return textwrap.wrap(
        _printable(text),
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,  # what it says to give, as --ca-file, is to be copied
        max_lines=20,
        placeholder=_CUT,
    )


def _without_middle(text: str, indent: str, lines_at_most: int) -> list[str]:
    """The beginning of a message, which says what was expected, and its end, which says what to do."""
    lines = _wrapped(text, indent)
    if len(lines) <= lines_at_most:
        return lines
    lines = _wrapped(text, indent, WIDTH - len(_CUT))
    first, last = lines[: lines_at_most - 2], lines[-2:]
    return [*first[:-1], first[-1] + _CUT, *last]


def _one_line(text: str, width: int) -> str:
    text = _printable(text)
    return text if len(text) <= width else text[: width - 1] + "…"


def _printable(text: str) -> str:
    """What an agent sent must not move the cursor of whoever reads it."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
