"""What one simulation measured: into its account as it happens, and into its own row."""

import attrs

from coval_load.engine.metrics import TWINNED
from coval_load.engine.tally import Account

_TWIN = {name: f"scheduled_{name}" for name in TWINNED}


@attrs.define
class Measures:
    """`own` holds what was measured once for the whole simulation, in seconds."""

    account: Account
    own: dict[str, float] = attrs.field(factory=dict)

    def once(self, metric: str, seconds: float, *, late: float = 0.0) -> None:
        """Measure something that happens once in a simulation; see `turn` for `late`."""
        self.turn(self.own, metric, seconds, late=late)

    def turn(self, into: dict[str, float], metric: str, seconds: float, *, late: float = 0.0) -> None:
        """Measure something of one turn, kept in `into`.

        `late` is how long after it was due our action was done: the `scheduled_` twin counts it in, so that
        a late generator can't flatter the agent.
        """
        record = self.account.record
        into[metric] = seconds
        record(metric, seconds)
        twin = _TWIN.get(metric)
        if twin is not None:
            into[twin] = scheduled = seconds + late
            record(twin, scheduled)
