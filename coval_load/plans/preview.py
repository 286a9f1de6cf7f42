"""What a plan will do before it does it: its load on the real engine, in virtual time, with a modelled agent."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import attrs
import trio

from coval_load.engine import metrics
from coval_load.engine.labels import Selector
from coval_load.engine.modelled import Lengths, ModelledCast, Script
from coval_load.engine.plan import Timeouts
from coval_load.engine.results import Results
from coval_load.engine.runner import Runner
from coval_load.engine.scenario import QUEUED_AT_MOST, Scenario
from coval_load.engine.shapes.interface import ClosedShape, OpenShape, Shape
from coval_load.engine.shapes.scaled import scaled
from coval_load.engine.virtual_time import VirtualClock, run_in_virtual_time
from coval_load.plans.levels import Level, Starts, Timeline
from coval_load.plans.rehearsal import Ensemble
from coval_load.plans.scale import divided_limits, divisor_for, expected_simulations, most_opened_at_once
from coval_load.plans.script_lengths import ScriptLengths

BUDGET = 300_000
"""Simulations that are tried at full size: some ten seconds of work. More are scaled down to about as many."""

MOST = 5_000_000
"""Simulations that are tried at all; a few minutes of work."""

MOST_DUE = 100_000_000
"""Simulations of open loads whose due times are gone through, however few of them are tried; some ten seconds."""

_LOOKED_AT = 1_000
_BUCKETS_EXPECTED = 160

Lasting = Callable[[int], Lengths]
"""Makes the lengths of conversations, given a seed."""


class TooManyError(Exception):
    """Trying the plan would take too long. The message says what was expected, what came and what to do."""


@attrs.frozen
class Sketch:
    """A scenario as far as a preview knows it: `deal(number)` names the agent and the script of a simulation.

    `agents` are all that it may name.
    """

    name: str
    shape: Shape
    deal: Callable[[int], tuple[str, Script]]
    agents: tuple[str, ...]
    start_s: float = 0.0
    seed: int = 0

    def mean_s(self, lengths: Lengths) -> float:
        """The average length of its first conversations, in seconds."""
        return sum(lengths.mean_s(self.deal(number)[1]) for number in range(_LOOKED_AT)) / _LOOKED_AT


@attrs.frozen
class ScenarioPreview:
    """What becomes of a scenario. `offered` = `started` + `dropped` + `never_started`.

    `queued` had to wait for a place, `cut_off` were still going on at the end of the grace period, `too_long` were
    ended by the simulation's own deadline. Times are in seconds after the start of the run, NaN where none started.
    `divisor`: all counts are those of a trial at so small a part of the load, times `divisor`.
    """

    name: str
    is_open: bool
    offered: int
    started: int
    dropped: int
    never_started: int
    queued: int
    cut_off: int
    too_long: int
    peak_concurrency: int
    peak_starts_per_s: float
    begins_s: float
    ends_s: float
    mean_length_s: float
    divisor: int


COUNTS = ("offered", "started", "dropped", "never_started", "queued", "cut_off", "too_long")


@attrs.frozen(eq=False)
class Preview:
    """What a plan will do. `agents` has the peak concurrency of each, `limits` what it may be, None for any."""

    duration_s: float
    scenarios: tuple[ScenarioPreview, ...]
    agents: Mapping[str, int]
    limits: Mapping[str, int | None]
    peak_concurrency: int
    peak_starts_per_s: float
    timeline: Timeline
    tried: int
    """Simulations that the trial held, which are fewer than it tells of where it was scaled down."""

    @property
    def divisor(self) -> int:
        """The highest of any scenario; 1 where all were tried at full size."""
        return max(scenario.divisor for scenario in self.scenarios)

    def total(self, count: str) -> int:
        """One of `COUNTS` over all scenarios."""
        return sum(getattr(scenario, count) for scenario in self.scenarios)

    def as_json(self) -> dict[str, Any]:
        """What `coval-load plan --json` prints, and `report.plan_text` shows."""
        return {
            "duration_s": round(self.duration_s, 3),
            "divisor": self.divisor,
            "counts": {count: self.total(count) for count in COUNTS},
            "peak_concurrency": self.peak_concurrency,
            "peak_starts_per_s": round(self.peak_starts_per_s, 3),
            "scenarios": [_rounded(attrs.asdict(scenario)) for scenario in self.scenarios],
            "agents": {
                name: {"peak_concurrency": peak, "limit": self.limits.get(name)} for name, peak in self.agents.items()
            },
            "timeline": self.timeline.as_json(),
        }


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    numbers = {key: round(value, 3) for key, value in row.items() if isinstance(value, float)}
    # JSON has no NaN.
    return {**row, **{key: None if value != value else value for key, value in numbers.items()}}


def sketch(ensemble: Ensemble) -> tuple[Sketch, ...]:
    """The scenarios of a plan."""
    return tuple(
        Sketch(
            name=troupe.scenario.name,
            shape=troupe.scenario.shape,
            deal=ScriptLengths(troupe).deal,
            agents=tuple(role.agent.name for role in troupe.roles),
            start_s=troupe.scenario.start_s,
            seed=_number_of(troupe.scenario.seed),
        )
        for troupe in ensemble.troupes
    )


def _number_of(seed: object) -> int:
    return int.from_bytes(blake2b(str(seed).encode(), digest_size=8).digest(), "big")


def preview(
    scenarios: Iterable[Sketch],
    limits: Mapping[str, int | None],
    timeouts: Timeouts,
    lasting: Lasting,
    *,
    budget: float = BUDGET,
) -> Preview:
    """Try `scenarios` without an agent, at full size or at a part of it. Raises TooManyError."""
    sketches = tuple(scenarios)
    parts = _scale(sketches, limits, lasting, budget)
    users = [(agent, part.divisor) for part in parts for agent in part.sketch.agents]
    smaller = divided_limits(limits, users)
    return run_in_virtual_time(lambda clock: _try(clock, parts, limits, smaller, timeouts))


@attrs.define(eq=False)
class _Part:
    """A scenario at the size it is tried at, and what is seen of it."""

    sketch: Sketch
    divisor: int
    mean_s: float
    lengths: Lengths
    level: Level = attrs.field(factory=Level)
    starts: Starts = attrs.field(init=False)

    @starts.default
    def _wide_enough(self) -> Starts:
        # One in `divisor` starts: in so many seconds there are as many as there would be in one.
        return Starts(self.divisor)


def _scale(
    sketches: Sequence[Sketch], limits: Mapping[str, int | None], lasting: Lasting, budget: float
) -> list[_Part]:
    lengths = [lasting(one.seed) for one in sketches]
    means = [one.mean_s(length) for one, length in zip(sketches, lengths, strict=True)]
    expected = [
        expected_simulations(one.shape, mean_s, _most(one, limits)) for one, mean_s in zip(sketches, means, strict=True)
    ]
    total, left = sum(expected), 0.0
    due = sum(amount for one, amount in zip(sketches, expected, strict=True) if isinstance(one.shape, OpenShape))
    if due > MOST_DUE:
        raise TooManyError(
            f"expected a plan in which at most {MOST_DUE:,} simulations are due at some rate; got one with about "
            f"{due:,.0f}: look at a shorter one (--duration), or at a lower rate (--rate)"
        )
    parts = []
    for one, amount, mean_s, length in zip(sketches, expected, means, lengths, strict=True):
        # A scenario that is small beside the others keeps its size.
        divisor = 1 if amount <= budget / 10 else divisor_for(one.shape, amount, budget * amount / total)
        left += amount / divisor
        parts.append(_Part(one, divisor, mean_s, length))
    if left > MOST:
        raise TooManyError(
            f"expected a plan of which at most {MOST:,} simulations have to be tried; got one of about {left:,.0f}, "
            "which would take long: look at a shorter one (--duration), or at longer conversations (--response)"
        )
    return parts


def _most(one: Sketch, limits: Mapping[str, int | None]) -> int | None:
    allowed = [limits.get(agent) for agent in one.agents]
    return None if None in allowed else sum(limit for limit in allowed if limit is not None)


@attrs.define(eq=False)
class _Watch:
    """Sees the simulations of one scenario begin and end; see `engine.modelled.Watch`. Each stands for `weight`."""

    clock: VirtualClock
    part: _Part
    whole: Timeline
    all_starts: Starts
    agents: dict[str, Level]
    weight: int

    def began(self, agent: str) -> None:
        now, weight = self.clock.current_time(), self.weight
        self.whole.change(weight, now)
        self.whole.started(weight, now)
        self.all_starts.add(weight, now)
        self.part.level.change(weight, now)
        self.part.starts.add(weight, now)
        self.agents[agent].change(weight, now)

    def ended(self, agent: str) -> None:
        now, weight = self.clock.current_time(), self.weight
        self.whole.change(-weight, now)
        self.part.level.change(-weight, now)
        self.agents[agent].change(-weight, now)


async def _try(
    clock: VirtualClock,
    parts: Sequence[_Part],
    limits: Mapping[str, int | None],
    smaller: Mapping[str, int | None],
    timeouts: Timeouts,
) -> Preview:
    results = Results()
    for part in parts:
        results.select(_selector(part), (metrics.QUEUED,))
    whole = Timeline(bucket_s=_bucket_s(parts))
    starts = Starts(max(part.divisor for part in parts))
    agents = {agent: Level() for part in parts for agent in part.sketch.agents}
    scenarios = []
    for part in parts:
        watch = _Watch(clock, part, whole, starts, agents, part.divisor)
        cast = ModelledCast(part.sketch.name, results, part.sketch.deal, part.lengths, watch, clock.sleep)
        shape = part.sketch.shape if part.divisor == 1 else scaled(part.sketch.shape, part.divisor)
        queue = max(QUEUED_AT_MOST // part.divisor, 1)
        scenarios.append(
            Scenario(part.sketch.name, shape, cast, part.sketch.start_s, part.sketch.seed, queued_at_most=queue)
        )
    await Runner(scenarios, timeouts, smaller, results, _throw_away).run()
    now = trio.current_time()
    for level in (whole, *agents.values(), *(part.level for part in parts)):
        level.lasted(max(now, level.since))
    seen = tuple(_seen(part, results) for part in parts)
    return Preview(
        duration_s=now,
        scenarios=seen,
        agents={agent: level.peak for agent, level in agents.items()},
        limits={agent: limits.get(agent) for agent in agents},
        peak_concurrency=whole.peak,
        peak_starts_per_s=max(starts.peak_per_s, *(one.peak_starts_per_s for one in seen)),
        timeline=whole,
        tried=results.counted(metrics.STARTED),
    )


def _throw_away(row: dict[str, Any]) -> None:
    return


def _selector(part: _Part) -> Selector:
    return Selector.of({"scenario": part.sketch.name})


def _bucket_s(parts: Sequence[_Part]) -> float:
    """Short enough for the scenario that ends last, where that is known; it grows by itself where it isn't."""
    ends = [part.sketch.start_s + (part.sketch.shape.duration_s or part.mean_s) for part in parts]
    return max(max(ends) / _BUCKETS_EXPECTED, 1e-3)


def _seen(part: _Part, results: Results) -> ScenarioPreview:
    tally = results.selections[_selector(part)]
    counts = {name: tally.counts[name] * part.divisor for name in (*metrics.SIMULATION_COUNTS, metrics.QUEUED)}
    never_started = counts[metrics.NEVER_STARTED]
    peak_per_s = part.starts.peak_per_s
    if part.divisor > 1:  # wide windows do not see that places open at the same time
        peak_per_s = max(peak_per_s, float(min(most_opened_at_once(part.sketch.shape), part.level.peak)))
    return ScenarioPreview(
        name=part.sketch.name,
        is_open=not isinstance(part.sketch.shape, ClosedShape),
        offered=counts[metrics.OFFERED],
        started=counts[metrics.STARTED],
        dropped=counts[metrics.DROPPED],
        never_started=never_started,
        queued=counts[metrics.QUEUED],
        cut_off=counts[metrics.CANCELLED] - never_started,
        too_long=counts[metrics.FAILED],
        peak_concurrency=part.level.peak,
        peak_starts_per_s=peak_per_s,
        begins_s=part.level.first_at,
        ends_s=part.level.last_at,
        mean_length_s=part.mean_s,
        divisor=part.divisor,
    )
