"""What the page of a run is made of, from whole run folders."""

import shutil
import tracemalloc
from functools import partial

import orjson
import pytest
from made_runs import HOSTILE, make_run

from coval_load.faults import Faulty
from coval_load.report import conversations, picks
from coval_load.report.contents import gather
from coval_load.report.conversations import COLUMNS
from coval_load.report.nearest import TOLD
from coval_load.report.packing import pack_details, unpack
from coval_load.report.visible import visible, visible_json


def rows_of(folder):
    return [orjson.loads(line) for line in (folder / "simulations.jsonl").read_bytes().splitlines()]


def gathered(folder, *visitors):
    summary, run = (orjson.loads((folder / f"{name}.json").read_bytes()) for name in ("summary", "run"))
    contents = gather(folder, summary, run, visitors)
    table = unpack(contents.table)
    details = [one for chunk in contents.chunks for one in unpack(chunk)]
    return contents, table, details


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "bad", simulations=240, bad=True, turns=8, concurrency=20)


def test_the_table_has_each_simulation_as_they_began(bad):
    contents, table, _ = gathered(bad)
    rows = sorted(rows_of(bad), key=lambda row: row["started_at"])
    assert tuple(table) == COLUMNS
    assert (contents.shown, contents.total, contents.left_out) == (240, 240, [])
    assert table["id"] == [row["simulation_output_id"] for row in rows]
    for name in ("scenario", "number", "agent", "test_case", "persona", "outcome"):
        assert table[name] == [row[name] for row in rows]
    assert table["kind"] == [row["error"] and row["error"]["kind"] for row in rows]
    assert table["started_at"] == pytest.approx([row["started_at"] for row in rows])
    assert table["scheduled_at"] == pytest.approx([row["scheduled_at"] for row in rows])
    assert table["seconds"] == pytest.approx([row["ended_at"] - row["started_at"] for row in rows], abs=1e-5)
    assert table["turns"] == [sum(turn["role"] == "user" for turn in row["transcript"]) for row in rows]
    assert table["checks_failed"] == [sum(not one["passed"] for one in row.get("checks", [])) for row in rows]
    latencies = [
        [turn["metrics"]["response_latency"] for turn in row["transcript"] if "metrics" in turn] for row in rows
    ]
    highest = [max(latency, default=None) for latency in latencies]
    assert table["latency"] == [pytest.approx(one, abs=1e-6) for one in highest]
    assert {*table["kind"]} >= {None, "no_response"}
    assert not any(table["recorded"])
    assert all(table["detail"])


def test_the_details_are_those_of_the_table(bad):
    contents, table, details = gathered(bad)
    assert [len(unpack(chunk)) for chunk in contents.chunks] == [100, 100, 40]
    assert [one["simulation_output_id"] for one in details] == table["id"]
    row = next(row for row in rows_of(bad) if row["simulation_output_id"] == table["id"][150])
    mine = details[150]
    assert [turn["content"] for turn in mine["transcript"]] == [turn["content"] for turn in row["transcript"]]
    assert (mine["error"], mine["outcome"], mine["close_code"]) == (row["error"], row["outcome"], row["close_code"])
    assert mine["transcript"][1]["metrics"] == pytest.approx(row["transcript"][1]["metrics"], abs=1e-6)


def test_percentiles_lead_to_conversations_that_have_such_a_value(bad):
    contents, table, details = gathered(bad)
    assert set(contents.near) == {name for name in contents.summary["metrics"] if name != "loop_lag"}
    whole = dict(zip(table["id"], details, strict=True))
    for name, found in contents.near.items():
        assert set(found) == set(TOLD)
        for told, one in found.items():
            entry = contents.summary["metrics"][name][told]
            assert one["value"] == pytest.approx(entry, rel=2e-3, abs=2e-6)
            row = whole[one["id"]]
            measured = [row["metrics"], *(turn.get("metrics", {}) for turn in row["transcript"])]
            assert one["value"] in [values.get(name) for values in measured]


