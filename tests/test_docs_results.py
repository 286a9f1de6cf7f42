"""What the documentation says about results is run against a run folder made here."""

import json
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
import trio

import coval_load.report
from coval_load.actors.stereo_recording import StereoRecording
from coval_load.engine import metrics
from coval_load.engine.drift import drift
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.recorder import open_recorder
from coval_load.engine.results import Results
from coval_load.engine.run_folder import create
from coval_load.engine.timeline import merge_interval
from coval_load.engine.trend_series import Series
from coval_load.engine.verdict import Evidence, verdict, verdict_over
from coval_load.engine.worker_health import WorkerHealth
from coval_load.report.summary_text import summary_text

DOCS = (Path(__file__).parents[1] / "docs" / "results.md").read_text()
SCHEMAS = Path(coval_load.report.__file__).parent / "schemas"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", DOCS, re.DOTALL | re.MULTILINE)


def schema(name):
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text())


async def write_rows(path, rows):
    async with open_recorder(path, lambda value: value, pytest.fail) as recorder:
        for row in rows:
            recorder.write(row)


@pytest.fixture
def sample_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    started = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)
    folder = create(None, "support line", started)
    folder.begin({"load": {"concurrency": 2}}, 1.0)
    row = json.loads(blocks("json simulation")[0])
    failure = Failure(ErrorKind.NO_RESPONSE, Stage.CONVERSATION, "No response received within 30 s")
    error = {"kind": failure.kind, "stage": failure.stage, "message": failure.message}
    failed = row | {"outcome": "failed", "error": error, "transcript": [], "recording": None}
    results = Results()
    trio.run(write_rows, folder.simulations_file, (failed, row))
    results.record(metrics.RESPONSE_LATENCY, 0.33)
    results.finished(Outcome("completed"))
    results.finished(Outcome("failed", failure))
    with ThreadPoolExecutor(1) as writer:
        recording = StereoRecording(folder.recording(row["simulation_output_id"]), 0.015, writer)
        recording.agent(b"\x01\x01" * 16_000, 1.75)
        recording.close(3.0)
    folder.finish(results.summary(), started, 0)
    return folder


def test_the_python_in_the_documentation_runs(sample_run, capsys):
    namespace = {}
    for block in blocks("python"):
        exec(block, namespace)
    assert capsys.readouterr().out.splitlines() == [
        "response latency: p50 0.330 s, p99 0.330 s",
        "slowest reply: 0.330 s in 6f1c1a0e5b7d4a3f9c2e8d7b6a5f4e3d at 1.8 s",
        "99.5 % of all replies began within 0.330 s",
    ]
    silence, sound = b"\0\0", b"\x01\x01"
    assert namespace["half_a_second"] == (silence + sound) * 8_000


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_shell_in_the_documentation_runs(sample_run):
    for block in blocks("sh"):
        done = subprocess.run(["sh", "-e", "-c", block], capture_output=True, text=True, check=True)
        assert "No response received within 30 s" in done.stdout


@pytest.mark.parametrize("name", ["run", "simulation", "timeline"])
def test_the_examples_in_the_documentation_fit_their_schemas(name):
    (example,) = blocks(f"json {name}")
    jsonschema.validate(json.loads(example), schema(name))


def test_the_example_of_a_summary_fits_its_schema_and_every_field_of_it_is_explained():
    (example,) = blocks("json summary")
    jsonschema.validate(Results().summary() | json.loads(example), schema("summary"))
    section = DOCS.split("\n## `summary.json`\n")[1].split("\n## ")[0]
    for field in (*schema("summary")["properties"], *schema("summary")["$defs"]["point"]["properties"]):
        assert f"`{field}`" in section or f'"{field}"' in section


def test_the_printed_summary_in_the_documentation_is_what_is_printed():
    """Each line of a kind is made here as the documentation has it."""
    (shown,) = blocks("text printed")
    (example,), (drifted,) = blocks("json summary"), blocks("json drift")
    results = Results()
    for name, amount in (("completed", 468), ("failed", 12), ("offered", 960), ("started", 480), ("dropped", 480)):
        results.count(name, amount)
    results.count(metrics.TURNS, 1404)
    rows = json.loads(example)["thresholds"]
    rows.append(rows[0] | {"metric": "dropped", "threshold": "rate < 5%", "value": 0.5, "unit": "1", "passed": False})
    points = [{"at": 3200.0 * at, "response_latency_p95": 0.61 + 0.02525 * (at - 1)} for at in range(1, 10)]
    summary = results.summary() | json.loads(example) | {"thresholds": rows, "drift": json.loads(drifted)}
    load = {"shape": "arrival_rate", "rate": 2 / 60, "duration": 28800.0}
    times = {"started": "2026-03-04T12:00:00Z", "ended": "2026-03-04T20:00:04Z"}
    run = {"name": "pizza line", "plan": {"load": load}, "exit_code": 99, **times}
    text = summary_text(summary | {"over_time": points}, run, False, "coval-runs/20260304T120000Z-pizza-line")
    made_elsewhere = ("response_latency  ", "      ", "this run", "  31%", "     12", "        No")
    for line in shown.splitlines():
        assert line in text.splitlines() or line.startswith(made_elsewhere)


