"""Over which processes a run goes, as the command line says it."""

import json
import sys
from types import SimpleNamespace

import attrs
import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from coval_load.cli import running
from coval_load.cli.run import run
from coval_load.cli.soak import soak
from coval_load.cli.workers import MOST, SIMULATIONS_EACH, CountType, Workers, good_for, split
from coval_load.cluster.where import Local, Remote
from coval_load.engine import cpus
from coval_load.plans.launch import Finished
from coval_load.plans.loading import load_plan

AGENT = {
    "display_name": "mine",
    "model_type": "MODEL_TYPE_CHAT_WEBSOCKET",
    "metadata": {"endpoint": "wss://a.example/chat"},
}
CASES = [{"id": "hello", "turns": [{"type": "text", "text": "Hello"}]}]
PLAN = {
    "agents": [AGENT],
    "test_set": CASES,
    "limits": {"per_agent": 1000},
    "load": {"concurrency": 60, "duration": 60},
}


def plan_with(**given):
    return load_plan(PLAN | given, environ={})


@pytest.fixture
def eight_cpus(monkeypatch):
    monkeypatch.setattr(cpus, "usable_cpus", lambda: 8)


@given(st.integers(1, MOST))
def test_a_number_of_processes_is_read(count):
    assert CountType().convert(str(count), None, None) == count


@pytest.mark.parametrize("text", ["", "0", "1025", "Auto", "auto ", "+1", " 1", "1\n", "1_0", "1.0", "٣", "²", "-1"])
def test_what_is_none_is_refused_and_said_what_it_was(text):
    with pytest.raises(click.BadParameter) as refused:
        CountType().convert(text, None, None)
    assert refused.value.message == f"expected how many processes, 1 to 1024, or auto; got {text!r}"


@given(st.integers().filter(lambda count: not 1 <= count <= MOST).map(str) | st.text() | st.text("0123456789"))
def test_nothing_but_a_number_of_processes_is_read(text):
    try:
        count = CountType().convert(text, None, None)
    except click.BadParameter:
        return
    assert count == "auto" == text or 1 <= count == int(text) <= MOST


@given(st.integers(0, 10**6), st.integers(1, 4096))
def test_auto_is_as_many_as_the_machine_and_the_load_are_good_for(peak, machine):
    count = split(peak, machine)
    assert 1 <= count <= min(machine, MOST)
    assert count == 1 or peak >= count * SIMULATIONS_EACH
    assert count in (machine, MOST) or peak < (count + 1) * SIMULATIONS_EACH


@pytest.mark.parametrize(
    ("load", "per_agent", "count"),
    [
        ({"concurrency": 49, "duration": 60}, 1000, None),
        ({"concurrency": 50, "duration": 60}, 1000, 2),
        ({"concurrency": 1000, "duration": 60}, 1000, 8),
        ({"concurrency": 1000, "duration": 60}, 99, 3),
        ({"concurrency": 1000, "duration": 60}, None, None),  # 8 chats at once are usual
        ({"rate": 5, "duration": 60, "concurrency": 130}, 1000, 5),
    ],
)
def test_auto_looks_at_what_the_plan_has_at_once_at_most(eight_cpus, load, per_agent, count):
    assert good_for(plan_with(load=load, limits={"per_agent": per_agent})) == count


def test_scenarios_are_counted_together(eight_cpus):
    scenarios = [{"name": name, "load": {"concurrency": 50, "duration": 60}} for name in "abc"]
    assert good_for(plan_with(scenarios=scenarios)) == 6


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        (Workers(), None),
        (Workers(count=1), Local(1)),
        (Workers(count=300), Local(300)),
        (Workers(count="auto"), Local(2)),
        (Workers(cluster="tls://s"), Remote("tls://s:8786")),
        (Workers(cluster="tcp://s:1", cluster_plaintext=True), Remote("tcp://s:1", allow_plaintext=True)),
    ],
)
def test_where_a_plan_runs(eight_cpus, asked, where):
    assert asked.where(plan_with()) == where


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--workers=2", "--cluster=tls://s:8786"], "expected --workers or --cluster; got both"),
        (["--workers=auto", "--cluster=tls://s:8786"], "expected --workers or --cluster; got both"),
        (["--cluster-plaintext"], "expected --cluster ADDRESS with --cluster-plaintext"),
        (["--workers=2", "--cluster-plaintext"], "expected --cluster ADDRESS with --cluster-plaintext"),
        (["--workers=0"], "Invalid value for '--workers': expected how many processes, 1 to 1024, or auto; got '0'"),
        (["--workers"], "requires an argument"),
    ],
)
@pytest.mark.parametrize("command", [run, soak])
def test_what_can_not_be_meant_together(command, options, told):
    done = CliRunner().invoke(command, ["--resume=nowhere", *options])
    assert done.exit_code == 2
    assert told in done.output