def test_the_course_and_the_plots_are_of_the_run(bad):
    contents, _, _ = gathered(bad)
    assert set(contents.plots) == {"response_latency", "response_time", "turn_time", "simulation_time"}
    assert contents.plots["response_latency"][-1] == (100.0, contents.summary["metrics"]["response_latency"]["max"])
    course = contents.course
    timeline = (bad / "timeline.jsonl").read_bytes().splitlines()
    assert len(course["at"]) == len(timeline)
    assert sum(course["errors.no_response"]) == contents.summary["errors"]["no_response"]
    before = [p50 for at, p50 in zip(course["at"], course["latency_p50"], strict=True) if p50 and at <= 60]
    after = [p50 for at, p50 in zip(course["at"], course["latency_p50"], strict=True) if p50 and at > 70]
    assert min(after) > 1.5 * max(before)


def test_what_realtime_latencies_are_made_of_is_plotted(tmp_path):
    contents, _, _ = gathered(make_run(tmp_path / "run", simulations=4, voice=True))
    assert list(contents.plots)[:3] == ["response_latency", "endpointing_time", "first_audio_time"]


def test_other_visitors_ride_along(bad):
    class Counting:
        rows = 0

        def add(self, row, offset):
            self.rows += bool(row["agent"]) and offset >= 0

    counting = Counting()
    gathered(bad, counting)
    assert counting.rows == 240


def test_nothing_that_an_agent_said_acts(tmp_path):
    folder = make_run(tmp_path / "run", simulations=60, hostile=True, bad=True)
    _, table, details = gathered(folder)
    assert visible_json([table, details]) == [table, details]
    said = {turn["content"] for one in details for turn in one["transcript"]}
    assert {visible(text) for text in HOSTILE if len(text) < 20_000} <= said
    assert any(text and text.endswith("(30,000 more characters)") for text in said)
    assert visible('<b>case</b>\x1b[1m"=1+1') in table["test_case"]


def test_a_run_without_transcripts_has_what_there_is(tmp_path):
    folder = make_run(tmp_path / "run", simulations=30, transcripts="none", kept=3)
    contents, table, details = gathered(folder)
    assert sum(turns is not None for turns in table["turns"]) == 3
    kept = [one for one in details if "kept_for" in one]
    assert len(kept) == 3
    assert all(one["transcript"] for one in kept)
    assert {one["id"] for one in contents.near["connect_time"].values()} <= {*table["id"]}
    ids = {one["simulation_output_id"] for one in kept}
    assert {one["id"] for one in contents.near["response_latency"].values()} <= ids
    shutil.rmtree(folder / "conversations")
    contents, table, details = gathered(folder)
    assert table["latency"] == table["turns"] == [None] * 30
    assert all(one["transcript"] == [] for one in details)
    assert "response_latency" not in contents.near
    assert all(table["detail"])


def test_where_there_is_no_room_plain_conversations_go_without_details(tmp_path, monkeypatch):
    folder = make_run(tmp_path / "run", simulations=200, bad=True, recordings=9, kept=20, turns=3, concurrency=3)
    monkeypatch.setattr(picks, "SLOWEST", 10)
    monkeypatch.setattr(conversations, "pack_details", partial(pack_details, at_most=42_000))
    contents, table, details = gathered(folder)
    assert [one is not None for one in details] == table["detail"]
    lacking = {identity for identity, has in zip(table["id"], table["detail"], strict=True) if not has}
    assert 10 < len(lacking) < 100
    assert contents.left_out == [
        f"{len(lacking)} of 200 conversations stand in the table without their transcripts, "
        "to keep the page small; simulations.jsonl has them"
    ]
    rows = list(zip(*(table[name] for name in ("id", "kind", "recorded", "latency")), strict=True))
    slow = sorted(latency or 0.0 for *_, latency in rows)[-9]
    wanted = {identity for identity, kind, recorded, latency in rows if kind or recorded or (latency or 0.0) > slow}
    wanted |= {one["id"] for found in contents.near.values() for one in found.values()}
    wanted |= {path.stem for path in (folder / "conversations").iterdir()}
    assert not wanted & lacking


def test_only_recordings_that_are_there_are_told_of(tmp_path):
    folder = make_run(tmp_path / "run", simulations=20, recordings=3, turns=1)
    contents, table, _ = gathered(folder)
    recorded = [row["simulation_output_id"] for row in rows_of(folder) if row["recording"]]
    assert len(recorded) == 3
    assert contents.has_recordings
    assert {identity for identity, has in zip(table["id"], table["recorded"], strict=True) if has} == {*recorded}
    (folder / "recordings" / f"{recorded[0]}.wav").unlink()
    _, table, _ = gathered(folder)
    assert sum(table["recorded"]) == 2
    shutil.rmtree(folder / "recordings")
    contents, table, _ = gathered(folder)
    assert not contents.has_recordings
    assert not any(table["recorded"])


