"""`coval-load compare` as it is called, over folders of runs."""

import json

import orjson
import pytest
from click.testing import CliRunner
from past_runs import conversations, write_run

from coval_load.cli.main import cli


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "before", conversations(100), agents=("support", "sales"))
    write_run(tmp_path / "after", conversations(100, seed=2, median_s=1.0), agents=("support", "sales"))
    return tmp_path


def compare(*arguments):
    done = CliRunner().invoke(cli, ["compare", *map(str, arguments)], standalone_mode=False)
    return getattr(done.exception, "exit_code", done.exit_code) if done.exception else done.exit_code, done


def test_two_runs(runs):
    code, done = compare("before", "after")
    assert code == 0
    assert "slower by" in done.stdout
    assert "response_latency of agent sales" in done.stdout


def test_a_run_against_itself_is_told(runs):
    assert "before and before are one and the same run" in " ".join(compare("before", "before")[1].stdout.split())
    assert "one and the same run" not in compare("before", "after")[1].stdout


def test_more_runs_are_each_held_against_the_first(runs):
    write_run(runs / "killed", conversations(100), killed=True)
    code, done = compare("before", "after", "killed")
    assert code == 0
    assert done.stdout.count("baseline  before") == 2
    assert "killed did not come to its end: what it left is compared" in " ".join(done.stdout.split())
    assert "slower" not in done.stdout.split("killed", 1)[1]


def test_a_page_and_json(runs):
    code, done = compare("before", "after", "--html", "page.html", "--json", "--all")
    assert code == 0
    told = orjson.loads(done.stdout)
    assert told["baseline"]["folder"] == "before"
    assert {row["verdict"] for row in told["comparisons"][0]["rows"]} >= {"changed", "no_change"}
    page = (runs / "page.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "connect_time" in page or "response_latency" in page


@pytest.mark.parametrize(
    ("threshold", "code"),
    [
        ("response_latency: p95 <= baseline * 3", 0),
        ("response_latency: p95 <= baseline + 10%", 99),
        ("response_latency{agent=sales}: p50 <= baseline + 10%", 99),
        ("failed: rate <= baseline + 1%", 0),
        ("response_latency: p95 < 100ms", 99),
        ("response_latency: drift < 5%", 99),
        ("ttft: p95 < 1s", 99),
        ("ttft: p95 <= baseline", 1),
        ("response_latency{test_case=hello}: p50 < 1s", 1),
        ("response_latency: p95 <= base", 1),
        ("response_latency", 1),
    ],
)
def test_thresholds(runs, threshold, code):
    got, done = compare("before", "after", "--threshold", threshold)
    assert got == code
    if code == 1:
        assert "expected" in str(done.exception)
    else:
        assert ("CROSSED" in done.stdout) is (code == 99)


def test_each_run_is_judged(runs):
    code, done = compare("before", "before", "after", "--threshold", "response_latency: p95 <= baseline", "--json")
    assert code == 99
    judged = [one["thresholds"][0] for one in json.loads(done.stdout)["comparisons"]]
    assert [row["passed"] for row in judged] == [True, False]
    assert judged[0]["baseline"] == judged[1]["baseline"] == judged[0]["value"]


@pytest.mark.parametrize(
    "arguments", [["before"], ["before", "nowhere"], ["before", "after", "--html", "no/where.html"]]
)
def test_faults(runs, arguments):
    code, done = compare(*arguments)
    assert code in (1, 2)
    assert "expected" in f"{done.exception}{done.stderr}"


def test_a_page_that_can_not_be_written_ends_with_2(runs):
    assert compare("before", "after", "--html", "no/where.html")[0] == 2


def test_damaged_rows_are_a_fault(runs):
    (runs / "after" / "simulations.jsonl").write_text('{"agent": 5}\n')
    code, done = compare("before", "after")
    assert code == 1
    assert "expected a row of a simulation in after/simulations.jsonl, row 1" in str(done.exception)


@pytest.mark.parametrize("odd", [{"response_latency": {"p50": "fast"}}, {"response_latency": 5}])
def test_a_summary_of_other_types_is_a_fault(runs, odd):
    file = runs / "after" / "summary.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"metrics": odd}))
    code, done = compare("before", "after")
    assert code == 1
    assert "expected summary.json and run.json as docs/results.md has them in before or after" in str(done.exception)
