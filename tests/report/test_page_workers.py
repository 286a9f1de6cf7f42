"""Runs over several workers, wherever they are shown: the page, the printed summary, comparisons, exports, recovery."""

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from made_runs import HOSTILE, make_run
from made_workers import deal_to_workers

import coval_load.report
from coval_load.cli.main import cli
from coval_load.engine.results import Results
from coval_load.plans.baseline import Baseline
from coval_load.report.exports.github import annotations, step_summary
from coval_load.report.page import workers
from coval_load.report.page.page import look_into, report_html
from coval_load.report.recovery import recover

SCHEMAS = Path(coval_load.report.__file__).parent / "schemas"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("workers") / "run", simulations=20, hostile=True)
    return deal_to_workers(folder, 6, HOSTILE[0])


@pytest.fixture
def killed(tmp_path):
    """A run that ended is killed by taking away what it wrote then."""
    folder = deal_to_workers(make_run(tmp_path / "killed", simulations=20), 6)
    told = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(told | {"ended": None, "exit_code": None}))
    return folder


def summary_of(folder):
    return json.loads((folder / "summary.json").read_text())


def said(*arguments):
    done = CliRunner().invoke(cli, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0
    return " ".join(done.stdout.split())


def page_of(folder):
    found = look_into(folder, summary_of(folder), json.loads((folder / "run.json").read_text()))
    return report_html(found.contents, found.diagnosis)


def test_its_summary_fits_the_schema(run):
    jsonschema.validate(summary_of(run), json.loads((SCHEMAS / "summary.schema.json").read_text()))


def test_the_worst_are_the_first_rows(run):
    rows = workers.worker_rows(summary_of(run))
    assert [(row.name, row.verdict, row.level) for row in rows[:4]] == [
        ("worker-3", "lost", "bad"),
        ("worker-2", "invalid", "bad"),
        ("worker-4", "degraded", "warn"),
        ("coordinator", "valid", "good"),
    ]
    assert rows[0].lost.startswith("at 35s with 17 simulations: its process was killed by SIGKILL")
    assert (rows[1].frames_late.shown, rows[1].woke_late.shown, rows[1].cpu, rows[1].lost) == (
        "130 ms",
        "4.0 ms",
        "44%",
        "",
    )
    assert (rows[0].frames_late.shown, rows[0].simulations) == ("-", 3)


def test_a_worker_that_was_never_heard_of_has_a_row_too(run):
    summary = summary_of(run)
    row = summary["generator"]["workers"][1]
    row |= {"verdict": None, "cpu_share": None, "loop_lag_p99_s": None, "lost": "gone", "lost_at_s": None}
    found = next(one for one in workers.worker_rows(summary) if one.name == "worker-1")
    assert (found.cpu, found.woke_late.shown, found.lost) == ("-", "-", "with 0 simulations: gone")
    row["lost"] = None
    found = next(one for one in workers.worker_rows(summary) if one.name == "worker-1")
    assert (found.verdict, found.level) == ("not heard of", "warn")


def test_of_a_thousand_there_is_a_page_full():
    row = {"name": "w", "host": "h", "verdict": "valid", "lost": None, "simulations": 1}
    bad = row | {"name": "bad", "verdict": "invalid"}
    summary = {"generator": {"workers": [*[row] * 999, bad]}}
    rows = workers.worker_rows(summary)
    assert (len(rows), rows[0].name, workers.left_out(summary)) == (workers.MOST, "bad", 1000 - workers.MOST)
    alone = Results().summary()
    assert (workers.worker_rows(alone), workers.left_out(alone), workers.counted(alone)) == ([], 0, "")


def test_the_page_has_a_table_of_them_and_hosts_stay_text(run):
    page = page_of(run)
    table = page.split('<h3 id="workers"')[1].split("</table>")[0]
    assert table.count("<tr>") == 8
    assert "6 on 2 hosts, 1 of them lost, clocks within 1.2 ms" in table
    assert "&lt;script&gt;alert(&#39;said by the agent&#39;)&lt;/script&gt;" in table
    assert "<script" not in table


def test_a_page_of_one_process_has_none(tmp_path):
    assert 'id="workers"' not in page_of(make_run(tmp_path / "run", simulations=5))


def test_github_shows_the_reasons(run):
    summary, told = summary_of(run), json.loads((run / "run.json").read_text())
    lines = list(annotations(summary, told))
    assert any("worker-3 on host-a was lost at 0:00:35" in line for line in lines)
    assert not any(line.count("\n") for line in lines)
    page = step_summary(summary, told)
    assert "worker-2 on " in page
    assert "<script" not in page


def test_a_killed_run_is_made_anew_from_its_rows(killed):
    recovered = recover(killed)
    assert not recovered.is_whole
    assert "workers" not in recovered.summary["generator"]
    assert said("report", killed, "--json").startswith("{")


def test_lost_simulations_of_a_killed_run_speak_against_it(killed):
    rows = [json.loads(line) for line in (killed / "simulations.jsonl").read_text().splitlines()]
    error = {"kind": "worker_lost", "stage": "conversation", "turn": 1, "message": "its process was killed by SIGKILL"}
    lost = rows[0] | {"outcome": "failed", "error": error, "worker": 3}
    jsonschema.validate(lost, json.loads((SCHEMAS / "simulation.schema.json").read_text()))
    (killed / "simulations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [lost, *rows[1:]]))
    generator = recover(killed).summary["generator"]
    assert (generator["verdict"], generator["internal_errors"]) == ("invalid", 0)
    assert generator["reasons"] == [
        "expected no simulation to be lost with the process that ran it, got 1; look at the errors of kind worker_lost"
    ]


def test_it_is_printed_compared_and_a_baseline(run, tmp_path):
    alone = make_run(tmp_path / "alone", simulations=20)
    assert " workers: 6 on 2 hosts, 1 of them lost" in said("report", run)
    assert "can't be trusted: worker-3 on host-a was lost" in said("compare", run, alone)
    assert "can't be trusted" in (Baseline.read(run).caution or "")
