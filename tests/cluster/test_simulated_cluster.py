"""The simulated cluster is what it says it is: it is believed where coordinators are tested with it."""

import json
import math
from collections import defaultdict

import attrs
import pytest
import trio
from modelled_parts import Model
from simulated_cluster import SimulatedCluster, simulated_cluster
from trio.testing import MockClock

from coval_load.actors.simulation import Identity
from coval_load.cluster import messages as say
from coval_load.cluster.clocks import Clock
from coval_load.cluster.post import Arrived, Broken, Expected, Gone
from coval_load.engine import metrics
from coval_load.engine.added import merge_added
from coval_load.engine.results import Results

TEN_S = Model(length_s=(10.0, 10.0))


@attrs.frozen
class OneAgent:
    """Stands for a plan with one scenario, which is an open load."""

    model: Model

    def part(self, scenario, number):
        identity = Identity(
            simulation_output_id=f"id-{number}",
            agent="agent",
            model_type="type",
            test_case="case",
            persona="persona",
            scenario="default",
            number=number,
        )
        return self.model.part(identity)

    def is_open(self, scenario):
        return True

    def make_results(self):
        return Results()


@attrs.define
class Desk:
    """A coordinator that only keeps what it hears, and pings each second."""

    cluster: SimulatedCluster
    heard: defaultdict = attrs.field(factory=lambda: defaultdict(list))
    other: list = attrs.field(factory=list)
    clocks: defaultdict = attrs.field(factory=lambda: defaultdict(Clock))
    pings: int = 0

    def say(self, worker, *said):
        self.cluster.send(worker, say.encode_to_worker(said))

    async def listen(self):
        while True:
            match await self.cluster.receive():
                case Arrived(worker, data):
                    for message in say.decode_from_worker(data):
                        self.hear(worker, message)
                case other:
                    self.other.append(other)

    def hear(self, worker, message):
        self.heard[worker].append(message)
        match message:
            case say.Hello():
                self.say(worker, say.Setting(b"", 3, "run"))
            case say.Pong(number, at):
                self.clocks[worker].ponged(number, at, trio.current_time())

    async def ping(self):
        while True:
            for worker in self.cluster.seats:
                self.pings += 1
                self.clocks[worker].pinged(self.pings, trio.current_time())
                self.say(worker, say.Ping(self.pings))
            await trio.sleep(1)

    def begin(self, *starts, worker="worker-1"):
        """The run begins now, and `starts` are told to `worker`."""
        origin = self.cluster.clock_of(worker).reads(trio.current_time())
        self.say(worker, say.Origin(origin), *starts)
        return trio.current_time()

    def of(self, kind, worker="worker-1"):
        return [message for message in self.heard[worker] if isinstance(message, kind)]

    def rows(self, worker="worker-1"):
        return [json.loads(ended.row) for ended in self.of(say.Ended, worker)]


def with_desk(act, workers=1, **given):
    """`act(desk)` once the workers are ready; pings are sent, as long as `pings`."""
    given = {"model": TEN_S, "make_book": lambda setting, model: OneAgent(model)} | given

    async def main():
        async with simulated_cluster(workers, **given) as cluster, trio.open_nursery() as nursery:
            desk = Desk(cluster)
            nursery.start_soon(desk.listen)
            nursery.start_soon(desk.ping)
            await trio.sleep(3)
            await act(desk)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_workers_come_up_and_get_ready():
    async def act(desk):
        assert desk.other == [
            Expected("worker-1", "host-1"),
            Expected("worker-2", "host-1"),
            Expected("worker-3", "host-2"),
        ]
        for worker in desk.cluster.seats:
            assert [type(one) for one in desk.heard[worker] if not isinstance(one, say.Pong | say.Report)] == [
                say.Hello,
                say.Ready,
            ]

    with_desk(act, workers=3)


