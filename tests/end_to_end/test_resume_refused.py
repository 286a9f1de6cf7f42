"""What `--resume` refuses, and that it leaves the run as it is then."""

import json
import shutil

import pytest
import trio
from command import PATIENCE_S, begun, coval_load
from in_process import chat_plan, on_the_line
from killed_runs import (
    CAREFREE,
    answers_in_a_while,
    answers_slowly,
    assert_all_were_done_once,
    killed,
    read,
    resumed,
    until,
    write,
)


@pytest.fixture(scope="module")
def killed_run(tmp_path_factory):
    """A folder with a run that was killed, of a plan with an agent file, a file of test cases and a secret."""
    folder = tmp_path_factory.mktemp("killed")

    async def run_and_kill():
        async with on_the_line(answers_slowly) as endpoint:
            plan = chat_plan(endpoint, "hello", load={"concurrency": 2, "simulations": 8}, **CAREFREE)
            (agent,) = plan["agents"]
            agent["metadata"]["authorization_header"] = "Bearer ${TOKEN}"
            (folder / "agent.json").write_text(json.dumps(agent))
            (folder / "cases.json").write_text(json.dumps(plan["test_set"]))
            write(folder, plan | {"agents": ["agent.json"], "test_set": "cases.json"})
            await killed(folder, "run", "plan.json", "--out=run", env={"TOKEN": "first-one"})

    trio.run(run_and_kill)
    return folder


@pytest.fixture
def cut_off(killed_run, tmp_path):
    """A copy of it, as if it had run there; nobody is at the agent's port any more."""
    folder = shutil.copytree(killed_run, tmp_path / "copy")
    run_file = folder / "run" / "run.json"
    run_file.write_text(run_file.read_text().replace(str(killed_run), str(folder)))
    return folder


async def refused(folder, *words, options=()):
    before = {path.name: path.read_bytes() for path in (folder / "run").iterdir()}
    done = await coval_load("run", "--resume=run", *options, cwd=folder, env={"TOKEN": "first-one"})
    assert done.exit_code == 2, done.both
    assert "Traceback" not in done.both
    for said in words:
        assert done.tells(said), done.both
    assert {path.name: path.read_bytes() for path in (folder / "run").iterdir()} == before


async def test_a_plan_that_changed(cut_off):
    plan = json.loads((cut_off / "plan.json").read_text())
    write(cut_off, plan | {"seed": 8, "load": {"concurrency": 5, "simulations": 8}})
    await refused(cut_off, "the plan has changed since: load, seed; undo that, or start a new run")


async def test_an_agent_that_changed(cut_off):
    agent = json.loads((cut_off / "agent.json").read_text())
    agent["metadata"]["coalesce_timeout_seconds"] = 1
    (cut_off / "agent.json").write_text(json.dumps(agent))
    await refused(cut_off, "the plan has changed since: agents; undo that")


async def test_test_cases_that_changed(cut_off):
    cases = json.loads((cut_off / "cases.json").read_text())
    cases[0]["turns"][0]["text"] = "goodbye"
    (cut_off / "cases.json").write_text(json.dumps(cases))
    await refused(cut_off, "the plan has changed since: test_set; undo that")


async def test_a_plan_that_is_gone_may_be_given_anew_and_its_secret_may_have_changed(cut_off):
    (cut_off / "plan.json").rename(cut_off / "moved.json")
    await refused(cut_off, "plan.json", "No such file")
    done = await coval_load("run", "moved.json", "--resume=run", cwd=cut_off, env={"TOKEN": "another-one"})
    assert done.exit_code == 0, done.both  # what was done before was completed, though nobody answers what is left
    assert_all_were_done_once(cut_off, [("default", number) for number in range(8)])
    assert read(cut_off, "run.json")["name"] == "plan"


@pytest.mark.parametrize("option", ["--concurrency=3", "--out=other", "--threshold=turns: count > 1"])
async def test_other_options(cut_off, option):
    await refused(cut_off, "expected nothing beside --resume DIR but the plan", options=[option])
    assert not (cut_off / "other").exists()


async def test_one_that_still_runs_is_left_alone(tmp_path):
    async with on_the_line(answers_in_a_while) as endpoint:
        write(tmp_path, chat_plan(endpoint, "hello", load={"concurrency": 2, "duration": "4s"}, **CAREFREE))
        with begun("run", "plan.json", "--out=run", cwd=tmp_path) as first, trio.fail_after(PATIENCE_S):
            await until(tmp_path, 1)
            second = await resumed(tmp_path)
            assert second.exit_code == 2
            assert second.tells("expected a run that has ended in run, but another process still runs it")
            await trio.lowlevel.wait_readable(first.sentinel)
            first.join()
            assert first.exitcode == 0
    assert read(tmp_path, "run.json")["resumed"] == []


async def test_what_is_no_run(tmp_path):
    (tmp_path / "run").mkdir()
    for folder in ("run", "nowhere"):
        done = await coval_load("run", f"--resume={folder}", cwd=tmp_path)
        assert done.exit_code == 2
        assert done.tells("it has no run.json: give the folder of a run")
        assert "Traceback" not in done.both
    assert list((tmp_path / "run").iterdir()) == []
    assert not (tmp_path / "nowhere").exists()
