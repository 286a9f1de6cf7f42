"""What becomes of a run when its workers, or the scheduler, are killed, hang, or come late."""

import json
import os
import signal
from collections import Counter
from contextlib import asynccontextmanager, suppress
from functools import partial

import attrs
import trio
from command import coval_load
from crowd import LIMIT, QUICK, Crowd, assert_none_was_early, rows_of, summary_of
from dask_processes import DaskCluster, certificates, ended, mother, workers_of
from in_process import chat_plan, on_the_line

LONG_S = 0.7
"""Of one conversation, as long as there is something to wait for."""


@attrs.define
class Going:
    """A run that goes on over the Dask workers of `cluster`; `done` is how it ended."""

    cluster: DaskCluster
    agent: Crowd
    folder: object
    done: object = None
    over: trio.Event = attrs.field(factory=trio.Event)

    async def run(self, address, env):
        options = ["run", "plan.json", "--out=run", f"--cluster={address}"]
        self.done = await coval_load(*options, cwd=self.folder, env=env)
        self.over.set()

    async def reached(self, many):
        """Waits until the agent has so many callers at once."""
        with trio.fail_after(60):
            while self.agent.at_once < many:
                await self.agent.calls_more(1)

    def worker_of(self, dask_worker):
        (pid,) = workers_of(dask_worker)
        return pid


@asynccontextmanager
async def going(parent, folder, count, load, **sections):
    (folder / "dask").mkdir()
    options, trusted = certificates(folder)
    cluster = DaskCluster(parent, folder / "dask", *options)
    for _ in range(count):
        cluster.worker()
    agent = Crowd(many=LIMIT, delay_s=LONG_S)
    async with on_the_line(agent.take) as endpoint:
        plan = chat_plan(endpoint, "hello", metadata=QUICK, load=load, **sections, generator={})
        (folder / "plan.json").write_text(json.dumps(plan))
        going = Going(cluster, agent, folder)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(going.run, await cluster.address(count), trusted))
            yield going
            with trio.fail_after(60):
                await going.over.wait()
            nursery.cancel_scope.cancel()


def lost_rows(folder):
    return [row for row in rows_of(folder) if row["error"] is not None]


def values_of(rows):
    return sum("response_latency" in turn.get("metrics", {}) for row in rows for turn in row["transcript"])


async def a_run_goes_on_without_those_that_are_killed_or_hang(parent, tmp_path):
    load = {"concurrency": LIMIT, "simulations": 300}
    async with going(parent, tmp_path, 4, load, workers={"when_lost": "take_over"}) as run:
        agent, (killed, orphaned, hung, _) = run.agent, run.cluster.workers
        await agent.calls_more(4 * LIMIT)
        pids = [run.worker_of(one) for one in (killed, orphaned, hung)]
        os.kill(pids[0], signal.SIGKILL)
        os.kill(orphaned, signal.SIGKILL)
        os.kill(pids[2], signal.SIGSTOP)
        await ended(pids[:2], within_s=5)
        late = run.cluster.worker()
        await ended(pids[2:])  # given up, and killed where it hangs
        with suppress(ProcessLookupError):
            os.kill(pids[2], signal.SIGCONT)
        await run.reached(LIMIT)
        assert len(workers_of(late)) == 1
        agent.delay_s = 0
    rows, summary = rows_of(tmp_path), summary_of(tmp_path)
    assert run.done.exit_code == 97, run.done.both
    assert "Traceback" not in run.done.both
    assert agent.most == LIMIT
    assert Counter(row["number"] for row in rows) == Counter(range(300))
    failed = lost_rows(tmp_path)
    assert {row["error"]["kind"] for row in failed} == {"worker_lost"}
    assert all(" was lost: " in row["error"]["message"] for row in failed)
    assert_none_was_early(row for row in rows if row["error"] is None)
    counts = summary["counts"]
    assert counts["offered"] == 300 == counts["completed"] + counts["failed"]
    assert summary["errors"] == {"worker_lost": len(failed)}

    workers = summary["generator"]["workers"][1:]
    lost = [worker for worker in workers if worker["lost"]]
    reasons = " ".join(worker["lost"] for worker in lost)
    assert len(lost) == 3
    assert "its process was killed by SIGKILL" in reasons
    assert "is gone" in reasons
    assert "nothing was heard of it for 10 s" in reasons
    assert sum(worker["simulations_lost"] for worker in lost) == len(failed) >= 3
    by_worker = Counter(row["worker"] for row in rows)
    assert [worker["simulations"] for worker in workers] == [by_worker[number] for number in range(1, 6)]
    for worker in lost:
        assert any(worker["name"] in reason and worker["lost"] in reason for reason in summary["generator"]["reasons"])

    came_late = [worker for worker in workers if worker["joined_at_s"]]
    assert len(came_late) == 1
    assert came_late[0]["simulations"] > 0
    assert any(came_late[0]["name"] in note and "joined at" in note for note in summary["notes"])

    numbers = {number for number, worker in enumerate(workers, start=1) if worker["lost"]}
    told, theirs = values_of(rows), values_of([row for row in rows if row["worker"] in numbers])
    assert told - theirs < summary["metrics"]["response_latency"]["count"] <= told


async def what_a_lost_worker_had_is_left_and_a_dead_scheduler_ends_the_run(parent, tmp_path):
    load = {"concurrency": 6, "duration": "1h"}
    async with going(parent, tmp_path, 3, load) as run:
        agent, workers = run.agent, run.cluster.workers
        await agent.calls_more(18)
        os.kill(run.worker_of(workers[0]), signal.SIGKILL)
        with trio.fail_after(30):
            while not lost_rows(tmp_path):  # noqa: ASYNC110 - a file has no event
                await trio.sleep(0.05)
        await agent.calls_more(6)
        agent.most = 0
        await agent.calls_more(12)
        assert agent.most == 4
        pids = [run.worker_of(one) for one in workers[1:]]
        os.kill(run.cluster.scheduler, signal.SIGKILL)
        with trio.fail_after(30):
            await run.over.wait()
            await agent.empty.wait()
        await ended(pids, within_s=30)
    summary = summary_of(tmp_path)
    assert run.done.exit_code == 97, run.done.both
    assert "Traceback" not in run.done.both
    assert any("the run ended early: nobody could be reached any more" in note for note in summary["notes"])
    assert [bool(worker["lost"]) for worker in summary["generator"]["workers"]] == [False, True, True, True]
    assert summary["counts"]["completed"] >= 30
    assert summary["counts"]["failed"] == len(lost_rows(tmp_path)) == 6
    assert json.loads((tmp_path / "run" / "run.json").read_text())["exit_code"] == 97
    assert (tmp_path / "run" / "report.html").exists()


async def test_workers_and_a_scheduler_that_die(tmp_path):
    """Side by side, for most of each is to wait."""
    runs = (
        a_run_goes_on_without_those_that_are_killed_or_hang,
        what_a_lost_worker_had_is_left_and_a_dead_scheduler_ends_the_run,
    )
    with mother() as parent:
        async with trio.open_nursery() as nursery:
            for run in runs:
                folder = tmp_path / run.__name__[:20]
                folder.mkdir()
                nursery.start_soon(run, parent, folder)
