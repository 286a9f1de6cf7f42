"""`--resume`: whenever a run is killed, it goes on with what is left of it."""

import pytest
from in_process import chat_plan, on_the_line
from killed_runs import (
    CAREFREE,
    answers_in_a_while,
    answers_slowly,
    assert_all_were_done_once,
    killed,
    read,
    resumed,
    rows_of,
    write,
)

DAY, NIGHT = [("day", number) for number in range(120)], [("night", number) for number in range(180)]


@pytest.mark.parametrize("kills", [[(40, 0.1)], [(1, 0.15), (1, 0.0)]])
async def test_every_simulation_is_done_once_however_often_it_is_killed(tmp_path, kills):
    async with on_the_line(answers_in_a_while) as endpoint:
        scenarios = [
            {"name": "day", "load": {"concurrency": 2, "simulations": 120}},
            {"name": "night", "load": {"concurrency": 3, "simulations": 180}},
        ]
        write(tmp_path, chat_plan(endpoint, "hello", scenarios=scenarios, **CAREFREE))
        arguments = ["run", "plan.json", "--out=run"]
        for rows, after_s in kills:
            await killed(tmp_path, *arguments, rows=rows, after_s=after_s)
            arguments = ["run", "--resume=run"]
        assert 0 < len(rows_of(tmp_path)) < 300
        done = await resumed(tmp_path)
    assert done.exit_code == 0, done.both
    assert done.tells("going on after")
    assert "300 simulations completed" in done.out
    assert_all_were_done_once(tmp_path, DAY + NIGHT)
    run, summary = read(tmp_path, "run.json"), read(tmp_path, "summary.json")
    assert len(run["resumed"]) == len(kills)
    assert (run["ended"] is not None, run["exit_code"]) == (True, 0)
    assert any("the run was resumed" in note for note in summary["notes"])
    completed = {name: entry["counts"]["completed"] for name, entry in summary["scenarios"].items()}
    assert completed == {"day": 120, "night": 180}
    # Of those that a kill cut off some had been answered.
    assert abs(summary["metrics"]["response_latency"]["count"] - 300) <= 5 * len(kills)


@pytest.mark.parametrize("after_s", [0.02, 0.1, 0.4])
async def test_killed_before_or_as_it_begins(tmp_path, after_s):
    async with on_the_line(answers_slowly) as endpoint:
        write(tmp_path, chat_plan(endpoint, "hello", load={"concurrency": 2, "simulations": 20}, **CAREFREE))
        await killed(tmp_path, "run", "plan.json", "--out=run", rows=0, after_s=after_s)
        done = await resumed(tmp_path)
    assert "Traceback" not in done.both
    if done.exit_code == 0:
        assert_all_were_done_once(tmp_path, [("default", number) for number in range(20)])
    else:
        assert done.exit_code == 2
        assert done.tells("has no run.json") or done.tells("ended before it dialled")
