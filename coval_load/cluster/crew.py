"""The workers of a run: they are set up, dealt simulations to, listened to, and done without when they are lost."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import trio

from coval_load.cluster import messages as say
from coval_load.cluster.lease import LEASE_S, SILENT_S
from coval_load.cluster.mail import Mail
from coval_load.cluster.member import Member
from coval_load.cluster.muster import LEAST_LEAD_S, READY_WITHIN_S, muster
from coval_load.cluster.post import Arrived, Broken, Expected, Gone, News, Post
from coval_load.cluster.recordings_here import RecordingsHere
from coval_load.cluster.remote import RemoteSimulation
from coval_load.cluster.shares import Shares
from coval_load.engine.added import Adding
from coval_load.engine.before_start import RESERVE
from coval_load.engine.results import Results
from coval_load.engine.run_folder import versions
from coval_load.engine.worker_health import WorkerHealth

TICK_S = 1.0
PING_EVERY_S = 1.5
"""Every second tick."""
CLOSED_WITHIN_S = 2.0
"""A process that ends takes no longer until the system has closed its connections."""
REPORTED_WITHIN_S = 15.0
"""So long the coordinator waits for the next piece of what workers still have to report."""
ALONE_S = 30.0
"""So long a run goes on without any worker: the one that was killed may be started anew."""


@attrs.frozen(eq=False, kw_only=True)
class Stand:
    """A run that goes on, as far as its crew knows it.

    What workers measure is added to `results`. `joined` is called when a worker joins, `alone` when none is left and
    none will come. `take_fault` takes tracebacks of faults of ours.
    """

    results: Results
    sounds: RecordingsHere
    may_record: bool
    take_fault: Callable[[str], object]
    joined: Callable[[], object]
    alone: Callable[[], object]


@attrs.define(eq=False)
class Crew:
    """The coordinator's side of a run's workers, over `post`.

    `plan` is what they get, as `parcel.pack` packs it. `takes_over`: what a lost worker would have had is dealt to the
    others.
    """

    post: Post
    plan: bytes = attrs.field(repr=False)
    run_id: str
    takes_over: bool = False
    stand: "Stand | None" = attrs.field(default=None, init=False)
    """What the run gives and takes while it goes on."""
    mail: Mail = attrs.field(init=False)
    members: dict[str, Member] = attrs.field(factory=dict, init=False)
    shares: Shares = attrs.field(factory=Shares, init=False)
    lead_s: float = attrs.field(default=LEAST_LEAD_S, init=False)
    """By how much workers' run clocks are behind the coordinator's: a start is told so long before it is due."""
    origin: float = attrs.field(default=math.nan, init=False)
    """The start of the run on the coordinator's Trio clock, in seconds."""
    broken: str | None = attrs.field(default=None, init=False)
    """Why nobody can be reached any more."""
    unable: list[str] = attrs.field(factory=list, init=False)
    """Why workers could not be used."""
    _adding: Adding | None = attrs.field(default=None, init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)
    _winding_up: bool = attrs.field(default=False, init=False)

    @mail.default
    def _mail_over_post(self) -> Mail:
        return Mail(self.post)

    # From asking for workers to the start

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen to the workers until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen)
            nursery.start_soon(self._tick)
            task_status.started()

    async def assemble(self) -> None:
        """Wait until the workers are ready, and know their clocks. Raises Faulty where none can be used."""
        self.lead_s = await muster(self)

    def begin(self, origin: float, stand: Stand) -> None:
        """The run began at `origin`; from here on simulations are dealt."""
        self.origin, self.stand, self._adding = origin, stand, Adding(stand.results)
        ready = [member for member in self.ready() if member.clock.is_known]
        for member in ready:
            self._enlist(member)
        if len(ready) < len(self.members):
            stand.results.note(
                f"{len(self.members) - len(ready)} of {len(self.members)} workers were not ready in time"
            )
        if self.broken is not None:
            self._break(self.broken)

    # Simulations: see `remote.Dealer`

    async def deal(self, simulation: RemoteSimulation) -> None:
        """See `Dealer`."""
        while (name := self.shares.choose()) is None:
            await self.change()
        member, order = self.members[name], simulation.order
        assert order is not None
        assert self.stand is not None
        member.dealt += 1
        simulation.worker, simulation.worker_number = name, member.number
        number = simulation.number
        member.deals[simulation.scenario, number] = simulation
        recorded = self.stand.may_record and self.stand.sounds.dealt(simulation.identify(), name)
        due_s = order.due - self.origin
        if order.at_once and not simulation.is_open:
            due_s -= self.lead_s  # what made room for it has ended by the workers' clocks, not by ours
        start = say.Start(simulation.scenario, number, due_s, order.at_once, order.waited, recorded)
        self.mail.send(member, start)

    def cancel(self, simulation: RemoteSimulation) -> None:
        """See `Dealer`."""
        member = self._member_of(simulation)
        if member is not None:
            self.mail.send(member, say.Cancel(simulation.scenario, simulation.number))

    def forget(self, simulation: RemoteSimulation) -> None:
        """See `Dealer`."""
        member = self._member_of(simulation)
        if member is not None:
            del member.deals[simulation.scenario, simulation.number]
            self.shares.ended(member.name)

    def misses(self) -> bool:
        """See `Dealer`."""
        return self.shares.misses()

    def places_of(self, wanted: int) -> int:
        """See `Dealer`."""
        return self.shares.places_of(wanted)

    def most_connections(self) -> int | None:
        """See `Dealer`."""
        known = [member.most_descriptors for member in self.ready()]
        return None if None in known else sum(most - RESERVE for most in known if most is not None)

    def stages(self) -> Iterator[Mapping[str, int]]:
        """See `Dealer`."""
        return (member.stages for member in self.members.values())

    def _member_of(self, simulation: RemoteSimulation) -> Member | None:
        member = None if simulation.worker is None else self.members[simulation.worker]
        key = (simulation.scenario, simulation.number)
        return member if member is not None and member.deals.get(key) is simulation else None

    def ask(self, worker: str, recording: say.Recording) -> None:
        """Tell a worker whether the recording of a simulation that ended is wanted."""
        member = self.members[worker]
        if member.state == "ready":
            self.mail.send(member, recording)

    # What happens

    async def _listen(self) -> None:
        while True:
            self.take(await self.post.receive())

    def take(self, news: News) -> None:
        """Take in something that happened."""
        match news:
            case Expected(worker, host):
                self.members[worker] = Member(worker, len(self.members) + 1, host)
            case Arrived(worker, data):
                self._arrived(worker, data)
            case Gone(worker, why, is_dead):
                self._gone(worker, why, is_dead)
            case Broken(why):
                self._break(why)
        self._tell_change()

    def _arrived(self, worker: str, data: bytes) -> None:
        member = self.members.get(worker)
        if member is None or not member.is_there:
            return  # of one that was given up already
        member.heard_at = trio.current_time()
        try:
            for message in say.decode_from_worker(data):
                self._hear(member, message)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._lose(member, f"it sent what can't be read: {error}")
            self.post.kill(member.name)

    def _hear(self, member: Member, message: say.FromWorker) -> None:
        match message:
            case say.Ended(scenario, number):
                simulation = member.deals.get((scenario, number))
                if simulation is not None:
                    simulation.ended(message)
            case say.Pong(number, at):
                member.clock.ponged(number, at, trio.current_time())
            case say.Report(body):
                if self._adding is not None:
                    self._adding.add(body["measured"])
                member.report = {**member.report, **body}
            case say.Sound():
                if self.stand is not None:
                    self.stand.sounds.take(message)
            case say.Hello():
                self._greet(member, message)
            case say.Ready():
                self._ready_now(member)
            case say.Unable(reasons):
                self._refuse(member, reasons)
            case say.FaultText(text):
                if self.stand is not None:
                    self.stand.take_fault(text)
            case say.Bye():
                member.state = "done"

    def _greet(self, member: Member, hello: say.Hello) -> None:
        member.host, member.most_descriptors = hello.host, hello.most_descriptors
        ours = _decisive(versions())
        theirs = _decisive(hello.versions)
        if ours != theirs:
            self._refuse(member, [f"expected {_told(ours)} on {hello.host}, as here; got {_told(theirs)}"])
            return
        member.state = "setting"
        self.mail.send(member, say.Setting(self.plan, member.number, self.run_id))

    def _ready_now(self, member: Member) -> None:
        member.state = "ready"
        if not math.isnan(self.origin):
            member.joined_at = trio.current_time()
        self.mail.ping(member)

    def _enlist(self, member: Member) -> None:
        """It gets simulations from now on."""
        at = self._origin_there(member)
        assert at is not None
        self.mail.send(member, say.Origin(at))
        self.shares.add(member.name)

    def _refuse(self, member: Member, reasons: Sequence[str]) -> None:
        if math.isnan(self.origin):
            self.unable.extend(f"{member.name} on {member.host}: {reason}" for reason in reasons)
        self._lose(member, f"it can't run the plan: {'; '.join(reasons)}")
        self.post.kill(member.name)

    # What goes wrong

    def _gone(self, worker: str, why: str, is_dead: bool) -> None:
        member = self.members.get(worker)
        if member is None:
            return
        if is_dead:
            member.closed.set()
        if member.state == "done":
            member.state = "gone"
        elif member.is_there:
            self._lose(member, why)

    def _lose(self, member: Member, why: str) -> None:
        has_begun = not math.isnan(self.origin)
        was_working = member.state == "ready" and has_begun and not self._winding_up
        # Of one that ends before it has reported its last, some of what it measured is missing.
        owes = self._winding_up and member.name in self.shares.running
        member.state = "gone"
        member.lost_at = trio.current_time()
        if was_working or owes or member.deals or not has_begun:
            member.lost = why
        self.shares.lost(member.name, leaves_gap=was_working and not self.takes_over)
        told = f"{member.name} on {member.host} was lost: {why}"
        member.simulations_lost += sum(one.lost(told, member.closed) for one in member.deals.values())
        member.deals.clear()
        if self.stand is not None:
            self.stand.sounds.lost(member.name)

    def _break(self, why: str) -> None:
        self.broken = why
        for member in self.members.values():
            if member.is_there and member.state != "done":
                self._lose(member, why)
            member.closed.set()  # nothing is started any more that could come on top
        self._end_early(f"nobody could be reached any more: {why}")

    # Each second

    async def _tick(self) -> None:
        alone_since = math.inf
        while True:
            await trio.sleep(TICK_S)
            now = trio.current_time()
            for member in list(self.members.values()):
                self._look_after(member, now)
            if math.isnan(self.origin) or self._winding_up or self.ready():
                alone_since = math.inf
                continue
            alone_since = min(alone_since, now)
            if now - alone_since >= ALONE_S:
                self._end_early(f"there was no worker any more for {ALONE_S:g} s")

    def _end_early(self, why: str) -> None:
        if self.stand is not None and not self._winding_up:
            self.stand.results.note(f"the run ended early: {why}")
            self.stand.alone()

    def _look_after(self, member: Member, now: float) -> None:
        if member.state in ("setting", "ready") and now - member.heard_at > SILENT_S + self._busy_s(member):
            self._lose(member, f"nothing was heard of it for {SILENT_S:g} s")
            self.post.kill(member.name)
        if member.state in ("setting", "ready") and not now - member.pinged_at < PING_EVERY_S:
            member.pinged_at = now
            self.mail.ping(member, self._origin_there(member))
        if member.state == "ready" and not math.isnan(self.origin) and member.clock.is_known:
            self._follow(member)
        if not member.is_there and now - member.sent_at > LEASE_S + CLOSED_WITHIN_S:
            member.closed.set()

    def _busy_s(self, member: Member) -> float:
        return READY_WITHIN_S if member.state == "setting" else 0.0

    def _follow(self, member: Member) -> None:
        if member.name in self.shares.running or self._winding_up:
            return
        self._enlist(member)
        if self.stand is not None:
            self.stand.joined()

    def _origin_there(self, member: Member) -> float | None:
        """The start of the run by a worker's own clock, None as long as that is not known."""
        has_begun = member.clock.is_known and not math.isnan(self.origin)
        return member.clock.theirs(self.origin + self.lead_s) if has_begun else None

    # The end

    async def wind_up(self) -> None:
        """Have the workers report all they still have, as long as anything comes."""
        self._winding_up = True
        if self.stand is not None:
            await self.stand.sounds.all_here()
        told: set[str] = set()
        while ready := self.ready():
            for member in ready:
                if member.name not in told:  # some may only now have got ready
                    self.mail.send(member, say.Finish())
                    told.add(member.name)
            with trio.move_on_after(REPORTED_WITHIN_S) as patience:
                await self.change()
            if patience.cancelled_caught:
                for member in self.ready():
                    self._lose(member, f"it did not report its last within {REPORTED_WITHIN_S:g} s")
                    self.post.kill(member.name)

    def health(self) -> list[WorkerHealth]:
        """How each worker fared that took part, or should have."""
        began_at = self.origin + self.lead_s
        took_part = (one for one in self.members.values() if one.state != "expected" and not one.lost_at < self.origin)
        return [one.health(began_at) for one in took_part]

    # Between them

    def ready(self) -> list[Member]:
        """Those that take simulations."""
        return [member for member in self.members.values() if member.state == "ready"]

    def _tell_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def change(self) -> None:
        """Until anything has happened."""
        await self._changed.wait()


def _decisive(found: Mapping[str, Any]) -> tuple[str, str]:
    """What has to be the same for a plan to be understood as it was meant."""
    python = str(found.get("python", ""))
    return str(found.get("coval_load", "")), ".".join(python.split(".")[:2])


def _told(found: tuple[str, str]) -> str:
    return f"coval-load {found[0]} on Python {found[1]}"
