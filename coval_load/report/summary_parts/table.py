"""The table of metrics, and what is to be said below it."""

from collections.abc import Iterator, Mapping
from typing import Any

from coval_load.engine import metrics
from coval_load.engine.ageing import ageing_sentence
from coval_load.report.paint import Paint, one_line
from coval_load.report.summary_parts.text import cut_off, wrapped
from coval_load.report.units import duration

MOST = 20

_SHOWN = (
    metrics.RESPONSE_LATENCY,
    metrics.scheduled(metrics.RESPONSE_LATENCY),
    metrics.TTFB_AUDIO,
    metrics.ENDPOINTING_TIME,
    metrics.FIRST_AUDIO_TIME,
    metrics.TTFT,
    metrics.INTER_CHUNK_LATENCY,
    metrics.RESPONSE_TIME,
    metrics.GREETING_LATENCY,
    metrics.BARGE_IN_STOP_LATENCY,
    metrics.INTERRUPT_DETECTED_TIME,
    metrics.AUDIO_AFTER_INTERRUPT,
    metrics.TURN_TIME,
    metrics.AUDIO_UNDERRUN,
    metrics.SETUP_TIME,
    metrics.CONNECT_TIME,
    metrics.HANDSHAKE_TIME,
    metrics.RENEWAL_TIME,
    metrics.QUEUE_TIME,
)
_COLUMNS = ("p50", "p95", "p99", "max")
_NAME, _COUNTED = 24, 34
_DIFFERS_FROM_SHARE, _DIFFERS_FROM_S = 0.05, 0.005
_LATE = (
    "scheduled_response_latency counts from when the caller's turn was due: turns began late, and "
    "response_latency leaves that wait out, so this is what callers would have found"
)


def table(summary: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    """A row for each metric that people ask for first, agents and scenarios below `response_latency`."""
    measured = summary["metrics"]
    late = _generator_was_late(measured)
    hidden = () if late else (metrics.scheduled(metrics.RESPONSE_LATENCY),)
    shown = [name for name in _SHOWN if name in measured and name not in hidden]
    if shown:
        yield paint(f"{'':{_NAME}}{'count':>10}" + "".join(f"{column:>11}" for column in _COLUMNS), "dim")
    for name in shown:
        yield _row(name, measured[name])
        if name == metrics.RESPONSE_LATENCY:
            yield from _of_each(summary, paint)
    if late:
        yield from wrapped(_LATE, indent="")
    sentence = ageing_sentence(measured)
    if sentence is not None:
        yield from wrapped(sentence, indent="")


def _generator_was_late(measured: Mapping[str, Any]) -> bool:
    plain = measured.get(metrics.RESPONSE_LATENCY)
    due = measured.get(metrics.scheduled(metrics.RESPONSE_LATENCY))
    if plain is None or due is None:
        return False
    apart = abs(due["p95"] - plain["p95"])
    return bool(apart > _DIFFERS_FROM_S and apart > _DIFFERS_FROM_SHARE * plain["p95"])


def _of_each(summary: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    groups = [(word, summary.get(word) or {}) for word in ("agents", "scenarios")]
    several = [(word, tallies) for word, tallies in groups if len(tallies) > 1]
    for word, tallies in several:
        if len(several) > 1:
            yield paint(f"  {word}", "dim")
        rows = sorted((name, entry) for name, tally in tallies.items() if (entry := tally[metrics.RESPONSE_LATENCY]))
        indent = "    " if len(several) > 1 else "  "
        lines = (_row(one_line(f"{indent}{name}", _NAME - 1), entry) for name, entry in rows[:MOST])
        yield from cut_off(lines, len(rows) - MOST, indent)


def _row(name: str, entry: Mapping[str, Any]) -> str:
    counted = f"{entry['count']:,}"
    return f"{name}{counted:>{_COUNTED - len(name)}}" + "".join(f"{duration(entry[c]):>11}" for c in _COLUMNS)
