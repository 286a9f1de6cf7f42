"""What a resumed run takes over: numbers that are settled, whole lines, and measurements."""

import json
from pathlib import Path

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine import metrics
from coval_load.engine.labels import Labels, Selector
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.results import Results
from coval_load.engine.thresholds import Threshold, prepare
from coval_load.faults import Faulty
from coval_load.plans.resuming import Numbers, _mend, check_same, read_earlier, read_run

RUN = {
    "name": "support line",
    "run_id": "a1",
    "source": {"plan": "/plans/plan.yaml"},
    "plan": {"load": {"concurrency": 2}, "seed": 7, "agents": [{"name": "a"}]},
    "started": "2026-03-04T12:00:00.000Z",
    "ended": None,
    "resumed": [],
}
OF_SUPPORT = Selector.of({"agent": "support"})
THRESHOLD = Threshold(metrics.RESPONSE_LATENCY, OF_SUPPORT, None, "p95", "<", 1.0, "p95 < 1s")
NUMBERS = st.integers(0, 200_000) | st.integers(0, 20)


@given(st.lists(st.tuples(st.booleans(), NUMBERS), max_size=60), NUMBERS)
def test_numbers_are_a_set(steps, asked):
    numbers, model = Numbers(), set()
    for adds, number in steps:
        (numbers.add if adds else numbers.discard)(number)
        (model.add if adds else model.discard)(number)
    assert list(numbers) == sorted(model)
    assert len(numbers) == len(model)
    assert (asked in numbers) == (asked in model)
    assert all(number in numbers for number in model)


@pytest.mark.parametrize("other", [-1, "1", None, 1.5, 10**9])
def test_what_is_no_number_of_theirs_is_not_among_them(other):
    numbers = Numbers()
    numbers.add(1)
    assert other not in numbers


LINES = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"") + b"\n"), max_size=8)


@given(LINES, st.binary(max_size=40).map(lambda torn: torn.replace(b"\n", b"")))
def test_whole_lines_stay_and_nothing_else(tmp_path_factory, lines, torn):
    path = tmp_path_factory.mktemp("torn") / "simulations.jsonl"
    path.write_bytes(b"".join(lines) + torn)
    _mend(path)
    assert path.read_bytes() == b"".join(lines)


@pytest.mark.parametrize("torn", [65_535, 65_536, 65_537, 200_000])
@pytest.mark.parametrize("before", [b"", b"{}\n"])
def test_a_torn_line_may_be_long(tmp_path, torn, before):
    path = tmp_path / "simulations.jsonl"
    path.write_bytes(before + b"x" * torn)
    _mend(path)
    assert path.read_bytes() == before


def test_a_file_that_is_not_there_is_empty(tmp_path):
    _mend(tmp_path / "timeline.jsonl")
    assert (tmp_path / "timeline.jsonl").read_bytes() == b""


def said(call, *arguments):
    with pytest.raises(Faulty) as caught:
        call(*arguments)
    (fault,) = caught.value.faults
    return fault.message


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (None, "it has no run.json"),
        (b"", "the run ended before it dialled: nothing is lost, start a new one"),
        (b"{", "its run.json can't be read"),
        (b"[]", "its run.json lacks run_id, source, plan, name, started"),
        (json.dumps(RUN | {"source": {}}).encode(), "its run.json lacks source"),
        (json.dumps(RUN | {"plan": 5, "run_id": ""}).encode(), "its run.json lacks run_id, plan"),
    ],
)
def test_a_folder_without_a_run_that_can_go_on(tmp_path, written, message):
    if written is not None:
        (tmp_path / "run.json").write_bytes(written)
    told = said(read_run, tmp_path)
    assert f"expected a run that can go on in {tmp_path}, but {message}" in told


