"""A plan that is ready to run: everything it names is loaded, checked and settled."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from coval_load.agents.addresses import Targets
from coval_load.agents.body import Agent
from coval_load.engine.back_off import BackOff
from coval_load.engine.choice import Choice
from coval_load.engine.plan import Limits, Recording, Selection, Timeouts
from coval_load.engine.shapes.interface import Shape
from coval_load.engine.thresholds import Threshold
from coval_load.engine.timeline import EVERY_S
from coval_load.plans.schema import (
    Persona,
    PlanFile,
    ReconnectSection,
    RecordSection,
    Sample,
    TestCase,
    TimeoutsSection,
)

SHORT_S = 60.0
"""A run that its plan ends by then has so few intervals of ten seconds that a chart of it would show nothing."""
TIMELINE_OF_SHORT_S = 1.0


@attrs.frozen(repr=False, kw_only=True)
class PlannedScenario:
    """One load: who is called, by whom, with what, and when. `audio` and `file` of turns are as `Plan` says.

    `start_s` is seconds after the start of the run; `seed` decides wherever chance does.
    """

    name: str
    agents: tuple[Agent, ...]
    personas: tuple[Persona, ...]
    test_cases: tuple[TestCase, ...]
    choice: Choice
    shape: Shape
    start_s: float
    seed: str


@attrs.frozen(repr=False, kw_only=True)
class Plan:
    """What a run needs to know.

    `audio` and `file` of turns are absolute paths, or `clip:NAME`. `needs_speech` are the texts that speech
    was made of. An HTTP connection that has been open for `most_age_s` is not used again. `takes_over`: of a run
    over several workers, the load that a lost one had goes to the others. `secrets` must be shown nowhere. The repr
    shows counts only.
    """

    name: str
    agents: tuple[Agent, ...]
    scenarios: tuple[PlannedScenario, ...]
    thresholds: tuple[Threshold, ...] = ()
    accept_invalid: bool = False
    limits: Limits
    timeouts: Timeouts
    recording: Recording
    targets: Targets
    ca_file: Path | None
    seed: int
    reconnect: BackOff | None = None
    most_age_s: float | None = None
    takes_over: bool = False
    needs_speech: tuple[str, ...]
    secrets: frozenset[str]
    shown: Mapping[str, Any]

    @property
    def personas(self) -> tuple[Persona, ...]:
        """The personas of all scenarios, each once."""
        return tuple({id(one): one for scenario in self.scenarios for one in scenario.personas}.values())

    @property
    def test_cases(self) -> tuple[TestCase, ...]:
        """The test cases of all scenarios, each once."""
        return tuple({id(one): one for scenario in self.scenarios for one in scenario.test_cases}.values())

    def masked(self) -> dict[str, Any]:
        """The plan as resolved, in JSON, with `***` for secrets: what `run.json` keeps."""
        return dict(self.shown)

    def __repr__(self) -> str:
        return f"Plan({len(self.agents)} agents, {len(self.test_cases)} test cases)"


def settle_limits(file: PlanFile, agents: Iterable[Agent]) -> Limits:
    """Simultaneous simulations of each agent: the plan's word, or else the model type's own."""
    return Limits({agent.name: file.limits.per_agent or agent.model_type.most_at_once for agent in agents})


def settle_timeouts(section: TimeoutsSection) -> Timeouts:
    """The engine's deadlines."""
    return Timeouts(**{f"{name}_s": seconds for name, seconds in attrs.asdict(section).items()})


def settle_reconnect(section: ReconnectSection | None) -> BackOff | None:
    """How dials that fail are tried again; None where they are not."""
    return None if section is None else BackOff(section.attempts, section.first, section.most)


def settle_recording(section: RecordSection, scenarios: Iterable[PlannedScenario]) -> Recording:
    """What the run keeps."""
    every_s = section.timeline or (TIMELINE_OF_SHORT_S if _is_short(scenarios) else EVERY_S)
    return Recording(_settle_kept(section.transcripts), _settle_kept(section.audio), every_s)


def _is_short(scenarios: Iterable[PlannedScenario]) -> bool:
    ends = (one.start_s + (math.inf if one.shape.duration_s is None else one.shape.duration_s) for one in scenarios)
    return max(ends) <= SHORT_S


def _settle_kept(kept: str | Sample) -> str | Selection:
    if not isinstance(kept, Sample):
        return kept
    return Selection(slowest=kept.slowest or 0, failed=kept.failed or 0, sample=kept.sample or 0)
