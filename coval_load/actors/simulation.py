"""One caller and one agent, from dial to hang-up: what every simulation is, whatever it talks over."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import attrs
import trio

from coval_load.actors.checks.interface import Check, CheckResult, Conversation
from coval_load.actors.checks.judging import SLOW_S, judge
from coval_load.actors.hearsay import Hearsay
from coval_load.actors.learnt_secrets import LearntSecrets
from coval_load.actors.loss import Loss
from coval_load.actors.measures import Measures
from coval_load.actors.narration import Narrator
from coval_load.actors.services import Services
from coval_load.actors.transcript import Transcript
from coval_load.actors.turn_ageing import record_ageing
from coval_load.codecs.events import AgentFailed
from coval_load.engine import metrics
from coval_load.engine.doorbell import Doorbell
from coval_load.engine.labels import Labels
from coval_load.engine.outcome import ErrorKind, Failure, NotReached, Outcome, SimulationFailed, Stage
from coval_load.engine.tally import Account


class Call(Protocol):
    """How the caller reaches the agent and talks with it: one class for each kind of transport."""

    async def run(self, due: float) -> None:
        """From the first request or dial, which was due at `due`, to the end. Raises SimulationFailed.

        Sets the simulation's `stage` as it goes, and `dialled_at`.
        """
        ...

    def finished(self, now: float) -> None:
        """Called once, synchronously, whatever happened: let go of everything."""
        ...


@attrs.frozen(kw_only=True)
class Identity:
    """What a simulation's row says it is."""

    simulation_output_id: str
    agent: str
    model_type: str
    test_case: str
    persona: str
    scenario: str = ""
    number: int = 0

    @property
    def labels(self) -> Labels:
        """What its measurements are told apart by."""
        return Labels(self.scenario, self.agent, self.test_case, self.persona)

    def row(self) -> dict[str, Any]:
        """What of it stands in `simulations.jsonl`."""
        return {
            "simulation_output_id": self.simulation_output_id,
            "agent": self.agent,
            "model_type": self.model_type,
            "test_case": self.test_case,
            "persona": self.persona,
            "scenario": self.scenario,
            "number": self.number,
        }

    def blank_row(self, worker: int = 0) -> dict[str, Any]:
        """What `Simulation.row` gives of one of which nothing else is known."""
        nothing: dict[str, Any] = {"recording": None, "close_code": None, "metrics": {}, "transcript": [], "events": []}
        return {**self.row(), "worker": worker, **nothing}


