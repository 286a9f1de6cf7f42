"""A soak of a week in virtual time: 50 callers, conversations of 16 s.

    python benchmarks/virtual_week.py

Prints simulations, wall time and time for each, as `coval-load plan` tries it (scaled down) and at full size; exits
with 1 where the first took a minute or longer.
"""

import sys
import time

from coval_load.engine.modelled import Script, TurnByTurn, Uniform
from coval_load.engine.plan import Timeouts
from coval_load.engine.shapes.soak import Soak
from coval_load.plans.preview import BUDGET, Sketch, preview

WEEK_S = 7 * 24 * 3600.0
DELAY = Uniform(0.4, 0.8)
SCRIPT = Script(fixed_s=13.0, replies=5)


def week(budget: float) -> float:
    """Returns the wall time in seconds."""
    soak = Soak(50, WEEK_S, ramp_up_s=600.0, ramp_down_s=600.0)
    sketch = Sketch("soak", soak, lambda number: ("agent", SCRIPT), ("agent",))
    began = time.perf_counter()
    seen = preview([sketch], {}, Timeouts(), lambda seed: TurnByTurn(DELAY, seed), budget=budget)
    wall_s = time.perf_counter() - began
    size = "at full size" if seen.divisor == 1 else f"at 1/{seen.divisor} of its size"
    print(
        f"{size}: {seen.total('started'):,} simulations, up to {seen.peak_concurrency} at once, "
        f"of which {seen.tried:,} tried in {wall_s:.1f} s, {wall_s / seen.tried * 1e6:.0f} us each"
    )
    return wall_s


if __name__ == "__main__":
    as_planned_s = week(BUDGET)
    week(float("inf"))
    sys.exit(as_planned_s >= 60)
