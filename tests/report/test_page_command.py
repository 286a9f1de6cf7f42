"""Where `report.html` comes from: after a run, and with `coval-load report`; what happens where it can't be written."""

import json

import pytest
from click.testing import CliRunner

from coval_load.cli.page import write_page
from coval_load.cli.report import report as command
from tests.report.made_runs import make_run


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run", simulations=2, turns=2)


def read(folder):
    return [json.loads((folder / name).read_text()) for name in ("summary.json", "run.json")]


def report(*arguments):
    return CliRunner().invoke(command, [str(one) for one in arguments])


def test_report_writes_it_into_the_folder(run):
    result = report(run)
    assert result.exit_code == 0
    assert f"report: {run / 'report.html'}" in result.stdout
    assert "support line" in (run / "report.html").read_text()


def test_with_json_where_it_is_stands_beside(run):
    result = report(run, "--json")
    assert json.loads(result.stdout)["counts"]["completed"] == 2
    assert f"report: {run / 'report.html'}" in result.stderr


def test_of_a_long_run_it_is_said_that_this_takes_a_while(run, monkeypatch):
    assert "looking through" not in report(run).stderr
    monkeypatch.setattr("coval_load.cli.waiting.LONG_FROM_BYTES", (run / "simulations.jsonl").stat().st_size)
    told = report(run, "--json")
    assert "looking through 0 MB of conversations for the page; Ctrl-C leaves it out" in told.stderr
    assert "looking" not in told.stdout
    assert "looking through" not in report(run, "--no-html").stderr


def test_it_can_be_written_elsewhere_or_not_at_all(run, tmp_path):
    assert report(run, "--html", tmp_path / "page.html").exit_code == 0
    assert report(run, "--no-html").exit_code == 0
    assert (tmp_path / "page.html").exists()
    assert not (run / "report.html").exists()


def test_both_at_once_are_refused(run, tmp_path):
    assert report(run, "--no-html", "--html", tmp_path / "page.html").exit_code == 2


def test_where_it_was_asked_for_and_could_not_be_written_the_exit_code_says_so(run, tmp_path):
    result = report(run, "--html", tmp_path / "nowhere" / "page.html")
    assert result.exit_code == 2
    assert "was not written: No such file or directory" in result.stderr


def test_where_it_was_not_asked_for_it_is_a_warning(run):
    (run / "report.html").mkdir()
    result = report(run)
    assert result.exit_code == 0
    assert "warning:" in result.stderr
    assert not list(run.glob("*.part"))


@pytest.mark.parametrize("fault", [KeyboardInterrupt, RuntimeError("odd"), OSError(28, "No space left on device")])
def test_no_fault_of_the_page_is_raised(run, monkeypatch, capsys, fault):
    def fail(*_):
        raise fault

    monkeypatch.setattr("coval_load.report.page.page.write_atomically", fail)
    assert write_page(run, *read(run), as_json=False).is_written is False
    assert "warning:" in capsys.readouterr().err


def test_a_folder_that_is_read_only_is_said_to_be(run, monkeypatch, capsys):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("coval_load.report.page.page.write_atomically", refuse)
    monkeypatch.setattr("os.access", lambda *_: False)
    assert write_page(run, *read(run), as_json=False).is_written is False
    said = capsys.readouterr().err
    assert f"{run} is read-only" in said
    assert "--html FILE" in said


@pytest.mark.parametrize(
    ("file", "key", "odd"),
    [
        ("summary.json", "thresholds", ["<script>"]),
        ("summary.json", "metrics", {"response_latency": {"count": "many"}}),
        ("summary.json", "counts", {}),
        ("summary.json", "over_time", "../../etc/passwd"),
        ("run.json", "plan", {"load": 1e308}),
    ],
)
def test_a_summary_of_other_types_is_a_fault(run, file, key, odd):
    held = json.loads((run / file).read_text())
    (run / file).write_text(json.dumps(held | {key: odd}))
    result = report(run, "--no-html")
    assert (result.exit_code, result.stdout) == (1, "")  # click's own code: the command line makes 2 of it
    assert "expected summary.json and run.json as docs/results.md has them" in result.stderr
