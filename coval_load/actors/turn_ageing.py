"""Whether an agent gets slower in the course of a conversation: its first turns against its last ones."""

from collections.abc import Iterable, Mapping
from typing import Any

from coval_load.actors.transcript import Entry
from coval_load.engine import metrics
from coval_load.engine.tally import Account

TURNS_AT_LEAST = 8
"""Below these a quarter is one turn, and the first turn is a matter of its own."""
_SAME_WITHIN = 0.01


def record_ageing(entries: Iterable[Entry], account: Account) -> None:
    """Record `response_latency` of the first and of the last quarter of a conversation that is over.

    Nothing is recorded where fewer than `TURNS_AT_LEAST` of its turns have one. A quarter is rounded down.
    """
    in_order = sorted(entries, key=lambda entry: entry.start)
    measured = (entry.metrics.get(metrics.RESPONSE_LATENCY) for entry in in_order)
    latencies = [latency for latency in measured if latency is not None]
    if len(latencies) < TURNS_AT_LEAST:
        return
    quarter = len(latencies) // 4
    for latency in latencies[:quarter]:
        account.record(metrics.FIRST_TURNS_LATENCY, latency)
    for latency in latencies[-quarter:]:
        account.record(metrics.LAST_TURNS_LATENCY, latency)


def ageing_sentence(measured: Mapping[str, Any]) -> str | None:
    """What the `metrics` of `summary.json` say of it; None where no conversation was long enough."""
    first, last = measured.get(metrics.FIRST_TURNS_LATENCY), measured.get(metrics.LAST_TURNS_LATENCY)
    if not first or not last:
        return None
    before, after = first["p50"], last["p50"]
    change = after / before - 1 if before else 0.0
    if abs(change) < _SAME_WITHIN:
        found = "as fast as the first"
    else:
        found = f"{abs(change):.0%}".replace("%", " %") + f" {'slower' if change > 0 else 'faster'} than the first"
    return (
        f"in conversations of eight turns and more the last quarter was answered {found} "
        f"(p50 {before * 1e3:.0f} ms -> {after * 1e3:.0f} ms)"
    )
