"""Runs over several processes are the runs that one process would have made, and nothing tells the agent's secrets."""

import json
import os
import signal
import wave
from collections import Counter
from functools import partial

import attrs
import psutil
import pytest
import trio
from click.testing import CliRunner
from command import coval_load
from dask_processes import DaskCluster, certificates, ended, family, mother, words_of
from in_process import answers, chat_plan, on_the_line, voice_plan, write_tone

from coval_load.cli.main import cli
from coval_load.cli.workers import MOST
from coval_load.cluster import dask_start, muster
from coval_load.engine.distribution import Distribution
from coval_load.engine.run_folder import read_rows
from coval_load.report.recovery import recover

TOKEN = "tok-5d0c2e9f71"
CALLS = 3
ARRIVALS = {"rate": 12, "duration": "2s", "spacing": "poisson"}
MEASURED = ("connect_time", "simulation_time", "response_latency", "turn_time", "scheduled_connect_time")


@attrs.frozen
class Run:
    """One that is over, as its command and its folder tell it."""

    done: object
    folder: object
    rows: list
    summary: dict

    @classmethod
    def of(cls, done, folder):
        summary = json.loads((folder / "summary.json").read_text())
        return cls(done, folder, list(read_rows(folder / "simulations.jsonl")), summary)

    def by_number(self, *keys):
        return {(row["scenario"], row["number"]): tuple(row[key] for key in keys) for row in self.rows}

    def values(self, metric):
        """As its rows have them."""
        parts = [part for row in self.rows for part in (row, *row["transcript"])]
        return [part["metrics"][metric] for part in parts if metric in part.get("metrics", {})]

    def recordings(self):
        """Those of its rows, with how long each is."""
        by_id = {row["simulation_output_id"]: row for row in self.rows}
        folder = self.folder / "recordings"
        assert {path.name.partition(".")[2] for path in folder.iterdir()} == {"wav", "labels.txt"}
        return [(by_id[path.stem], _seconds(path)) for path in folder.glob("*.wav")]


def _seconds(path):
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 16_000)
        assert path.stat().st_size - 4 * file.getnframes() < 100
        return file.getnframes() / 16_000


@attrs.define
class Line:
    """The agents of a chat and of a voice, who look around at each call."""

    headers: list = attrs.field(factory=list)
    workers: set = attrs.field(factory=set)
    told: str = ""

    async def chat(self, call):
        self._look_around(call)
        while True:
            await call.say(f"you said {(await call.hear())['text']} and {call.headers.get('authorization')}")

    async def voice(self, call):
        self._look_around(call)
        await answers(call, delay_s=0.35, reply_s=0.3)

    def _look_around(self, call):
        self.headers.append(call.headers.get("authorization"))
        for process in family(os.getpid())[1:]:
            words = words_of(process)
            is_worker = "coval_load.cluster" in words
            if is_worker:
                self.workers.add(process.pid)
            if is_worker or call.path == "/voice":
                self.told += " ".join(words) + repr(_environment(process))


def _environment(process):
    try:
        return process.environ()
    except (OSError, psutil.Error):  # it has just ended
        return ()


def plans(chat, voice, folder):
    turn = {"type": "text", "text": "la", "audio": write_tone(folder / "tone.wav", 0.3)}
    secret = {"authorization_header": f"Bearer {TOKEN}"}
    quick = {"coalesce_timeout_seconds": 0, **secret}
    chatting = chat_plan(chat, "hello", metadata=quick)
    speaking = voice_plan(f"{voice}/voice", turn, metadata=secret)
    cases = [{"id": f"case {number}", "turns": [{"type": "text", "text": f"hello {number}"}]} for number in range(5)]
    scenarios = [
        {"name": "chat", "agents": chatting["agents"], "test_set": cases, "load": ARRIVALS},
        {
            "name": "voice",
            "agents": speaking["agents"],
            "test_set": speaking["test_set"],
            "load": {"concurrency": CALLS, "simulations": CALLS},
        },
    ]
    shared = {key: chatting[key] for key in ("targets", "generator")} | {
        "persona": {"wait_seconds": 0},
        "limits": {"per_agent": 1000},
        "seed": 11,
        "agents": chatting["agents"],
        "test_set": cases,
    }
    both = {**shared, "scenarios": scenarios, "record": {"audio": {"sample": 2}}}
    voice_only = {**shared, **speaking, "load": scenarios[1]["load"], "record": {"audio": "all"}}
    return both, voice_only


