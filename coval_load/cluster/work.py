"""What a worker does with the plan: it starts what it is told, says how it ended, and reports what was measured."""

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from coval_load.agents.secrets import Redactor
from coval_load.cluster import messages as say
from coval_load.cluster.crew_vitals import told
from coval_load.cluster.recordings_there import RecordingsThere
from coval_load.cluster.speech import Speech
from coval_load.engine import metrics
from coval_load.engine.added import Additions
from coval_load.engine.fault_log import FaultLog
from coval_load.engine.recorder import as_json
from coval_load.engine.results import Results
from coval_load.engine.settling import Floor, Ticket
from coval_load.engine.shapes.interface import OpenShape
from coval_load.engine.thresholds import prepare
from coval_load.engine.verdict import verdict
from coval_load.plans.keeping import weighed_audio
from coval_load.plans.rehearsal import Ensemble
from coval_load.plans.venue import Loop, open_loop

REPORT_EVERY_S = 1.0
VERDICT_EVERY = 5
"""Reports: what a worker says of itself is some thirty figures, and of hundreds of workers."""


class ToldFaults(FaultLog):
    """Faults of our own, told to the coordinator in the place of a file here."""

    def __init__(self, redactor: Redactor, speech: Speech) -> None:
        super().__init__(Path(), redactor.text)
        self._speech = speech

    def add_text(self, text: str) -> None:
        """See `FaultLog`."""
        self._speech.say(say.FaultText(self.clean(text)), len(text))


