"""The options of exports: what is written, what is refused before anything is dialled, and what happens if it fails."""

import json
import shutil
import sys

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from exported import sample_run, sample_summary

from coval_load.cli.exporting import Exports, write_exports
from coval_load.cli.main import cli
from coval_load.cli.page import Told
from coval_load.cli.running import print_summary
from coval_load.engine.run_folder import RunFolder
from coval_load.plans.launch import Finished
from coval_load.report.exports.github import annotations

PLAN = {
    "agents": [
        {
            "display_name": "Support",
            "model_type": "MODEL_TYPE_CHAT",
            "metadata": {"chat_endpoint": "https://agents.invalid/chat"},
        }
    ],
    "test_set": [{"id": "a", "turns": [{"type": "text", "text": "Hello"}]}],
    "load": {"simulations": 1},
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("coval_load.cli.running.write_page", lambda *_, **__: Told())


def invoked(*arguments):
    more = ["--no-html"] if arguments[0] == "report" else []  # a page takes a second
    return CliRunner().invoke(cli, [*map(str, arguments), *more], catch_exceptions=False)


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_exported_after_the_fact(made_folder, tmp_path):
    done = invoked("report", made_folder, "--junit=a/b/junit.xml", "--hgrm=c/d", "--parquet=e/f")
    assert (done.exit_code, done.stderr) == (0, "")
    assert files(tmp_path) >= {
        "a/b/junit.xml",
        "c/d/response_latency.hgrm",
        "e/f/simulations.parquet",
        "e/f/turns.parquet",
    }
    assert pq.read_metadata("e/f/simulations.parquet").num_rows == 60


@pytest.mark.parametrize("option", ["--junit=taken/junit.xml", "--hgrm=taken/hgrm", "--parquet=taken/tables"])
def test_what_can_not_be_written_after_the_fact_is_told_and_the_rest_is_written(made_folder, tmp_path, option):
    (tmp_path / "taken").touch()
    done = invoked("report", made_folder, option, "--parquet=p" if "junit" in option else "--junit=j.xml")
    name, _, path = option.partition("=")
    assert done.exit_code == 2
    assert f"{name}: expected to write {path}; got: " in done.stderr
    assert "simulations completed" in done.stdout
    assert (tmp_path / "p" / "turns.parquet" if name == "--junit" else tmp_path / "j.xml").exists()


def test_a_run_that_was_killed_is_exported_as_far_as_it_came(made_folder, tmp_path):
    killed = shutil.copytree(made_folder, tmp_path / "killed")
    (killed / "summary.json").unlink()
    run = json.loads((killed / "run.json").read_text()) | {"ended": None, "exit_code": None}
    (killed / "run.json").write_text(json.dumps(run))
    rows = (killed / "simulations.jsonl").read_bytes().splitlines(keepends=True)
    (killed / "simulations.jsonl").write_bytes(b"".join(rows[:20]) + rows[20][:50])
    done = invoked("report", killed, "--junit=junit.xml", "--parquet=tables")
    assert done.exit_code == 0
    outcomes = pq.read_table("tables/simulations.parquet")["outcome"].to_pylist()
    assert 10 < len(outcomes) <= 20
    assert f'name="counts.completed" value="{outcomes.count("completed")}"' in (tmp_path / "junit.xml").read_text()


def test_a_row_that_is_none_is_told(made_folder, tmp_path):
    broken = shutil.copytree(made_folder, tmp_path / "broken")
    with (broken / "simulations.jsonl").open("ab") as file:
        file.write(b'{"outcome": "completed"}\n')
    done = invoked("report", broken, "--parquet=tables")
    assert done.exit_code == 2
    assert "expected a row as docs/results.md has it" in done.stderr
    assert files(tmp_path / "tables") == set()


@pytest.mark.parametrize("command", [("run",), ("soak", "--duration=1s")])
@pytest.mark.parametrize("option", ["--junit=taken/junit.xml", "--hgrm=taken/hgrm", "--parquet=taken"])
def test_a_run_refuses_what_it_could_not_write_before_it_begins(tmp_path, command, option):
    (tmp_path / "taken").touch()
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    done = invoked(*command, "plan.json", option)
    assert done.exit_code == 2
    assert "nothing was dialled" in done.stderr or "is a file" in done.stderr
    assert files(tmp_path) == {"taken", "plan.json"}


def test_a_run_refuses_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    done = invoked("run", "plan.json", "--parquet=tables")
    assert done.exit_code == 2
    assert "--parquet: expected the extra parquet: pip install 'coval-load[parquet]'" in done.stderr
    assert not write_exports(tmp_path, sample_summary(), sample_run(), Exports(parquet=tmp_path / "tables"))


def test_a_run_that_is_over_names_the_extra_that_parquet_takes(tmp_path, made_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = invoked("report", str(made_folder), "--no-html", "--parquet", str(tmp_path / "tables"))
    assert done.exit_code == 2
    assert done.stderr.startswith("--parquet: expected the extra parquet: pip install 'coval-load[parquet]'")


def test_a_run_that_is_over_says_what_it_could_not_write_and_goes_on(tmp_path, made_folder, capsys):
    (tmp_path / "taken").touch()
    summary, run = (json.loads((made_folder / f"{name}.json").read_text()) for name in ("summary", "run"))
    folder = RunFolder(made_folder, "support line", None)
    exports = Exports(junit=tmp_path / "taken" / "junit.xml", parquet=tmp_path / "tables")
    print_summary(Finished(summary, run, 99), folder, as_json=False, exports=exports)
    assert "--junit: expected to write" in capsys.readouterr().err
    assert files(tmp_path / "tables") == {"simulations.parquet", "turns.parquet"}


def test_in_a_github_workflow_the_summary_is_fenced_and_annotated(made_folder, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    summary, run = (json.loads((made_folder / f"{name}.json").read_text()) for name in ("summary", "run"))
    folder = RunFolder(made_folder, "support line", None)
    summary["thresholds"][0]["passed"] = False
    print_summary(Finished(summary, run, 99), folder, as_json=False)
    first, *within = capsys.readouterr().out.splitlines()
    token = first.removeprefix("::stop-commands::")
    assert len(token) == 32
    end = within.index(f"::{token}::")
    assert within[0] == "support line"
    assert within[end + 1 :] == list(annotations(summary, run)) != []
    assert (tmp_path / "summary.md").read_text().startswith("<h2>coval-load: <code>support line</code></h2>")


def test_in_a_github_workflow_json_is_the_same_and_no_command(made_folder, monkeypatch, tmp_path):
    plain = invoked("report", made_folder, "--json")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    summary = json.loads((made_folder / "summary.json").read_text())
    summary["notes"].append("##[group]folded")
    loud = shutil.copytree(made_folder, tmp_path / "loud")
    (loud / "summary.json").write_text(json.dumps(summary))
    done = invoked("report", loud, "--json")
    assert "##[" not in done.stdout
    assert "##[" not in done.stderr
    assert json.loads(done.stdout) == json.loads(plain.stdout) | {"notes": summary["notes"]}
    assert not (tmp_path / "summary.md").exists()