def test_their_clocks_are_their_own_and_can_be_measured():
    async def act(desk):
        await trio.sleep(100)
        now = trio.current_time()
        for worker, clock in desk.clocks.items():
            assert abs(desk.cluster.clock_of(worker).reads(now) - clock.theirs(now)) <= clock.error_s
            assert abs(clock.offset_s) > 100
        assert len({clock.offset_s for clock in desk.clocks.values()}) == 5

    with_desk(act, workers=5)


def test_a_simulation_begins_when_it_is_due_by_the_worker_s_clock_and_takes_what_it_takes():
    async def act(desk):
        began = desk.begin(say.Start(0, 7, 5.0), say.Start(0, 8, -1.0, at_once=True))
        await trio.sleep(20)
        truth = desk.cluster.truth
        assert truth.begun["default", 7][0].at == pytest.approx(began + 5, abs=0.001)
        assert truth.begun["default", 8][0].at == pytest.approx(began, abs=0.003)
        assert truth.most_of_agent("agent") == truth.most_of_scenario("default") == 2
        last = desk.rows()[-1]
        assert last | {"started_at": 5.0, "ended_at": 15.0} == last | {
            "started_at": pytest.approx(5, abs=0.001),
            "ended_at": pytest.approx(15, abs=0.01),
        }
        assert (last["number"], last["worker"], last["outcome"]) == (7, 3, "completed")
        assert [turn["role"] for turn in last["transcript"]] == ["user", "assistant"] * 3

    with_desk(act)


def test_the_same_conversation_whoever_runs_it():
    parts = [OneAgent(Model(seed=seed)).part(0, number) for seed in (1, 1, 2) for number in (4, 5)]
    assert parts[0] == parts[2]
    assert len({part.length_s for part in parts}) == 4


def test_what_was_reported_is_what_was_measured():
    async def act(desk):
        desk.begin(*(say.Start(0, number, 0.1 * number) for number in range(30)))
        await trio.sleep(20)
        together, truth = Results(), desk.cluster.truth
        for report in desk.of(say.Report):
            merge_added(together, report.body["measured"])
        for metric in (metrics.RESPONSE_LATENCY, metrics.SIMULATION_TIME, metrics.START_LATENESS):
            assert together.samples(metric) == len(truth.reported[metric]) == len(truth.recorded[metric])
            assert together.percentile(metric, 100) == pytest.approx(max(truth.recorded[metric]), rel=0.01, abs=1e-5)
        assert together.counted(metrics.TURNS) == 90

    with_desk(act, model=Model())


def test_failures_are_drawn_as_often_as_is_said():
    parts = [OneAgent(Model(failing=0.25)).part(0, number) for number in range(2000)]
    assert sum(part.failure is not None for part in parts) == pytest.approx(500, abs=60)

    async def act(desk):
        desk.begin(say.Start(0, 0, 0.0))
        await trio.sleep(20)
        assert desk.rows()[0]["error"]["kind"] == "no_response"

    with_desk(act, model=Model(failing=1.0))


def test_what_is_cancelled_ends_or_never_begins():
    async def act(desk):
        desk.begin(say.Start(0, 0, 0.0), say.Start(0, 1, 9.0))
        await trio.sleep(1)
        desk.say("worker-1", say.Cancel(0, 0), say.Cancel(0, 1), say.Cancel(0, 2))
        await trio.sleep(20)
        assert [(row["outcome"], row["started_at"] is None) for row in desk.rows()] == [
            ("cancelled", False),
            ("cancelled", True),
        ]
        assert desk.cluster.truth.open_now.total() == 0

    with_desk(act)


def test_it_finishes_with_its_last_report():
    async def act(desk):
        desk.begin(say.Start(0, 0, 0.0))
        await trio.sleep(11)
        desk.say("worker-1", say.Finish())
        await trio.sleep(2)
        assert [type(one) for one in desk.heard["worker-1"]][-2:] == [say.Report, say.Bye]
        assert desk.other[-1] == Gone("worker-1", "its process ended with exit code 0", is_dead=True)
        assert desk.cluster.alive == []

    with_desk(act)


def open_after(desk):
    return desk.cluster.truth.open_now["agent", "agent"]


