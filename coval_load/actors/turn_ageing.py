"""Whether an agent gets slower in the course of a conversation: its first turns against its last ones."""

from collections.abc import Iterable

from coval_load.actors.transcript import Entry
from coval_load.engine import metrics
from coval_load.engine.tally import Account

TURNS_AT_LEAST = 8
"""Below these a quarter is one turn, and the first turn is a matter of its own."""


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
