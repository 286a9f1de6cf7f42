"""A worker that only takes time: it hears and says what a real one does, by a clock of its own."""

import functools
from collections import defaultdict

import attrs

from coval_load.cluster import messages
from coval_load.cluster.crew_vitals import told
from coval_load.cluster.work import VERDICT_EVERY
from coval_load.engine import metrics
from coval_load.engine.added import Additions
from coval_load.engine.plain_json import dump_json
from coval_load.engine.run_folder import versions
from coval_load.engine.verdict import verdict

MEASURED_EVERY_S = 1.0
LEASE_LOOKED_AT_EVERY_S = 1.0
VERSIONS = dict(versions())


@attrs.frozen
class OwnClock:
    """Stands off by `offset_s` and gains `drift` seconds each second; times of the true clock in, its own out."""

    offset_s: float = 0.0
    drift: float = 0.0

    def reads(self, at):
        return self.offset_s + at * (1 + self.drift)

    def when(self, reads):
        """The true time at which it reads so."""
        return (reads - self.offset_s) / (1 + self.drift)


def make_body(worker):
    """What a report says: see `cluster.work`."""
    vitals = worker.results.vitals
    vitals.watched_s += MEASURED_EVERY_S
    is_due = round(vitals.watched_s) % VERDICT_EVERY == 1 or worker.is_finishing
    return {
        "measured": worker.additions.take(),
        "vitals": told(vitals),
        "stages": {"conversation": len(worker.open)} if worker.open else {},
        "waiting": None,
        **({"verdict": verdict(worker.results.evidence())} if is_due else {}),
    }


@attrs.define
class _Conversation:
    part: object
    due_s: float
    due_at: float
    may_be_late: bool
    """Whether it was waited for: its scenario is an open load, and it follows no other one."""
    began_at: float | None = None