async def broken(desk, fault, *, until_s):
    """What is open each second after `fault`."""
    desk.begin(*(say.Start(0, number, 0.0) for number in range(4)))
    await trio.sleep(1)
    fault()
    left = []
    for _ in range(until_s):
        await trio.sleep(1)
        left.append(open_after(desk))
    return left


LONG = Model(length_s=(100.0, 100.0))


def test_a_crash_closes_its_connections_at_once():
    async def act(desk):
        assert await broken(desk, lambda: desk.cluster.crash("worker-1"), until_s=2) == [0, 0]
        assert desk.other[-1] == Gone("worker-1", "its process was killed by SIGKILL", is_dead=True)
        assert len(desk.cluster.truth.lost_with) == 4
        assert desk.rows() == []

    with_desk(act, model=LONG)


def test_one_that_hangs_keeps_its_connections_until_it_is_killed():
    async def act(desk):
        assert await broken(desk, lambda: desk.cluster.hang("worker-1"), until_s=20) == [4] * 20
        silent = len(desk.heard["worker-1"])
        await trio.sleep(5)
        assert len(desk.heard["worker-1"]) == silent
        desk.cluster.kill("worker-1")
        await trio.sleep(1)
        assert open_after(desk) == 0
        assert desk.other[-1].is_dead

    with_desk(act, model=LONG)


@pytest.mark.parametrize(("hung_s", "goes_on"), [(5, True), (15, False)])
def test_one_that_thaws_goes_on_unless_its_lease_has_run_out(hung_s, goes_on):
    async def act(desk):
        await broken(desk, lambda: desk.cluster.hang("worker-1"), until_s=hung_s)
        desk.cluster.thaw("worker-1")
        await trio.sleep(100)
        assert (desk.cluster.alive == ["worker-1"]) == goes_on
        assert len(desk.rows()) == (4 if goes_on else 0)

    with_desk(act, model=LONG)


def test_one_that_is_cut_off_lets_go_when_its_lease_runs_out_and_dask_misses_it():
    async def act(desk):
        left = await broken(desk, lambda: desk.cluster.cut_off("worker-1"), until_s=29)
        assert 9 <= left.count(4) <= 11
        assert not any(isinstance(one, Gone) for one in desk.other)
        await trio.sleep(2)
        assert [one.is_dead for one in desk.other if isinstance(one, Gone)] == [False]

    with_desk(act, model=LONG)


def test_a_stall_delays_and_loses_nothing():
    async def act(desk):
        desk.begin(say.Start(0, 0, 0.0))
        await trio.sleep(8)
        desk.cluster.stall("worker-1", 5)
        await trio.sleep(4.9)
        assert desk.rows() == []
        await trio.sleep(0.2)
        assert len(desk.rows()) == 1
        pongs = [pong.number for pong in desk.of(say.Pong)]
        assert pongs == sorted(pongs)

    with_desk(act)


def test_a_scheduler_that_breaks_ends_all():
    async def act(desk):
        left = await broken(desk, desk.cluster.break_scheduler, until_s=14)
        assert isinstance(desk.other[-1], Broken)
        assert left[-1] == 0

    with_desk(act, model=LONG)


def test_one_may_join_late_be_late_or_be_unable():
    async def act(desk):
        late, unable = desk.cluster.join(late_s=0.5), desk.cluster.join(unable=("no room",))
        await trio.sleep(3)
        assert desk.of(say.Ready, late)
        assert desk.of(say.Unable, unable) == [say.Unable(["no room"])]
        desk.begin(say.Start(0, 0, 1.0), worker=late)
        await trio.sleep(20)
        assert desk.cluster.truth.recorded[metrics.START_LATENESS] == [pytest.approx(0.5, abs=0.001)]

    with_desk(act)


def test_a_run_that_never_ends_is_told():
    async def never(desk):
        await trio.sleep(math.inf)

    with pytest.raises(BaseExceptionGroup) as caught:
        with_desk(never, at_most_s=100.0)
    assert caught.group_contains(AssertionError, match="within 100 s of virtual time")