def test_a_run_that_can_go_on_is_read(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    assert read_run(tmp_path) == RUN


def test_the_same_plan_is_the_same(tmp_path):
    check_same(tmp_path, RUN, RUN["plan"] | {"agents": ({"name": "a"},)})


def test_a_plan_may_have_another_name(tmp_path):
    check_same(tmp_path, RUN, RUN["plan"] | {"name": "moved"})


def test_every_key_that_changed_is_named(tmp_path):
    now = {"load": {"concurrency": 3}, "agents": [{"name": "a"}], "persona": None, "tls": {}}
    told = said(check_same, tmp_path, RUN, now)
    assert "the plan has changed since: load, seed, tls; undo that, or start a new run" in told


DAY, NIGHT = Labels("day", "support", "pizza", "p"), Labels("night", "sales", "pizza", "p")
FAILED = Outcome("failed", Failure(ErrorKind.NO_RESPONSE, Stage.CONVERSATION, "No response received", 1))
COMPLETED, CANCELLED = Outcome("completed"), Outcome("cancelled")


def row(number, outcome, labels=DAY, ended_at=1.0, **more):
    turn = {"role": "assistant", "content": "hi", "start": 0.5, "end": 0.6, "metrics": {"response_latency": 0.4}}
    return {
        "simulation_output_id": f"id{number}",
        **attrs.asdict(labels),
        "number": number,
        "scheduled_at": 0.0,
        "started_at": 0.1,
        "ended_at": ended_at,
        "outcome": outcome.status,
        "error": None if outcome.error is None else outcome.error.row(),
        "metrics": {"connect_time": 0.004},
        "transcript": [turn],
        "events": [],
        **more,
    }


def left(folder: Path, *rows, torn=b"", summary=None, **run):
    (folder / "run.json").write_bytes(orjson.dumps(RUN | run))
    lines = b"".join(orjson.dumps(one) + b"\n" for one in rows)
    (folder / "simulations.jsonl").write_bytes(lines + torn)
    if summary is not None:
        (folder / "summary.json").write_bytes(orjson.dumps(summary))
    return read_run(folder)


def merged(earlier, *thresholds):
    results = Results()
    prepare(thresholds, results)
    earlier.merge_into(results)
    return results


def test_cancelled_ones_are_offered_again_and_the_others_are_settled(tmp_path):
    rows = [row(0, COMPLETED), row(1, FAILED, ended_at=2.5), row(2, CANCELLED), row(0, COMPLETED, NIGHT)]
    run = left(tmp_path, *rows, torn=b'{"number": 3, "outc')
    earlier = read_earlier(tmp_path, run)
    assert {name: list(numbers) for name, numbers in earlier.done.items()} == {"day": [0, 1], "night": [0]}
    assert (earlier.elapsed_s, earlier.run_id, earlier.is_whole) == (2.5, "a1", False)
    assert (tmp_path / "simulations.jsonl").read_bytes().endswith(b"}\n")
    summary = merged(earlier).summary()
    expected = {"offered": 3, "started": 3, "dropped": 0, "never_started": 0, "completed": 2, "failed": 1}
    assert summary["counts"] == expected | {"cancelled": 0}
    assert summary["scenarios"]["day"]["counts"] == expected | {
        "offered": 2,
        "started": 2,
        "completed": 1,
        "cancelled": 0,
    }
    assert summary["agents"]["sales"]["counts"]["offered"] == 1
    assert summary["errors"] == {"no_response": 1}
    assert summary["notes"] == ["the run was resumed after 2 s"]


def test_one_that_was_cancelled_and_done_again_is_settled_and_so_the_other_way_round(tmp_path):
    rows = [row(0, CANCELLED), row(1, COMPLETED), row(0, COMPLETED), row(1, CANCELLED)]
    earlier = read_earlier(tmp_path, left(tmp_path, *rows))
    assert list(earlier.done["day"]) == [0]


def test_what_thresholds_select_is_taken_over_though_no_interval_was_written(tmp_path):
    run = left(tmp_path, row(0, COMPLETED), row(1, COMPLETED, NIGHT))
    results = merged(read_earlier(tmp_path, run, [THRESHOLD]), THRESHOLD)
    selected = results.summary()["selections"]["agent=support"]
    assert selected["metrics"]["response_latency"]["count"] == 1
    assert selected["counts"]["completed"] == 1


def test_what_only_rows_tell_is_put_into_the_timeline_once(tmp_path):
    run = left(tmp_path, row(0, COMPLETED, ended_at=1.25), row(1, COMPLETED, NIGHT, ended_at=2.0000004))
    elapsed = [read_earlier(tmp_path, run).elapsed_s for _ in range(2)]
    (interval,) = map(orjson.loads, (tmp_path / "timeline.jsonl").read_bytes().splitlines())
    assert elapsed == [interval["at"]] * 2 == [pytest.approx(2.000001)] * 2
    assert interval["seconds"] == interval["at"]
    assert interval["counts"]["completed"] == 2
    assert interval["metrics"]["response_latency"]["count"] == 2
    # An interval of the resumed run comes after it; what was measured before is still known to those who read it all.
    with (tmp_path / "timeline.jsonl").open("ab") as file:
        file.write(orjson.dumps(interval | {"at": 12.0, "seconds": 10.0}) + b"\n")
    again = read_earlier(tmp_path, run)
    assert again.summary["metrics"]["response_latency"]["count"] == 4
    assert again.elapsed_s == 12.0


def test_checks_are_taken_over(tmp_path):
    checks = [{"name": "greets", "passed": True}, {"name": "ends", "passed": False, "message": "it went on"}]
    run = left(tmp_path, row(0, COMPLETED, checks=checks), row(1, COMPLETED, checks=checks[:1]))
    summary = merged(read_earlier(tmp_path, run)).summary()
    found = {entry["check"]: (entry["passed"], entry["failed"], entry["example"]) for entry in summary["checks"]}
    assert found == {"greets": (2, 0, None), "ends": (0, 1, "it went on")}
    assert (summary["counters"]["checks_passed"], summary["counters"]["checks_failed"]) == (2, 1)


def a_summary(completed, lost=0):
    results = Results()
    account = results.account(DAY)
    for _ in range(completed):
        account.count(metrics.OFFERED)
        account.count(metrics.STARTED)
        results.finished(COMPLETED, account)
    results.count(metrics.ROWS_LOST, lost)
    return results.summary()


def test_of_a_run_that_ended_the_summary_is_taken(tmp_path):
    run = left(tmp_path, row(0, COMPLETED), summary=a_summary(1), ended="2026-03-04T12:01:00.000Z")
    earlier = read_earlier(tmp_path, run)
    assert earlier.is_whole
    assert merged(earlier).counted(metrics.COMPLETED) == 1


def test_rows_that_were_lost_are_not_counted_as_they_are_done_again(tmp_path):
    run = left(tmp_path, row(0, COMPLETED), summary=a_summary(3, lost=2), ended="2026-03-04T12:01:00.000Z")
    earlier = read_earlier(tmp_path, run)
    results = merged(earlier)
    assert (results.counted(metrics.COMPLETED), results.counted(metrics.ROWS_LOST)) == (1, 0)
    assert list(earlier.done["day"]) == [0]


def test_how_often_a_run_was_resumed_is_told(tmp_path):
    run = left(tmp_path, row(0, COMPLETED, ended_at=61.0), resumed=["2026-03-04T12:00:10.000Z"])
    assert merged(read_earlier(tmp_path, run)).notes == ["the run was resumed 2 times, the last time after 61 s"]


@pytest.mark.parametrize("change", [{"number": None}, {"scenario": None}, {"number": -1}, {"number": "1"}])
def test_a_row_that_can_not_be_told_from_others_is_named(tmp_path, change):
    run = left(tmp_path, row(0, COMPLETED), row(1, COMPLETED) | change)
    assert "row 2 of simulations.jsonl does not say which simulation" in said(read_earlier, tmp_path, run)


def test_a_line_that_is_none_is_named(tmp_path):
    run = left(tmp_path)
    (tmp_path / "simulations.jsonl").write_bytes(b"{}\n{\n")
    assert "row" in said(read_earlier, tmp_path, run)