def test_the_turns_in_the_documentation_fit_the_schema():
    examples, (row,) = blocks("json turns"), blocks("json simulation")
    assert len(examples) == 2
    for turns in examples:
        jsonschema.validate(json.loads(row) | {"transcript": json.loads(turns)}, schema("simulation"))


def test_every_field_of_a_turn_is_explained():
    for field in schema("simulation")["$defs"]["turn"]["properties"]:
        assert f"`{field}`" in DOCS or f'"{field}"' in DOCS


def test_every_kind_of_error_is_explained():
    section = DOCS.split("\n## Errors\n")[1].split("\n## ")[0]
    first_cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", "".join(first_cells))) == sorted(["kind", *ErrorKind])
    assert set(re.findall(r"`(\w+)`", section)) >= {*Stage}


def test_the_files_of_a_run_fit_their_schemas(sample_run):
    jsonschema.validate(json.loads(sample_run.run_file.read_text()), schema("run"))
    jsonschema.validate(json.loads(sample_run.summary_file.read_text()), schema("summary"))
    for line in sample_run.simulations_file.read_text().splitlines():
        jsonschema.validate(json.loads(line), schema("simulation"))


@pytest.mark.parametrize("name", ["run", "simulation", "timeline", "summary"])
def test_the_schemas_are_schemas(name):
    jsonschema.Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "done"},
        {"outcome": "failed"},
        {"error": {"kind": "hiccup", "stage": "connect", "message": ""}},
        {"metrics": {"respons_latency": 1.0}},
        {"close_code": 12},
        {"transcript": [{"role": "assistant", "content": None, "start": 0, "end": 0, "type": "tool"}]},
        {"transcript": [{"role": "agent", "content": "", "start": 0, "end": 0}]},
    ],
)
def test_a_row_that_is_not_as_documented_does_not_fit(change):
    row = json.loads(blocks("json simulation")[0]) | change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(row, schema("simulation"))


def test_every_field_of_a_row_is_explained():
    for field in schema("simulation")["properties"]:
        assert f"`{field}`" in DOCS


def test_every_field_of_the_timeline_is_explained():
    section = DOCS.split("\n## `timeline.jsonl`\n")[1].split("\n## ")[0]
    for field in schema("timeline")["properties"]:
        assert f"`{field}`" in section


def test_the_example_of_the_timeline_adds_up():
    (example,) = blocks("json timeline")
    results = Results()
    merge_interval(results, json.loads(example))
    measured = results.summary()["metrics"]["response_latency"]
    assert measured == json.loads(example)["metrics"]["response_latency"]
    assert results.vitals.cpu_share == 0.31


def test_the_example_of_drift_has_the_fields_of_a_row():
    (examples,) = blocks("json drift")
    series = Series()
    for number in range(12):
        interval = json.loads(blocks("json timeline")[0])
        series.add(interval | {"at": interval["at"] + 10 * number})
    row = next(row for row in drift(series) if row["what"] == "response_latency p95")
    (example,) = json.loads(examples)
    assert list(row) == list(example)
    assert re.sub(r"[\d.]+", "", example["sentence"]).startswith("response_latency p grew by  % an hour")


@pytest.mark.parametrize(
    "code", [code for code in schema("run")["properties"]["exit_code"]["enum"] if code is not None]
)
def test_every_exit_code_is_explained(code):
    assert f"\n| {code} | " in DOCS


def test_every_figure_of_the_verdict_is_told_and_explained():
    generator = schema("summary")["$defs"]["generator"]
    judged = verdict(Evidence())
    over = verdict_over(Evidence(), [WorkerHealth(name="worker-1", host="a", generator=judged)], False)
    assert set(generator["required"]) == set(judged)
    assert set(generator["properties"]) == set(over)
    jsonschema.validate(over, schema("summary")["$defs"]["generator"] | {"$defs": schema("summary")["$defs"]})
    metrics_page = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text()
    section = metrics_page.split("\n## The verdict on the generator\n")[1]
    last_cells = [line.split("|")[-2] for line in section.splitlines() if line.startswith("| ")]
    told = re.findall(r"`(\w+)`", "".join(last_cells))
    assert set(told) >= set(over) - {"verdict", "reasons"}
    (row,), shape = over["workers"], schema("summary")["$defs"]["worker"]
    assert set(row) == set(shape["properties"]) == set(shape["required"])
    assert all(f"`{field}`" in section for field in row)
