"""Parquet: every row, true to the file, with the same columns whatever the run had."""

import json
import sys
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exported import row, sample_run

from coval_load.engine.metrics import METRICS
from coval_load.report.exports import parquet
from coval_load.report.exports.parquet import ParquetTables
from coval_load.report.exports.parquet_rows import TOKENS
from coval_load.report.exports.parquet_schemas import SIMULATIONS, TURNS
from coval_load.report.kept import Kept
from coval_load.report.scan import scan

TOOL = {"id": "call_1", "name": "lookup_order", "arguments": '{"number": "1207"}'}
TRANSCRIPT = [
    {"role": "assistant", "content": "Hello", "start": 0.1, "end": 0.5, "metrics": {"greeting_latency": 0.1}},
    {"role": "user", "content": "Where is it?", "start": 1.0, "end": 1.2, "interrupted_caller": True},
    {"role": "assistant", "content": None, "start": 1.3, "end": 1.3, "type": "tool_call", "tool": TOOL},
    {"role": "tool", "content": "{}", "start": 1.3, "end": 1.3, "type": "tool_result", "tool": TOOL},
    {
        "role": "assistant",
        "content": "On its way.",
        "start": 1.5,
        "end": None,
        "interrupted": True,
        "chunks": 5,
        "usage": {"input_tokens": 115, "output_tokens": None},
        "metrics": {"response_latency": 0.5, "of_a_later_release": 1.0},
    },
    {"role": "user", "content": "12#", "start": 2.0, "end": 2.1, "type": "dtmf"},
]


def written(folder, rows, run=None):
    with ParquetTables(folder, run or sample_run()) as tables:
        for number, one in enumerate(rows):
            tables.add(one, number)
    return [pq.read_table(folder / f"{name}.parquet") for name in ("simulations", "turns")]


def test_every_field_of_a_simulation_is_a_column(tmp_path):
    checks = [{"name": "says it", "passed": True}, {"name": "short", "passed": False, "message": "too long"}]
    checks.append({"name": "polite", "passed": True})
    recording = {"file": "recordings/id-3.wav", "start": 3.1}
    made = row(3, error=("no_response", "nothing came"), transcript=TRANSCRIPT, checks=checks, recording=recording)
    simulations, _ = written(tmp_path / "made" / "here", [made])
    (told,) = simulations.to_pylist()
    expected = {
        "run_id": "0d9c",
        "simulation_output_id": "id-3",
        "test_case": "order-a-pizza",
        "outcome": "failed",
        "started_at": 3.0,
        "error_kind": "no_response",
        "error_stage": "conversation",
        "error_turn": 1,
        "error_message": "nothing came",
        "recording_file": "recordings/id-3.wav",
        "caller_turns": 2,
        "agent_turns": 2,
        "tool_calls": 1,
        "interruptions": 1,
        "checks_passed": 2,
        "checks_failed": 1,
        "connect_time": 0.01,
        "response_latency": None,
    }
    assert {name: told[name] for name in expected} == expected
    assert told["started_utc"].isoformat() == "2026-03-04T12:00:03.250000"
    assert told["checks"][1] == checks[1]
    assert told["checks"][0] == checks[0] | {"message": None}


def test_every_entry_of_a_transcript_is_a_row_with_the_number_of_the_callers_turn(tmp_path):
    _, turns = written(tmp_path, [row(0, transcript=TRANSCRIPT), row(1)])
    told = turns.to_pylist()
    assert [(one["entry"], one["turn"]) for one in told] == [(1, 0), (2, 1), (3, 1), (4, 1), (5, 1), (6, 2)]
    assert [one["content"] for one in told] == [one["content"] for one in TRANSCRIPT]
    assert [one["type"] for one in told] == [None, None, "tool_call", "tool_result", None, "dtmf"]
    assert [one["interrupted"] for one in told] == [False, False, False, False, True, False]
    assert [one["interrupted_caller"] for one in told] == [False, True, False, False, False, False]
    assert (told[4]["response_latency"], told[0]["greeting_latency"]) == (0.5, 0.1)
    assert (told[4]["input_tokens"], told[4]["output_tokens"], told[4]["chunks"]) == (115, None, 5)
    assert (told[4]["started_at"], told[4]["ended_at"]) == (1.5, None)
    assert (told[2]["tool_name"], told[2]["tool_arguments"]) == ("lookup_order", TOOL["arguments"])