class Runs:
    """The same plan in one process and in two, and its voice over a cluster with TLS, all at once."""

    def __init__(self, folder, line):
        self.folder, self.line, self.runs = folder, line, {}

    async def run(self):
        (self.folder / "dask").mkdir()
        options, trusted = certificates(self.folder / "dask")
        async with on_the_line(self.line.chat) as chat, on_the_line(self.line.voice) as voice:
            both, voice_only = plans(chat, voice, self.folder)
            (self.folder / "both.json").write_text(json.dumps(both))
            (self.folder / "voice.json").write_text(json.dumps(voice_only))
            with mother() as parent:
                cluster = DaskCluster(parent, self.folder / "dask", *options)
                cluster.worker(2)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(partial(self._one, "one", "both.json"))
                    nursery.start_soon(partial(self._one, "two", "both.json", "--workers=2"))
                    address = await cluster.address(1)
                    nursery.start_soon(partial(self._one, "cluster", "voice.json", f"--cluster={address}", env=trusted))
                self.said = cluster.said()
                await ended(self.line.workers)

    async def _one(self, name, plan, *options, env=None):
        done = await coval_load("run", plan, f"--out={name}", *options, cwd=self.folder, env=env)
        self.runs[name] = Run.of(done, self.folder / name)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """All of them, once for the tests of this module."""
    runs = Runs(tmp_path_factory.mktemp("workers"), Line())
    trio.run(runs.run)
    return runs


def test_the_same_simulations_at_the_same_times(made):
    one, two = made.runs["one"], made.runs["two"]
    assert one.done.exit_code == two.done.exit_code == 0, one.done.err + two.done.err
    told = ("test_case", "persona", "agent", "simulation_output_id", "outcome", "error", "close_code")
    same = slice(0, 3), slice(4, None)  # an id is the run's own
    here, there = one.by_number(*told), two.by_number(*told)
    assert here.keys() == there.keys()
    assert len(here) == len(one.rows) == len(two.rows) > CALLS + 10
    for number, row in here.items():
        assert [row[part] for part in same] == [there[number][part] for part in same]
    due, due_there = one.by_number("scheduled_at"), two.by_number("scheduled_at")
    later_s = [due_there[number][0] - due[number][0] for number in due if number[0] == "chat"]
    assert later_s == pytest.approx([later_s[0]] * len(later_s), abs=1e-6)  # by when the load began in either
    assert abs(later_s[0]) < 1
    assert {row["worker"] for row in one.rows} == {0}
    assert {row["worker"] for row in two.rows} == {1, 2}


@pytest.mark.parametrize("name", ["two", "cluster"])
def test_the_numbers_are_those_of_the_rows(made, name):
    run = made.runs[name]
    assert Counter(row["outcome"] for row in run.rows) == {"completed": len(run.rows)}
    counts = run.summary["counts"]
    assert counts["offered"] == counts["started"] == counts["completed"] == len(run.rows)
    for metric in MEASURED:
        values = run.values(metric)
        distribution = Distribution()
        for value in values:
            distribution.record(value)
        told = run.summary["metrics"][metric]
        assert told["count"] == len(values) > 0
        exactly = distribution.summary()
        assert {**told, "mean": 0} == {**exactly, "unit": "s", "mean": 0}
        assert told["mean"] == pytest.approx(exactly["mean"])
    workers = run.summary["generator"]["workers"]
    assert [worker["name"] for worker in workers] == ["coordinator", "worker-1", "worker-2"]
    dealt = Counter(row["worker"] for row in run.rows)
    assert [worker["simulations"] for worker in workers] == [0, dealt[1], dealt[2]]
    assert [worker["lost"] for worker in workers] == [None] * 3


def test_agents_scenarios_and_counters_are_those_of_one_process(made):
    one, two = made.runs["one"].summary, made.runs["two"].summary
    for name in ("turns", "messages_received", "rows_lost"):
        assert one["counters"][name] == two["counters"][name], name
    for part in ("agents", "scenarios"):
        assert one[part].keys() == two[part].keys()
        assert len(one[part]) == 2
        for name, entry in one[part].items():
            same = two[part][name]
            assert entry["counts"] == same["counts"]
            assert entry["response_latency"]["count"] == same["response_latency"]["count"] == entry["counts"]["started"]


def test_the_timeline_adds_up_to_the_summary(made):
    two = made.runs["two"]
    found = recover(two.folder, anew=True).results.summary()
    assert found["counts"] == two.summary["counts"]
    for metric in MEASURED:
        assert found["metrics"][metric] == two.summary["metrics"][metric]


