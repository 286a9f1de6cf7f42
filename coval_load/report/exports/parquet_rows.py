"""A row of `simulations.jsonl` as flat rows of tables."""

from collections.abc import Iterator, Mapping
from typing import Any

from coval_load.engine.metrics import METRICS

TOKENS = ("input_tokens", "output_tokens", "input_audio_tokens", "output_audio_tokens", "cached_tokens")
"""Of the `usage` of an entry."""

LABELS = ("simulation_output_id", "agent", "model_type", "test_case", "persona", "scenario", "number", "outcome")
"""What stands in both tables, so that most questions take only one."""


_SAID = (None, "text")
"""The types of what an agent spoke or wrote."""


def simulation_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The simulation, with its error, its checks and what it measured in columns of their own."""
    error, recording, transcript = row["error"] or {}, row.get("recording") or {}, row["transcript"]
    checks = row.get("checks") or []
    return {
        **_labels(row),
        **{name: row.get(name) for name in ("worker", "scheduled_at", "started_at", "ended_at", "close_code")},
        **{f"error_{name}": error.get(name) for name in ("kind", "stage", "turn", "message")},
        "recording_file": recording.get("file"),
        "recording_start": recording.get("start"),
        "caller_turns": sum(entry["role"] == "user" for entry in transcript),
        "agent_turns": sum(entry["role"] == "assistant" and entry.get("type") in _SAID for entry in transcript),
        "tool_calls": sum(entry.get("type") == "tool_call" for entry in transcript),
        "interruptions": sum(bool(entry.get("interrupted_caller")) for entry in transcript),
        "events": len(row["events"]),
        "checks_passed": sum(bool(check["passed"]) for check in checks),
        "checks_failed": sum(not check["passed"] for check in checks),
        "checks": [{name: check.get(name) for name in ("name", "passed", "message")} for check in checks],
        **_measured(row["metrics"]),
    }


def turn_rows(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each entry of the transcript, numbered from 1.

    `turn` counts the caller's turns up to it, as `error.turn` does: 0 is what the agent says before the first.
    """
    labels = _labels(row)
    turn = 0
    for number, entry in enumerate(row["transcript"], start=1):
        turn += entry["role"] == "user"
        yield {**labels, "entry": number, "turn": turn, **_entry(entry)}


def _labels(row: Mapping[str, Any]) -> dict[str, Any]:
    always = ("simulation_output_id", "outcome")
    return {name: row[name] if name in always else row.get(name) for name in LABELS}


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    usage, tool = entry.get("usage") or {}, entry.get("tool") or {}
    return {
        **{name: entry.get(name) for name in ("role", "type", "content", "transcribed", "ended", "messages", "chunks")},
        "started_at": entry["start"],
        "ended_at": entry["end"],
        "interrupted": bool(entry.get("interrupted")),
        "interrupted_caller": bool(entry.get("interrupted_caller")),
        **{name: usage.get(name) for name in TOKENS},
        **{f"tool_{name}": tool.get(name) for name in ("id", "name", "arguments")},
        **_measured(entry.get("metrics") or {}),
    }


def _measured(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name in METRICS}
