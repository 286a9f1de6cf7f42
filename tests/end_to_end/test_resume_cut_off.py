"""`--resume`: simulations that were cut off are done again."""

import json
import signal
from collections import Counter

import trio
from command import PATIENCE_S, begun, coval_load, running
from in_process import chat_plan, on_the_line
from killed_runs import CAREFREE, assert_all_were_done_once, read, resumed, rows_of, write


async def test_killed_between_its_folder_and_its_first_row(tmp_path):
    heard = 0
    both_wait = trio.Event()

    async def silent(call):
        nonlocal heard
        await call.hear()
        heard += 1
        if heard == 2:
            both_wait.set()
        await call.stay()

    load = {"concurrency": 2, "simulations": 4}
    async with on_the_line(silent) as endpoint:
        write(tmp_path, chat_plan(endpoint, "hello", load=load, **CAREFREE))
        with begun("run", "plan.json", "--out=run", cwd=tmp_path), trio.fail_after(PATIENCE_S):
            await both_wait.wait()
    assert rows_of(tmp_path) == []
    printed = await coval_load("report", "run", cwd=tmp_path)
    assert printed.exit_code == 0
    done = await resumed(tmp_path)  # nobody is at that port any more
    assert done.exit_code == 3
    assert_all_were_done_once(tmp_path, [("default", number) for number in range(4)])
    assert {row["outcome"] for row in rows_of(tmp_path)} == {"failed"}


async def test_those_that_an_interruption_cut_off_are_done_again(tmp_path):
    heard = 0
    patient = True
    waiting = trio.Event()

    async def agent(call):
        nonlocal heard
        await call.hear()
        heard += 1
        if heard > 6 and patient:
            if heard == 9:
                waiting.set()
            await call.stay()
        await call.say("hi")
        await call.stay()

    async with on_the_line(agent) as endpoint:
        plan = chat_plan(endpoint, "hello", load={"concurrency": 3, "simulations": 12}, **CAREFREE)
        write(tmp_path, plan | {"timeouts": {"grace": "1s"}})
        async with running("run", "plan.json", "--out=run", cwd=tmp_path) as command:
            await waiting.wait()
            command.interrupt(signal.SIGINT)
            assert await command.end() == 130
        assert Counter(row["outcome"] for row in rows_of(tmp_path)) == {"completed": 6, "cancelled": 3}
        patient = False
        done = await resumed(tmp_path)
        assert done.exit_code == 0, done.both
        assert_all_were_done_once(tmp_path, [("default", number) for number in range(12)])
        notes = read(tmp_path, "summary.json")["notes"]
        assert not any("interrupted" in note for note in notes)
        # As if it had been killed before it wrote its end: what was cancelled and done again is counted once.
        run = read(tmp_path, "run.json") | {"ended": None, "exit_code": None}
        (tmp_path / "run" / "run.json").write_text(json.dumps(run))
        printed = await coval_load("report", "run", "--json", cwd=tmp_path)
    counts = json.loads(printed.out)["counts"]
    assert (counts["offered"], counts["started"], counts["completed"], counts["cancelled"]) == (12, 12, 12, 0)