@attrs.define(eq=False)
class SimulatedWorker:
    """One process. `say` sends bytes and calls what it is given when these have arrived; `on_end` when it is over."""

    name: str
    host: str
    clock: OwnClock
    calendar: object
    truth: object
    read_book: object
    say: object
    on_end: object
    lease_s: float = 10.0
    load_s: float = 0.1
    late_s: float = 0.0
    """Everything it starts begins so much later than due."""
    most_descriptors: int = 1_048_576
    unable: list = attrs.field(factory=list)
    is_hung: bool = attrs.field(default=False, init=False)
    is_dead: bool = attrs.field(default=False, init=False)
    is_finishing: bool = attrs.field(default=False, init=False)
    book: object = attrs.field(default=None, init=False)
    results: object = attrs.field(default=None, init=False)
    additions: object = attrs.field(default=None, init=False)
    number: int = attrs.field(default=0, init=False)
    origin: float | None = attrs.field(default=None, init=False)
    open: dict = attrs.field(factory=dict, init=False)
    _due: dict = attrs.field(factory=dict, init=False)
    _heard_at: float = attrs.field(default=0.0, init=False)
    _missed: list = attrs.field(factory=list, init=False)
    _unreported: defaultdict = attrs.field(factory=lambda: defaultdict(list), init=False)

    def boot(self):
        if self.is_dead:
            return
        self._heard_at = self.calendar.now
        self._watch_lease()
        self._say(messages.Hello(self.host, 1000, VERSIONS, self.most_descriptors))

    def hear(self, data):
        if self._waits(self.hear, data):
            return
        self._heard_at = self.calendar.now
        for message in messages.decode_to_worker(data):
            self._do(message)

    def thaw(self):
        """It goes on where it stood still; and ends, where that was for longer than its lease."""
        self.is_hung = False
        self._look_at_lease()
        missed, self._missed = self._missed, []
        for act in missed:
            act()

    def die(self, why):
        """All its connections are closed; what it has sent is on its way."""
        if self.is_dead:
            return
        self.is_dead = True
        for conversation in self.open.values():
            identity = conversation.part.identity
            self.truth.closed(identity)
            self.truth.lost_with[identity.scenario, identity.number] = self.name
        self.open.clear()
        self.on_end(why)

    @functools.singledispatchmethod
    def _do(self, message):
        raise AssertionError(f"expected what a worker can do; got {message!r}")

    @_do.register
    def _(self, setting: messages.Setting):
        assert self.book is None, "expected one setting"
        self.number = setting.number
        self.book = self.read_book(setting)
        self.calendar.after(self.load_s, self._get_ready)

    @_do.register
    def _(self, ping: messages.Ping):
        self._say(messages.Pong(ping.number, self.clock.reads(self.calendar.now)))
        if ping.origin is not None:
            self.origin = ping.origin

    @_do.register
    def _(self, origin: messages.Origin):
        self.origin = origin.at

    @_do.register
    def _(self, start: messages.Start):
        assert self.results is not None, "expected a start after this worker was ready"
        assert self.origin is not None, "expected the origin before the first start"
        key = (start.scenario, start.number)
        assert key not in self.open | self._due, f"{key} was started twice"
        due_at = self.clock.when(self.origin + start.due_s)
        may_be_late = self.book.is_open(start.scenario) and not start.at_once
        conversation = self._due[key] = _Conversation(self.book.part(*key), start.due_s, due_at, may_be_late)
        self.calendar.at(max(due_at, self.calendar.now) + self.late_s, self._begin, key, conversation)

    @_do.register
    def _(self, cancel: messages.Cancel):
        key = (cancel.scenario, cancel.number)
        if conversation := self.open.get(key) or self._due.pop(key, None):
            self._settle(key, conversation, "cancelled")

    @_do.register
    def _(self, recording: messages.Recording):
        if recording.wanted:
            why = "nothing is recorded of conversations that are simulated"
            self._say(messages.Sound(recording.simulation_output_id, b"", True, why))

    @_do.register
    def _(self, _finish: messages.Finish):
        for key, conversation in [*self.open.items(), *self._due.items()]:
            self._settle(key, conversation, "cancelled")
        self._due.clear()
        self.is_finishing = True
        self._report()
        self._say(messages.Bye())
        self.die("its process ended with exit code 0")

    def _waits(self, act, *arguments):
        """Whether nothing is done now: later, where it only hangs."""
        if self.is_hung and not self.is_dead:
            self._missed.append(functools.partial(act, *arguments))
        return self.is_hung or self.is_dead

    def _get_ready(self):
        if self._waits(self._get_ready):
            return
        if self.unable:
            self._say(messages.Unable(list(self.unable)))
            return
        self.results = self.book.make_results()
        self.additions = Additions(self.results)
        self._say(messages.Ready())
        self._report_on_the_second()

    def _begin(self, key, conversation):
        if self._waits(self._begin, key, conversation) or self._due.pop(key, None) is not conversation:
            return
        conversation.began_at = self.calendar.now
        self.open[key] = conversation
        part = conversation.part
        self.truth.began(part.identity, self.name, self.calendar.now)
        if conversation.may_be_late:
            self._measure(None, metrics.START_LATENESS, [self.calendar.now - conversation.due_at])
        self._measure(part.identity, metrics.CONNECT_TIME, [part.connect_s])
        self.calendar.after(part.length_s, self._end, key, conversation)

    def _end(self, key, conversation):
        if self._waits(self._end, key, conversation) or self.open.get(key) is not conversation:
            return
        part = conversation.part
        self._measure(part.identity, metrics.RESPONSE_LATENCY, part.latencies_s)
        self._measure(part.identity, metrics.SIMULATION_TIME, [part.length_s])
        self.results.account(part.identity.labels).count(metrics.TURNS, len(part.latencies_s))
        self._settle(key, conversation, "failed" if part.failure else "completed")

    def _settle(self, key, conversation, outcome):
        identity = conversation.part.identity
        if self.open.pop(key, None) is not None:
            self.truth.closed(identity)
        self.truth.settled[identity.scenario, identity.number].append(outcome)
        row = self._row(conversation, outcome)
        self._say(messages.Ended(*key, dump_json(row), outcome, row["error"]))

    def _row(self, conversation, outcome):
        part, began_at = conversation.part, conversation.began_at
        waited_s = (self.calendar.now if began_at is None else began_at) - conversation.due_at
        told = part.identity.blank_row(self.number)
        if began_at is not None:
            told |= {"close_code": 1000, "transcript": list(part.transcript(self._run_time(began_at)))}
        return {
            **told,
            "metrics": {"queue_time": waited_s} | ({"connect_time": part.connect_s} if began_at is not None else {}),
            "scheduled_at": conversation.due_s,
            "started_at": None if began_at is None else self._run_time(began_at),
            "ended_at": self._run_time(self.calendar.now),
            "outcome": outcome,
            "error": part.failure.row() if outcome == "failed" else None,
        }

    def _run_time(self, at):
        return self.clock.reads(at) - self.origin

    def _measure(self, identity, metric, values):
        (self.results if identity is None else self.results.account(identity.labels)).record_many(metric, values)
        self.truth.recorded[metric] += values
        self._unreported[metric] += values

    def _report_on_the_second(self):
        since_s = 0.0 if self.origin is None else self._run_time(self.calendar.now)
        left_s = MEASURED_EVERY_S - since_s % MEASURED_EVERY_S
        # Less than what its clock can tell apart would be the same instant again and again.
        self.calendar.after(left_s if left_s > 1e-6 else left_s + MEASURED_EVERY_S, self._report_again)

    def _report_again(self):
        if not self._waits(self._report_again):
            self._report()
            self._report_on_the_second()

    def _report(self):
        values, self._unreported = self._unreported, defaultdict(list)
        self._say(messages.Report(make_body(self)), functools.partial(self._reported, values))

    def _reported(self, values):
        self.truth.reported_by(self.name, self.calendar.now, values)

    def _watch_lease(self):
        if not self._waits(self._watch_lease):
            self._look_at_lease()
            self.calendar.after(LEASE_LOOKED_AT_EVERY_S, self._watch_lease)

    def _look_at_lease(self):
        if self.calendar.now - self._heard_at > self.lease_s:
            self.die(f"it had not heard of the coordinator for {self.lease_s:g} s")

    def _say(self, message, when_there=None):
        self.say(messages.encode_from_worker([message]), when_there)