def test_recordings_arrive_whole(made):
    one, two, cluster = (made.runs[name] for name in ("one", "two", "cluster"))
    assert len(cluster.recordings()) == CALLS
    for run in (one, two, cluster):
        for row, lasts_s in run.recordings():
            assert len(row["transcript"]) == 2
            spoke_s, talked_s = (at - row["started_at"] for at in (row["transcript"][-1]["end"], row["ended_at"]))
            assert spoke_s - 0.1 < lasts_s < talked_s + 0.1
    sampled = [{(row["scenario"], row["number"]) for row, _ in run.recordings()} for run in (one, two)]
    assert len(sampled[0]) == 2
    assert sampled[0] == sampled[1]


async def test_the_folder_is_complete(made):
    two, cwd = made.runs["two"], made.folder
    before = sorted(path.name for path in two.folder.iterdir())
    assert {"run.json", "summary.json", "simulations.jsonl", "timeline.jsonl", "report.html"} <= set(before)
    resumed = await coval_load("run", "--resume=two", cwd=cwd)
    assert resumed.exit_code == 0
    assert resumed.tells("nothing is left")
    assert resumed.tells(f"{len(two.rows)} simulations completed")
    told = await coval_load("report", "two", cwd=cwd)
    assert told.exit_code == 0
    assert told.tells("workers: 2 on 1 host")
    assert sorted(path.name for path in two.folder.iterdir()) == before
    assert json.loads((two.folder / "run.json").read_text())["exit_code"] == 0


def test_secrets_stay_with_the_agent(made):
    assert set(made.line.headers) == {f"Bearer {TOKEN}"}
    assert len(made.line.workers) == 4
    assert "coval_load.cluster" in made.line.told
    assert "distributed" in made.said
    for name in ("one", "two"):
        chats = [row["transcript"] for row in made.runs[name].rows if row["scenario"] == "chat"]
        assert {chat[1]["content"].partition(" and ")[2] for chat in chats} == {"***"}
    shown = TOKEN[:7]
    assert shown not in made.line.told
    assert shown not in made.said
    for run in made.runs.values():
        assert shown not in run.done.both
        for path in run.folder.rglob("*"):
            assert path.is_dir() or shown.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--workers=0"], f"expected how many processes, 1 to {MOST}, or auto; got '0'"),
        (["--workers=x"], f"expected how many processes, 1 to {MOST}, or auto; got 'x'"),
        (["--cluster=tcp://192.0.2.1:8786"], "expected tls:// for a scheduler on another machine"),
        (["--cluster=192.0.2.1:8786"], "expected the address of a Dask scheduler"),
        (["--cluster=tls://127.0.0.1:1"], "expected certificates for tls://127.0.0.1:1; got none"),
        (["--workers=2", "--cluster=tls://127.0.0.1:1"], "expected --workers or --cluster; got both"),
    ],
)
async def test_what_can_not_be_is_refused_before_anything_is_dialled(tmp_path, options, told):
    plan = chat_plan("ws://127.0.0.1:1", "hello")
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    done = await coval_load("run", "plan.json", "--out=run", *options, cwd=tmp_path)
    assert done.exit_code == 2, done.both
    assert done.tells(told)
    assert "Traceback" not in done.both
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def refused(address, within_s):
    """What `run` says of the cluster at `address`, which it gives `within_s` to be of use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(muster, "READY_WITHIN_S", within_s)
        patch.setattr(dask_start, "CONNECT_WITHIN_S", within_s)
        done = CliRunner().invoke(cli, ["run", "plan.json", "--out=run", f"--cluster={address}"])
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    assert "1 fault; nothing was dialled" in done.output
    return " ".join(done.output.split())


def test_a_cluster_that_is_not_there_and_one_without_workers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.json").write_text(json.dumps(chat_plan("ws://127.0.0.1:1", "hello")))
    (tmp_path / "dask").mkdir()
    with mother() as parent:
        cluster = DaskCluster(parent, tmp_path / "dask")
        address = trio.run(cluster.address)
        nobody = refused(address, 1)
        assert "workers: expected a worker that is ready within 1 s; got none of 0: start workers" in nobody
        os.kill(cluster.scheduler, signal.SIGKILL)
        trio.run(ended, [cluster.scheduler])
        nowhere = refused(address, 1)
        assert f"--cluster: expected a Dask scheduler at {address}; got " in nowhere
    assert {path.name for path in tmp_path.iterdir()} == {"plan.json", "dask"}