@attrs.define
class Commands:
    """`run` and `soak` up to what would carry a run out, which notes who was asked with what."""

    folder: object
    asked: list = attrs.field(factory=list)

    def carry_out(self, name):
        async def carry_out(ensemble, folder, where=None, *, watches, earlier, source):
            self.asked.append((name, where, ensemble.plan.name, len(watches), earlier, source))
            folder.begin({}, 0.0, running.datetime.now(running.UTC), run_id="a", source=source or {})
            folder.let_go()
            return Finished({}, {}, 0)

        return carry_out

    def __call__(self, *arguments, command=run):
        return CliRunner().invoke(command, [*map(str, arguments)])


@pytest.fixture
def commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    commands = Commands(tmp_path)
    monkeypatch.setattr(running, "run_plan", commands.carry_out("here"))
    launch = SimpleNamespace(run_over=commands.carry_out("over"))
    monkeypatch.setitem(sys.modules, "coval_load.cluster.launch", launch)
    monkeypatch.setattr(running, "print_summary", lambda *_, **__: None)
    return commands


@pytest.mark.parametrize(
    ("options", "way", "where", "said"),
    [
        ([], "here", None, ""),
        (["--workers=1"], "over", Local(1), "workers: 1 process on this machine\n"),
        (["--workers=3"], "over", Local(3), "workers: 3 processes on this machine\n"),
        (["--workers=auto"], "over", Local(2), "workers: 2 processes on this machine\n"),
        (["--workers=auto", "--concurrency=20"], "here", None, ""),
        (["--cluster=tls://s"], "over", Remote("tls://s:8786"), "workers: those of the cluster at tls://s:8786\n"),
    ],
)
@pytest.mark.parametrize("command", [run, soak])
def test_a_run_goes_over_what_was_asked_for_and_says_so(commands, eight_cpus, command, options, way, where, said):
    done = commands("plan.json", "--out=out", *options, command=command)
    assert (done.exit_code, done.stderr) == (0, said), done.output
    ((*told, source),) = commands.asked
    assert told == [way, where, "plan", 1, None]
    assert source["plan"] == str(commands.folder / "plan.json")
    assert not {"workers", "count", "cluster"} & source.keys()


@pytest.mark.parametrize("address", ["s:8786", "http://s:8786", "tcp://10.0.0.7:8786"])
def test_an_address_that_is_none_is_a_fault_before_there_is_a_folder(commands, address):
    done = commands("plan.json", "--out=out", f"--cluster={address}")
    assert (done.exit_code, commands.asked) == (2, [])
    assert done.stderr.startswith("fault --cluster: expected ")
    assert done.stderr.endswith("1 fault; nothing was dialled\n")
    assert not (commands.folder / "out").exists()


def test_what_this_machine_has_no_room_for_others_may_have(commands):
    too_much = ["plan.json", "--out=out", "--concurrency=100000", "--per-agent=100000"]
    refused = commands(*too_much, "--workers=2")
    assert (refused.exit_code, commands.asked) == (2, [])
    assert "fault load: 100,000 " in refused.stderr
    assert commands(*too_much, "--cluster=tls://s").exit_code == 0


def resumable(commands):
    assert commands("plan.json", "--out=out").exit_code == 0
    run_file = commands.folder / "out/run.json"
    begun = json.loads(run_file.read_text())
    shown = load_plan(commands.folder / "plan.json", environ={}).masked()
    run_file.write_text(json.dumps(begun | {"plan": shown, "name": "plan"}))
    (commands.folder / "out/simulations.jsonl").touch()
    commands.asked.clear()


@pytest.mark.parametrize("command", [run, soak])
def test_a_run_may_be_resumed_over_other_workers(commands, command):
    resumable(commands)
    done = commands("--resume=out", "--workers=2", command=command)
    assert done.exit_code == 0, done.output
    assert done.stderr == "going on after 0s, with what is left\nworkers: 2 processes on this machine\n"
    ((way, where, *_, earlier, source),) = commands.asked
    assert (way, where, earlier.run_id, source) == ("over", Local(2), "a", None)


def test_no_workers_are_started_where_nothing_is_left(commands):
    plan = PLAN | {"load": {"concurrency": 1, "simulations": 1}}
    (commands.folder / "plan.json").write_text(json.dumps(plan))
    resumable(commands)
    row = {"scenario": "default", "number": 0, "outcome": "completed", "ended_at": 1.0} | {
        **dict.fromkeys(("agent", "model_type", "test_case", "persona"), "x"),
        **{"started_at": 0.0, "scheduled_at": 0.0, "error": None, "metrics": {}, "transcript": []},
    }
    (commands.folder / "out/simulations.jsonl").write_text(json.dumps(row) + "\n")
    done = commands("--resume=out", "--workers=2")
    assert done.exit_code == 0, done.output
    assert done.stderr == "nothing is left: the run was over after 1s\n"
    assert [asked[:2] for asked in commands.asked] == [("here", None)]
