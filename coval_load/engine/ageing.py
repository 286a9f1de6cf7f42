"""What a summary says of agents that get slower, or faster, in the course of a conversation."""

from collections.abc import Mapping
from typing import Any

from coval_load.engine import metrics

_SAME_WITHIN = 0.01


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