def test_a_run_without_rows_has_tables_with_all_columns(tmp_path):
    simulations, turns = written(tmp_path, [])
    assert (simulations.num_rows, turns.num_rows) == (0, 0)
    assert simulations.schema.names == SIMULATIONS.names
    assert turns.schema.names == TURNS.names
    for schema in (SIMULATIONS, TURNS):
        assert all(schema.field(name).type == pa.float64() for name in METRICS)


def test_rows_are_written_in_groups_and_do_not_gather(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "_MOST_ROWS", 10)
    monkeypatch.setattr(parquet, "_MOST_LETTERS", 100)
    said = [{"role": "user", "content": "x" * 60, "start": 0.0, "end": 0.0}]
    simulations, turns = written(tmp_path, [row(number, transcript=said) for number in range(25)])
    assert (simulations.num_rows, turns.num_rows) == (25, 25)
    assert simulations["number"].to_pylist() == list(range(25))
    assert pq.ParquetFile(tmp_path / "simulations.parquet").num_row_groups == 3
    assert pq.ParquetFile(tmp_path / "turns.parquet").num_row_groups == 13


def test_a_made_run_is_there_whole_each_simulation_once(tmp_path, made_folder):
    run = json.loads((made_folder / "run.json").read_text())
    seen = []

    class Rows:
        def add(self, row, offset):
            seen.append(row)

    with ParquetTables(tmp_path, run) as tables:
        scan(made_folder, run, [tables, Rows()])
    simulations = pq.read_table(tmp_path / "simulations.parquet").to_pylist()
    turns = pq.read_table(tmp_path / "turns.parquet")
    assert sorted(one["number"] for one in simulations) == list(range(60))
    assert Counter(one["outcome"] for one in simulations) == Counter(one["outcome"] for one in seen)
    assert turns["content"].to_pylist() == [entry["content"] for one in seen for entry in one["transcript"]]


def test_a_row_that_is_none_leaves_what_was_there(tmp_path):
    written(tmp_path, [row(0)])
    with pytest.raises(KeyError), ParquetTables(tmp_path, sample_run()) as tables:
        tables.add({"outcome": "completed"})
    for name in ("simulation_output_id", "outcome"):
        lacking = {key: value for key, value in row(1).items() if key != name}
        with pytest.raises(KeyError), ParquetTables(tmp_path, sample_run()) as tables:
            tables.add(lacking)
    with pytest.raises(pa.ArrowException), ParquetTables(tmp_path, sample_run()) as tables:
        tables.add(row(1, ended_at="late"))
    assert pq.read_table(tmp_path / "simulations.parquet")["number"].to_pylist() == [0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["simulations.parquet", "turns.parquet"]


def test_without_pyarrow_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert not parquet.is_installed()
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'coval-load\[parquet\]'"):
        ParquetTables(tmp_path, sample_run()).__enter__()


def test_a_transcript_that_was_kept_beside_its_row_is_there(tmp_path):
    whole = row(3, transcript=TRANSCRIPT)
    kept = tmp_path / "run" / "conversations"
    kept.mkdir(parents=True)
    (kept / f"{whole['simulation_output_id']}.json").write_text(json.dumps(whole))
    bare = [row(2) | {"transcript": []}, whole | {"transcript": []}]
    with ParquetTables(tmp_path / "made", sample_run(), Kept(tmp_path / "run")) as tables:
        for number, one in enumerate(bare):
            tables.add(one, number)
    turns = pq.read_table(tmp_path / "made" / "turns.parquet").to_pylist()
    assert [turn["simulation_output_id"] for turn in turns] == ["id-3"] * len(TRANSCRIPT)


def test_what_realtime_agents_say_of_a_turn_has_columns(tmp_path):
    usage = {"input_tokens": 214, "output_tokens": 61, "input_audio_tokens": 96, "cached_tokens": 64}
    transcript = [
        {"role": "user", "content": "Pizza", "start": 0.0, "end": 1.0, "transcribed": "Visa\x1b[2J"},
        {"role": "assistant", "content": "For", "start": 2.0, "end": 3.0, "ended": "cancelled: heard", "usage": usage},
        {"role": "assistant", "content": "Hello", "start": 4.0, "end": 4.0, "type": "text"},
    ]
    simulations, turns = written(tmp_path, [row(0, transcript=transcript)])
    told = turns.to_pylist()
    assert [one["transcribed"] for one in told] == ["Visa\x1b[2J", None, None]
    assert [one["ended"] for one in told] == [None, "cancelled: heard", None]
    assert [told[1][name] for name in TOKENS] == [214, 61, 96, None, 64]
    assert [one["type"] for one in told] == [None, None, "text"]
    assert simulations["agent_turns"].to_pylist() == [2]
