"""Which conversations of a run stay on disk, whole and as a recording."""

import json
import wave
from collections import Counter

import pytest
import trio
import yaml
from command import coval_load
from in_process import chat_plan, on_the_line, tone
from killed_runs import CAREFREE, assert_all_were_done_once, killed, resumed, rows_of, write


def conversations(folder):
    """What is kept, by id; what a kill left half written is called otherwise."""
    return {path.stem: json.loads(path.read_text()) for path in (folder / "conversations").glob("*.json")}


def recordings(folder):
    return sorted((folder / "recordings").glob("*.wav*"))


def kept_for(folder, reason):
    return [kept for kept in conversations(folder).values() if reason in kept["kept_for"]]


def slower_each_time(step_s):
    """An agent that answers each caller later than the one before, and some with garbage."""
    calls = []

    async def answers(call):
        calls.append(None)
        nth = len(calls)
        await call.hear()
        await trio.sleep(step_s * nth)
        if nth % 10 == 0:
            await call.websocket.send_message("no JSON")
        else:
            await call.say(f"answer {nth}")
        await call.stay()

    return answers


@pytest.mark.parametrize("load", [{"concurrency": 4, "simulations": 60}, {"rate": 10, "duration": "6s"}])
async def test_what_is_kept_is_what_the_plan_says_however_much_slower_it_gets(virtual_time, chat_with, load):
    ran = await chat_with(
        slower_each_time(0.05),
        "hello",
        record={"transcripts": {"slowest": 3, "failed": 2, "sample": 4}},
        load=load,
        limits={"per_agent": 60},
    )
    assert len(ran.rows) == 60
    assert all(row["transcript"] == [] == row["events"] for row in ran.rows)
    slowest = {row["transcript"][1]["content"] for row in kept_for(ran.folder, "slowest")}
    assert slowest == {"answer 57", "answer 58", "answer 59"}
    failed = kept_for(ran.folder, "failed")
    assert Counter(row["outcome"] for row in failed) == {"failed": 2}
    assert all(row["transcript"] for row in failed)
    assert len(kept_for(ran.folder, "sample")) == 4
    by_id = {row["simulation_output_id"]: row for row in ran.rows}
    for one, kept in conversations(ran.folder).items():
        assert {**kept, "transcript": [], "events": []} == {**by_id[one], "kept_for": kept["kept_for"]}
    assert ran.summary["metrics"]["response_latency"]["count"] == 54


async def test_a_run_that_was_killed_goes_on_with_what_it_kept(tmp_path):
    async def answers(call):
        text = (await call.hear())["text"]
        with trio.move_on_after(0.02):
            await call.stay()
        await call.say(text)
        await call.stay()

    record = {"transcripts": {"slowest": 5, "failed": 5, "sample": 8}}
    async with on_the_line(answers) as endpoint:
        load = {"concurrency": 4, "simulations": 100}
        write(tmp_path, chat_plan(endpoint, "hello", load=load, record=record, **CAREFREE))
        await killed(tmp_path, "run", "plan.json", "--out=run", rows=20)
        left = conversations(tmp_path / "run")
        assert 8 <= len(left) <= 13
        (tmp_path / "run" / "conversations" / "nobody.json.part").write_text("{")
        assert (await resumed(tmp_path)).exit_code == 0
    assert_all_were_done_once(tmp_path, [("default", number) for number in range(100)])
    kept = conversations(tmp_path / "run")
    assert 8 <= len(kept) <= 13
    assert len(kept) == len(list((tmp_path / "run" / "conversations").iterdir()))
    rows = rows_of(tmp_path)
    assert len(rows) >= 100
    assert len(kept_for(tmp_path / "run", "sample")) >= 8
    assert set(kept) <= {row["simulation_output_id"] for row in rows}


async def test_a_reference_agent_is_kept_as_the_command_says(chat_agent, tmp_path):
    plan = yaml.safe_load((chat_agent / "plan.yaml").read_text()) | {
        "generator": {"accept_invalid": True},
        "load": {"concurrency": 4, "simulations": 30},
        "record": {"transcripts": {"slowest": 2}, "audio": {"slowest": 2}},
    }
    (chat_agent / "kept.yaml").write_text(yaml.safe_dump(plan))
    done = await coval_load("run", str(chat_agent / "kept.yaml"), "--out=run", cwd=tmp_path)
    assert done.exit_code == 0, done.both
    rows, kept = rows_of(tmp_path), conversations(tmp_path / "run")
    assert (len(rows), len(kept)) == (30, 2)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    slowest = max(turn["metrics"]["response_latency"] for row in kept.values() for turn in row["transcript"][1:])
    assert slowest == pytest.approx(summary["metrics"]["response_latency"]["max"], rel=0.001)
    assert {row["transcript"][0]["content"] for row in kept.values()} == {"hello"}
    assert not (tmp_path / "run" / "recordings").exists()  # nothing is heard of a chat


@pytest.mark.parametrize("record", [{"audio": {"slowest": 1}}, {"audio": {"slowest": 1}, "transcripts": "none"}])
async def test_of_many_recordings_only_that_of_the_slowest_is_left(virtual_time, speak_with, tone_of, record):
    calls = []

    async def answers(call):
        calls.append(None)
        nth = len(calls)
        _, ended_at, _ = await call.listen_out()
        await trio.sleep_until(ended_at + 0.4 + 0.2 * nth)
        await call.play(tone(0.1 * nth))
        await call.stay()

    ran = await speak_with(answers, tone_of(0.5), record=record, load={"concurrency": 1, "simulations": 5})
    (left,) = recordings(ran.folder)
    assert len(list(left.parent.iterdir())) <= 2  # its labels
    last = ran.rows[-1]
    assert left == ran.folder / last["recording"]["file"]
    assert all(row["recording"] for row in ran.rows)  # each was the slowest when it ended
    with wave.open(str(left)) as file:
        assert file.getnframes() / 16_000 == pytest.approx(last["ended_at"] - last["recording"]["start"], abs=0.001)
    assert bool(last["transcript"]) is ("transcripts" not in record)


async def test_one_that_ends_faster_has_no_recording_at_all(virtual_time, speak_with, tone_of):
    calls = []

    async def answers(call):
        calls.append(None)
        _, ended_at, _ = await call.listen_out()
        await trio.sleep_until(ended_at + 1.6 - 0.2 * len(calls))
        await call.play(tone(0.1))
        await call.stay()

    ran = await speak_with(
        answers, tone_of(0.5), record={"audio": {"slowest": 1}}, load={"concurrency": 1, "simulations": 3}
    )
    assert [row["recording"] is not None for row in ran.rows] == [True, False, False]
    assert len(recordings(ran.folder)) == 1


async def test_a_sample_of_recordings_where_nobody_knows_how_many_there_will_be(virtual_time, speak_with, tone_of):
    async def answers(call):
        await call.listen_out()
        await call.play(tone(0.1))
        await call.stay()

    ran = await speak_with(
        answers, tone_of(0.2), record={"audio": {"sample": 2}}, load={"concurrency": 2, "duration": "20s"}
    )
    assert len(ran.rows) > 8
    assert len(recordings(ran.folder)) == 2
