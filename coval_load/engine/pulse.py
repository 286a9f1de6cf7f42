"""A run's pulse: once a second how it stands, for whoever watches it while it goes on."""

import math
from collections.abc import Callable, Mapping

import attrs
import trio

from coval_load.engine import metrics
from coval_load.engine.distribution import Distribution, Mark
from coval_load.engine.outcome import Failure
from coval_load.engine.results import Results
from coval_load.engine.runner import Runner

EVERY_S = 1.0
FELT = (metrics.RESPONSE_LATENCY, metrics.SEND_LATENESS, metrics.LOOP_LAG)
"""Metrics whose new values each pulse brings along."""


@attrs.frozen(kw_only=True)
class Waiting:
    """A conversation that waits for the agent: which one, in which turn of the caller's, and since when.

    `since_s` is in seconds of the run. Texts are masked.
    """

    simulation_output_id: str
    agent: str
    test_case: str
    turn: int
    since_s: float


@attrs.frozen(kw_only=True)
class LatestError:
    """The latest message of a kind of error, masked, and in which pulse it came up, in seconds of the run."""

    at_s: float
    stage: str
    message: str


@attrs.frozen(kw_only=True)
class Pulse:
    """How a run stands at `at_s`, and what came in the `seconds` before it; times in seconds of the run.

    `stages` counts running simulations by where they are; `counts` and `errors` are since the start, `counts_added`
    and `errors_added` since the last pulse. `added` holds the new values of the metrics in `FELT`: it is valid only
    while the pulse is handed over, as the next one takes the same memory. `cpu_share` is of one core.
    """

    at_s: float
    seconds: float
    running: int
    queued: int
    stages: Mapping[str, int]
    counts: Mapping[str, int]
    errors: Mapping[str, int]
    counts_added: Mapping[str, int]
    errors_added: Mapping[str, int]
    latest_errors: Mapping[str, LatestError]
    added: Mapping[str, Distribution]
    cpu_share: float | None
    cpu_wait_share: float | None
    rss_bytes: int | None
    waiting: Waiting | None
    """Which conversation has waited for the agent for longest."""


Feel = Callable[[Pulse], object]
"""Takes a pulse, synchronously and quickly: it runs on the engine's own loop."""


@attrs.define(eq=False)
class Pulses:
    """Takes the pulse of a run each second and hands it to all who `feel` it; with none it does nothing.

    `longest_waiting` gives the conversation that has waited for longest, its `since_s` on the Trio clock.
    """

    runner: Runner
    results: Results
    longest_waiting: Callable[[], Waiting | None]
    every_s: float = EVERY_S
    _feelers: list[Feel] = attrs.field(factory=list, init=False)
    _scratch: dict[str, Distribution] = attrs.field(factory=dict, init=False)
    _marks: dict[str, Mark] = attrs.field(factory=dict, init=False)
    _counts: dict[str, int] = attrs.field(factory=dict, init=False)
    _errors: dict[str, int] = attrs.field(factory=dict, init=False)
    _latest: dict[str, tuple[Failure, LatestError]] = attrs.field(factory=dict, init=False)
    _at_s: float = attrs.field(default=0.0, init=False)
    _vitals: tuple[float, float, float | None] = attrs.field(default=(0.0, 0.0, None), init=False)

    def feel(self, feeler: Feel) -> None:
        """Hand every pulse to `feeler` from the next one on."""
        self._feelers.append(feeler)

    async def run(self) -> None:
        """Until cancelled."""
        self._look_first()
        due = trio.current_time()
        while True:
            due = max(due + self.every_s, trio.current_time())
            await trio.sleep_until(due)
            if self._feelers:
                pulse = self.take()
                for feeler in self._feelers:
                    feeler(pulse)

    def take(self) -> Pulse:
        """The pulse now; some 1 ms of work."""
        results, runner = self.results, self.runner
        at_s = trio.current_time() - runner.started_at
        seconds, self._at_s = at_s - self._at_s, at_s
        counts, errors = dict(results.whole.counts), dict(results.whole.errors)
        cpu_share, cpu_wait_share = self._shares()
        pulse = Pulse(
            at_s=at_s,
            seconds=seconds,
            running=runner.running,
            queued=runner.queued,
            stages=runner.stages(),
            counts=counts,
            errors=errors,
            counts_added={name: amount - self._counts.get(name, 0) for name, amount in counts.items()},
            errors_added={
                kind: more for kind, amount in errors.items() if (more := amount - self._errors.get(kind, 0))
            },
            latest_errors=self._latest_errors(at_s),
            added={name: self._added(name) for name in FELT},
            cpu_share=cpu_share,
            cpu_wait_share=cpu_wait_share,
            rss_bytes=results.vitals.rss_bytes,
            waiting=self._waiting(),
        )
        self._counts, self._errors = counts, errors
        return pulse

    def _look_first(self) -> None:
        """What an earlier process of the same run left is no news."""
        whole = self.results.whole
        self._counts, self._errors = dict(whole.counts), dict(whole.errors)
        began_at = self.runner.started_at
        self._at_s = 0.0 if math.isnan(began_at) else trio.current_time() - began_at  # it may be about to begin
        self._shares()
        for name in FELT:
            self._added(name)

    def _added(self, name: str) -> Distribution:
        scratch = self._scratch.get(name)
        if scratch is None:
            scratch = self._scratch[name] = Distribution()
        distribution = self.results.whole.distributions.get(name)
        if distribution is None:
            scratch.clear()
            return scratch
        distribution.since(self._marks.get(name), scratch)
        self._marks[name] = distribution.mark()
        return scratch

    def _latest_errors(self, at_s: float) -> dict[str, LatestError]:
        for kind, failure in self.results.latest_failures.items():
            known = self._latest.get(kind)
            if known is None or known[0] is not failure:
                message = str(self.results.clean(failure.message))
                self._latest[kind] = (failure, LatestError(at_s=at_s, stage=str(failure.stage), message=message))
        return {kind: latest for kind, (_, latest) in self._latest.items()}

    def _shares(self) -> tuple[float | None, float | None]:
        vitals = self.results.vitals
        before, now = self._vitals, (vitals.watched_s, vitals.cpu_s, vitals.cpu_wait_s)
        self._vitals = now
        watched_s = now[0] - before[0]
        if watched_s <= 0:
            return None, None
        waited_s = None if now[2] is None else now[2] - (before[2] or 0.0)
        return (now[1] - before[1]) / watched_s, None if waited_s is None else waited_s / watched_s

    def _waiting(self) -> Waiting | None:
        waiting = self.longest_waiting()
        if waiting is None:
            return None
        clean = self.results.clean
        return attrs.evolve(
            waiting,
            agent=str(clean(waiting.agent)),
            test_case=str(clean(waiting.test_case)),
            since_s=waiting.since_s - self.runner.started_at,
        )
