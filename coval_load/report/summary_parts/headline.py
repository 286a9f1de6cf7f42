"""How many simulations, under which load, in how much time."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from coval_load.engine import metrics
from coval_load.report.paint import Paint, one_line
from coval_load.report.summary_parts.text import WIDTH, percent, wrapped
from coval_load.report.units import clock, duration, many

_ENDED = {
    metrics.REPLIES_CANCELLED: "cancelled",
    metrics.REPLIES_INCOMPLETE: "incomplete",
    metrics.REPLIES_FAILED: "failed",
    metrics.REPLIES_WITHOUT_AUDIO: "without audio",
}
_OPEN = ("arrival_rate", "ramping_arrival_rate")


def headline(summary: Mapping[str, Any], run: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    """The name, what became of the simulations, and what was asked for."""
    counts = summary["counts"]
    yield paint(one_line(run["name"], WIDTH), "bold")
    ended = [many(counts[metrics.COMPLETED], "simulation") + " completed"]
    ended += [f"{counts[status]:,} {status}" for status in (metrics.FAILED, metrics.CANCELLED) if counts[status]]
    colour = "red" if counts[metrics.FAILED] else "green" if counts[metrics.COMPLETED] else "yellow"
    yield paint(", ".join(ended), colour)
    yield from _not_as_due(summary, paint)
    said = [many(summary["counters"][metrics.TURNS], "turn"), *_load(run["plan"], summary.get("changes") or ())]
    took = _took(run)
    if took is not None:
        said.append(f"in {clock(took)}")
    yield from wrapped(", ".join(said), indent="")
    yield from _tools_and_tokens(summary["counters"])
    yield from _replies(summary["counters"], paint)
    yield from _connections(summary)


def _not_as_due(summary: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    counts, due = summary["counts"], summary["counts"][metrics.OFFERED]
    dropped, never = counts.get(metrics.DROPPED, 0), counts.get(metrics.NEVER_STARTED, 0)
    queued = summary["counters"].get(metrics.QUEUED, 0)
    amounts = ((dropped, "dropped"), (never, "never started"), (queued, "had to wait"))
    found = [f"{amount:,} {what} ({percent(amount / due)})" for amount, what in amounts if amount and due]
    if found:
        whole = f"of {many(due, 'simulation')} due: " + ", ".join(found)
        lines = wrapped(whole, indent="", hanging="  ")
        yield from (paint(line, "yellow") if dropped or never else line for line in lines)


def _load(plan: Mapping[str, Any], changes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    scenarios = plan.get("scenarios")
    if isinstance(scenarios, list) and len(scenarios) > 1:
        yield many(len(scenarios), "scenario")
        return
    load = (scenarios[0].get("load") if scenarios else plan.get("load")) or {}
    if load.get("shape") in _OPEN:
        yield _rate(load)
        return
    levels = (load.get("concurrency"), load.get("start"), *(one.get("concurrency") for one in _stages(load)))
    changed = (change["concurrency"] for change in changes)
    known = [level for level in (*levels, *changed) if level is not None]
    if known:
        yield f"up to {max(known):,} at once"


def _rate(load: Mapping[str, Any]) -> str:
    stages = _stages(load)
    if not stages:
        return _each(load["rate"]) + _for(load.get("duration"))
    highest = max(load.get("start_rate") or 0.0, *(stage["rate"] for stage in stages), 0.0)
    return f"up to {_each(highest)}" + _for(sum(stage["duration"] for stage in stages))


def _stages(load: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return load.get("stages") or []


def _each(per_s: float) -> str:
    for unit, seconds in (("second", 1), ("minute", 60)):
        if per_s * seconds >= 1:
            return f"{_number(per_s * seconds)} a {unit}"
    return f"{_number(per_s * 3600)} an hour"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _for(seconds: float | None) -> str:
    return "" if seconds is None else f" for {clock(seconds)}"


def _tools_and_tokens(counters: Mapping[str, int]) -> Iterator[str]:
    calls = counters.get(metrics.TOOL_CALLS, 0)
    said = [many(calls, "tool call")] if calls else []
    read, written = counters.get(metrics.INPUT_TOKENS, 0), counters.get(metrics.OUTPUT_TOKENS, 0)
    if read or written:
        of_read = _of(counters, (metrics.INPUT_AUDIO_TOKENS, "of audio"), (metrics.CACHED_TOKENS, "cached"))
        of_written = _of(counters, (metrics.OUTPUT_AUDIO_TOKENS, "of audio"))
        said.append(f"{many(read, 'token')} read{of_read} and {written:,} written{of_written} by the agent")
    if said:
        yield from wrapped(", ".join(said), indent="", hanging="  ")


def _of(counters: Mapping[str, int], *parts: tuple[str, str]) -> str:
    told = ", ".join(f"{counters[name]:,} {word}" for name, word in parts if counters.get(name))
    return f" ({told})" if told else ""


def _replies(counters: Mapping[str, int], paint: Paint) -> Iterator[str]:
    found = [f"{counters[name]:,} {word}" for name, word in _ENDED.items() if counters.get(name)]
    said = [f"replies of the agent: {', '.join(found)}"] if found else []
    complaints = counters.get(metrics.AGENT_COMPLAINTS, 0)
    if complaints:
        said.append(f"{many(complaints, 'error')} reported by the agent that ended nothing")
    for one in said:
        yield from (paint(line, "yellow") for line in wrapped(one, indent="", hanging="  "))


def _connections(summary: Mapping[str, Any]) -> Iterator[str]:
    counters = summary["counters"]
    again, replaced = counters.get(metrics.RECONNECTS, 0), counters.get(metrics.CONNECTIONS_RECYCLED, 0)
    said = [many(again, "reconnect")] if again else []
    if replaced:
        said.append(f"{many(replaced, 'connection')} recycled by age")
    renewed, took = counters.get(metrics.RENEWALS, 0), summary["metrics"].get(metrics.RENEWAL_TIME)
    if renewed:
        told = f" (p50 {duration(took['p50'])}, p95 {duration(took['p95'])})" if took else ""
        said.append(f"{many(renewed, 'connection')} renewed{told}")
    if said:
        yield from wrapped(", ".join(said), indent="", hanging="  ")


def _took(run: Mapping[str, Any]) -> float | None:
    if not run["ended"]:
        return None
    return (datetime.fromisoformat(run["ended"]) - datetime.fromisoformat(run["started"])).total_seconds()