@attrs.define(eq=False, kw_only=True)
class Simulation:
    """What a call works with and leaves behind; see `engine.runner.Actor`.

    `make_call` makes its call. `keeps_transcript`: whether the row holds the transcript and the events.
    `checks` are judged where it is completed, and see the `attributes` of the test case.
    """

    identity: Identity
    services: Services
    make_call: "Callable[[Simulation], Call]"
    keeps_transcript: bool = True
    narrator: Narrator | None = None
    checks: Sequence[Check] = ()
    attributes: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    recording_started_at: float | None = None
    """Where on the Trio clock its recording begins; None where there is none."""

    stage: Stage = attrs.field(default=Stage.QUEUE, init=False)
    bell: Doorbell = attrs.field(factory=Doorbell, init=False)
    transcript: Transcript = attrs.field(factory=Transcript, init=False)
    account: Account = attrs.field(init=False)
    """What it measures is added to."""
    measures: Measures = attrs.field(init=False)
    hearsay: Hearsay = attrs.field(init=False)
    loss: Loss | None = attrs.field(default=None, init=False)
    close_code: int | None = attrs.field(default=None, init=False)
    """The agent's WebSocket close code, None where it sent none."""
    dialled_at: float = attrs.field(default=math.nan, init=False)
    _learnt: LearntSecrets = attrs.field(factory=LearntSecrets, init=False)
    _call: Call | None = attrs.field(default=None, init=False)
    _late_s: float = attrs.field(default=0.0, init=False)
    _turn: int = attrs.field(default=0, init=False)
    _judged: tuple[CheckResult, ...] | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.account = self.services.results.account(self.identity.labels)
        self.measures = Measures(self.account)
        self.hearsay = Hearsay(self.account)

    @property
    def labels(self) -> Labels:
        """See `engine.runner.Actor`."""
        return self.identity.labels

    def take_turn(self) -> None:
        """The caller took its next turn."""
        self._turn += 1
        self.account.count(metrics.TURNS)

    @property
    def turn(self) -> int:
        """Which turn the caller took last, from 1; 0 before the first."""
        return self._turn

    def tell_wait(self) -> None:
        """From here on the agent is waited for, until it `answered`."""
        self.services.waiting.enter(self, trio.current_time())
        if self.narrator is not None:
            self.tell("waiting for the agent", f"at most {self.services.timeouts.response_s:g} s")

    def answered(self) -> None:
        """The agent's reply was heard."""
        self.services.waiting.leave(self)
        self.hearsay.answered()

    def tell(self, what: str, detail: str = "", more: str = "") -> None:
        """Tell whoever watches this simulation closely."""
        if self.narrator is not None:
            self.narrator.tell(trio.current_time(), what, self._learnt.hide(detail), self._learnt.hide(more))

    def learn(self, secrets: frozenset[str]) -> None:
        """Keep to itself what the agent gave this caller alone, such as an access token."""
        self._learnt.learn(secrets)

    async def run(self, due: float) -> None:
        """From dial to hang-up. Raises SimulationFailed."""
        self._late_s = trio.current_time() - due
        self._call = self.make_call(self)
        await self._call.run(due)

    # The end

    def failure_of(self, error: BaseException) -> Failure:
        """What `error` is called in the row; what nobody foresaw is `internal`, and logged."""
        if not isinstance(error, SimulationFailed) or error.kind is ErrorKind.INTERNAL:
            self.services.faults.add(error, f"simulation {self.identity.simulation_output_id}, stage {self.stage}")
        turn = self._turn if self.stage is Stage.CONVERSATION else None
        if isinstance(error, SimulationFailed):
            return Failure(error.kind, self.stage, self._learnt.hide(error.message), turn)
        message = f"coval-load failed: {type(error).__name__}: {error}"
        return Failure(ErrorKind.INTERNAL, self.stage, self._learnt.hide(message), turn)

    def finished(self, outcome: Outcome) -> None:
        """Let go of everything, also of what leads back here: a simulation that only the garbage collector can
        free stays for minutes.
        """
        now = trio.current_time()
        self.services.waiting.leave(self)
        self.bell.let_go()
        call, self._call = self._call, None
        if call is not None:
            call.finished(now)
        if outcome.status == "completed":
            self.measures.once(metrics.SIMULATION_TIME, now - self.dialled_at, late=self._late_s)
            record_ageing(self.transcript.entries, self.account)
            if self.checks:
                self._judge()
        self.loss = None

    def _judge(self) -> None:
        """Only of a conversation that was completed: one that failed, or was cut off, is counted as that."""
        results = self.services.results
        judged = judge(self.checks, self._conversation())
        hide = self._learnt.hide
        self._judged = tuple(attrs.evolve(result, message=hide(result.message)) for result in judged.results)
        for result in self._judged:
            self.account.count(metrics.CHECKS_PASSED if result.passed else metrics.CHECKS_FAILED)
            self.tell("a check passed" if result.passed else "a check failed", result.name, result.message or "")
            results.checks.add(self.identity.test_case, result.name, result.passed, result.message)
        if judged.slow and not any(_SLOW_CHECK in note for note in results.notes):
            which = results.clean(f"check {judged.slow[0]!r} of test case {self.identity.test_case}")
            results.note(f"{which} {_SLOW_CHECK}")

    def _conversation(self) -> Conversation:
        origin, identity = self.services.origin, self.identity
        return Conversation(
            agent=identity.agent,
            test_case=identity.test_case,
            persona=identity.persona,
            transcript=self.transcript.rows(origin),
            events=self.hearsay.rows(origin),
            metrics=dict(self.measures.own),
            attributes=self.attributes,
        )

    def row(self) -> dict[str, Any]:
        """What stands in `simulations.jsonl`, but for times and outcome."""
        origin = self.services.origin
        checks = None if self._judged is None else [result.row() for result in self._judged]
        return {
            **self.identity.row(),
            "worker": 0,
            "recording": None
            if self.recording_started_at is None
            else {
                "file": f"recordings/{self.identity.simulation_output_id}.wav",
                "start": self.recording_started_at - origin,
            },
            "close_code": self.close_code,
            "metrics": dict(self.measures.own),
            "transcript": self._learnt.hide(self.transcript.rows(origin)) if self.keeps_transcript else [],
            "events": self._learnt.hide(self.hearsay.rows(origin)) if self.keeps_transcript else [],
            **({} if checks is None else {"checks": checks}),
        }


_SLOW_CHECK = (
    f"took longer than {SLOW_S * 1000:g} ms, in which no other simulation could go on: make it faster, or judge the "
    "rows of simulations.jsonl after the run"
)


def failure_in(event: AgentFailed) -> SimulationFailed:
    """What an error that the agent itself reported is called."""
    return SimulationFailed(_KINDS[event.cause], event.reason)


_KINDS = {
    "agent": ErrorKind.AGENT_ERROR,
    "rate_limit": ErrorKind.RATE_LIMITED,
    "authentication": ErrorKind.AUTHENTICATION_FAILED,
}


def timed_out(kind: ErrorKind, expected: str, seconds: float) -> SimulationFailed:
    """`setup_failed` or `connect_timeout`, which may pass: what was `expected` did not come within `seconds`."""
    if kind is ErrorKind.CONNECT_TIMEOUT:
        return NotReached(
            kind,
            f"{expected}: expected TCP, TLS and the upgrade within {seconds:g} s: check that the host is reachable "
            "and that the agent answers upgrades, or raise timeouts.connect",
        )
    return SimulationFailed(
        kind,
        f"expected {expected} within {seconds:g} s; none came: raise timeouts.setup, or look at the endpoint",
    )
