"""Checks on how long the agent took."""

import attrs

from coval_load.actors.checks.interface import Conversation
from coval_load.actors.checks.wording import listed, where
from coval_load.engine import metrics

_OF_A_REPLY = (
    metrics.RESPONSE_LATENCY,
    metrics.GREETING_LATENCY,
    metrics.TTFB_AUDIO,
    metrics.LEADING_SILENCE,
    metrics.RESPONSE_TIME,
    metrics.TURN_TIME,
    metrics.TTFT,
    metrics.BARGE_IN_STOP_LATENCY,
    metrics.ENDPOINTING_TIME,
    metrics.FIRST_AUDIO_TIME,
    metrics.INTERRUPT_DETECTED_TIME,
    metrics.AUDIO_AFTER_INTERRUPT,
    metrics.AUDIO_UNDERRUN,
)

MEASURED = _OF_A_REPLY + tuple(metrics.scheduled(name) for name in _OF_A_REPLY if name in metrics.TWINNED)
"""The metrics that an entry of a transcript may have."""


@attrs.frozen
class LatencyUnder:
    """Every reply that has `metric` has it under `limit_s` seconds, and there is one."""

    name: str
    limit_s: float
    metric: str = metrics.RESPONSE_LATENCY
    turn: int | None = None

    def judge(self, conversation: Conversation) -> str | None:
        """See `interface.Check`."""
        measured = [row.get("metrics", {}).get(self.metric) for row in conversation.replies(self.turn)]
        values = [seconds for seconds in measured if seconds is not None]
        # Asked so that what is no number is above it, too.
        above = [seconds for seconds in values if not seconds < self.limit_s]
        if values and not above:
            return None
        came = listed(sorted(above, reverse=True), lambda seconds: f"{seconds:.3f} s")
        return f"expected {self.metric} of every reply{where(self.turn)} to be under {self.limit_s:g} s; got {came}"