@pytest.mark.parametrize(
    "file", ["../elsewhere.wav", "recordings/../run.json", "run.json", "/etc/passwd", None, "a\0", 5]
)
def test_a_recording_outside_of_its_folder_is_none(tmp_path, file):
    folder = make_run(tmp_path / "run", simulations=3, recordings=1, turns=1)
    (tmp_path / "elsewhere.wav").touch()
    rows = [row | {"recording": {"file": file, "start": 0.0}} for row in rows_of(folder)]
    (folder / "simulations.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    assert not gathered(folder)[0].has_recordings


def test_of_a_resumed_run_each_simulation_is_told_of_once(tmp_path):
    folder = make_run(tmp_path / "run", simulations=120, resumed=True, turns=2)
    assert len(rows_of(folder)) == 123
    contents, table, _ = gathered(folder)
    assert contents.total == 120
    assert sorted(table["number"]) == list(range(120))
    assert "cancelled" not in table["outcome"]


def test_what_never_began_stands_where_it_was_due(bad, tmp_path):
    folder = shutil.copytree(bad, tmp_path / "run")
    rows = rows_of(folder)[:3]
    never = {"started_at": None, "scheduled_at": -1.0, "outcome": "cancelled", "error": None, "transcript": []}
    (folder / "simulations.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in [*rows, rows[0] | never]))
    _, table, _ = gathered(folder)
    assert (table["started_at"][0], table["seconds"][0], table["scheduled_at"][0]) == (None, None, -1.0)


def test_files_that_are_missing_have_no_rows(bad, tmp_path):
    folder = shutil.copytree(bad, tmp_path / "run")
    for name in ("simulations", "timeline"):
        (folder / f"{name}.jsonl").unlink()
    contents, table, details = gathered(folder)
    assert (contents.shown, contents.total, contents.chunks, details) == (0, 0, [], [])
    assert contents.course["at"] == [] == table["id"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("simulations", {"transcript": None}),
        ("simulations", {"error": {}}),
        ("simulations", {"started_at": "soon"}),
        ("timeline", {"metrics": {"loop_lag": {"count": 1, "min": 0, "max": 0, "histogram": "none"}}}),
        ("timeline", {"counts": {}}),
    ],
)
def test_a_row_that_is_none_is_a_fault_that_says_where(bad, tmp_path, name, change):
    folder = shutil.copytree(bad, tmp_path / "run")
    path = folder / f"{name}.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = orjson.dumps(orjson.loads(lines[1]) | change) + b"\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(Faulty, match=rf"{name}.jsonl, row 2: expected a row as docs/results.md has it; got "):
        gathered(folder)


def test_memory_does_not_grow_with_the_number_of_simulations(bad, tmp_path, monkeypatch):
    for name, amount in (("SHOWN", 400), ("FAILED", 160), ("RECORDED", 100)):
        monkeypatch.setattr(picks, f"{name}_AT_MOST", amount)
    monkeypatch.setattr(picks, "SLOWEST", 40)
    folder = shutil.copytree(bad, tmp_path / "run")
    (row, *_) = rows_of(folder)
    turn = {"role": "assistant", "content": "hi", "start": 0, "end": 0, "metrics": {"response_latency": 0.5}}
    small = row | {"transcript": [turn], "events": [], "metrics": {}}

    def peak(amount):
        with (folder / "simulations.jsonl").open("wb") as file:
            for number in range(amount):
                own = {"simulation_output_id": f"{number:032}", "number": number, "started_at": float(number)}
                file.write(orjson.dumps(small | own) + b"\n")
        tracemalloc.start()
        contents, table, _ = gathered(folder)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return contents, table, most

    peak(500)  # what is loaded or made once
    _, _, at_least = peak(1000)
    contents, table, most = peak(6000)
    assert (contents.shown, contents.total, len(table["id"])) == (400, 6000, 400)
    assert table["started_at"] == sorted(table["started_at"])
    assert "400 conversations of 6,000 are shown" in contents.left_out[0]
    assert most < at_least + 50_000  # 10 bytes for each of 5,000 more, and nothing like an object