@attrs.define(eq=False)
class Work:
    """The simulations of one run that are dealt to this process."""

    ensemble: Ensemble
    setting: say.Setting
    speech: Speech
    results: Results = attrs.field(init=False)
    _redactor: Redactor = attrs.field(init=False)
    _loop: Loop = attrs.field(init=False)
    _floor: Floor = attrs.field(init=False)
    _recordings: RecordingsThere = attrs.field(init=False)
    _nursery: trio.Nursery = attrs.field(init=False)
    _recorded: dict[str, set[int]] = attrs.field(init=False)
    _dealt: dict[tuple[int, int], tuple[trio.CancelScope, float]] = attrs.field(factory=dict, init=False)
    """What ends each simulation that goes on, by scenario and number, and when of the run it was due."""
    _places: Mapping[str, int] = attrs.field(init=False)
    """Where in the plan each scenario stands, by name."""
    _open: set[str] = attrs.field(init=False)
    """Scenarios whose simulations are due whatever becomes of others."""
    _reports: int = attrs.field(default=0, init=False)
    _finish: trio.Event = attrs.field(factory=trio.Event, init=False)
    _additions: Additions = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        plan = self.ensemble.plan
        self._redactor = Redactor(plan.secrets)
        self.results = Results(clean=self._redactor.clean)
        prepare(plan.thresholds, self.results)
        self._additions = Additions(self.results)
        self._places = {scenario.name: at for at, scenario in enumerate(plan.scenarios)}
        self._recorded = {name: set() for name in self._places}
        self._open = {scenario.name for scenario in plan.scenarios if isinstance(scenario.shape, OpenShape)}

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Ready to start simulations within the block; all are ended when it is left by an exception."""
        is_weighed = weighed_audio(self.ensemble.plan) is not None
        with RecordingsThere(self._send_sound, self.speech.said, is_weighed) as sounds:
            self._recordings = sounds
            async with (
                open_loop(
                    self.ensemble,
                    self.results,
                    ToldFaults(self._redactor, self.speech),
                    run_id=self.setting.run_id,
                    open_recording=sounds.open,
                    recorded={name: numbers.__contains__ for name, numbers in self._recorded.items()},
                ) as self._loop,
                trio.open_nursery() as self._nursery,
            ):
                self._loop.services.origin = math.nan
                self._floor = self._loop.make_floor({}, sounds.before(self._ended))
                self._nursery.start_soon(sounds.run)
                self._nursery.start_soon(self._report)
                yield
                self._nursery.cancel_scope.cancel()

    async def finished(self) -> None:
        """Until the coordinator has said that nothing more is to be started, and has got all that is left."""
        await self._finish.wait()
        await self._recordings.all_sent()
        self.results.roll()
        self._say_report(self._additions.take())
        self.speech.say(say.Bye())

    def take(self, message: say.ToWorker) -> None:
        """Do what the coordinator says."""
        match message:
            case say.Origin(at):
                self._loop.services.origin = self._floor.origin = at
            case say.Start():
                self._start(message)
            case say.Cancel(scenario, number):
                dealt = self._dealt.get((scenario, number))
                if dealt is not None:
                    dealt[0].cancel()
            case say.Recording():
                self._recordings.decide(message)
            case say.Finish():
                self._finish.set()

    # One simulation

    def _start(self, start: say.Start) -> None:
        scope = trio.CancelScope()
        self._dealt[start.scenario, start.number] = scope, start.due_s
        if start.recorded:
            self._recorded[self.ensemble.plan.scenarios[start.scenario].name].add(start.number)
        self._nursery.start_soon(self._one, start, scope)

    async def _one(self, start: say.Start, scope: trio.CancelScope) -> None:
        scenario, cast = self.ensemble.plan.scenarios[start.scenario], self._loop.casts[start.scenario]
        due = self._floor.origin + start.due_s

        def ticket() -> Ticket:
            return Ticket(start.number, scenario.name, cast.labels(start.number).agent, cast(start.number), due)

        has_begun = False
        with scope:
            await trio.sleep_until(due)
            if scenario.name in self._open and not start.at_once:
                self.results.record(metrics.START_LATENESS, trio.current_time() - due)
            has_begun = True
            await self._floor.settle(ticket(), waited=start.waited)
        if not has_begun:
            self._floor.never_started(ticket())

    def _ended(self, row: dict[str, Any]) -> None:
        scenario, number = self._places[row["scenario"]], row["number"]
        self._recorded[row["scenario"]].discard(number)
        _, due_s = self._dealt.pop((scenario, number))
        row |= {"worker": self.setting.number, "scheduled_at": due_s}  # the origin may be better known by now
        line = as_json(row, self._redactor.clean)
        if line is None:
            self.results.count(metrics.ROWS_LOST)
            line = as_json(self._least_of(row), self._redactor.clean) or b"{}"
        error = None if row["error"] is None else self._redactor.clean(row["error"])
        self.speech.say(say.Ended(scenario, number, line, row["outcome"], error), len(line))

    def _least_of(self, row: dict[str, Any]) -> dict[str, Any]:
        """What is left of a row that can't be cleaned of secrets: how it ended, and no word of the agent's."""
        error = row["error"] and {**row["error"], "message": "what it said can't be shown"}
        nothing: dict[str, Any] = {"transcript": [], "events": [], "metrics": {}, "recording": None}
        return {**row, **nothing, "error": error}

    # What was measured

    async def _report(self) -> None:
        while True:
            now = trio.current_time()
            origin = self._floor.origin
            since = now - origin if origin == origin else 0.0
            await trio.sleep(REPORT_EVERY_S - since % REPORT_EVERY_S)
            steps = self._additions.steps()
            with trio.CancelScope(shield=True):
                while True:
                    try:
                        next(steps)
                    except StopIteration as over:
                        self._say_report(over.value)
                        break
                    await trio.lowlevel.checkpoint()

    def _say_report(self, measured: dict[str, Any]) -> None:
        body = {
            "measured": measured,
            "vitals": told(self.results.vitals),
            "stages": dict(self._floor.stages()),
            "waiting": self._waiting(),
        }
        if self._reports % VERDICT_EVERY == 0 or self._finish.is_set():
            body["verdict"] = verdict(self.results.evidence())
        self._reports += 1
        self.speech.say(say.Report(body), 20_000)

    def _waiting(self) -> dict[str, Any] | None:
        waiting = self._loop.longest_waiting()
        if waiting is None:
            return None
        cleaned: dict[str, Any] = self._redactor.clean(attrs.asdict(waiting))
        return {**cleaned, "since_s": waiting.since_s - self._floor.origin}

    def _send_sound(self, sound: say.Sound) -> None:
        self.speech.say(sound, len(sound.data))
