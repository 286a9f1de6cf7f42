"""docs/exports.md: its commands are run, its workflows are ones, and it has every column and suite."""

import re
import shlex
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from click.testing import CliRunner
from docs_pages import blocks, page

from coval_load.cli.exporting import Exports
from coval_load.cli.main import cli
from coval_load.report.exports.parquet_schemas import SIMULATIONS, TURNS

sys.path.append(str(Path(__file__).parent / "report"))

RUN = "coval-runs/20260304T120000Z-support-line"
PAGE = page("exports")
WORKFLOWS = [yaml.safe_load(text) for language, text in blocks("exports") if language == "yaml"]


def commands_of(workflow):
    """Each line of shell in a workflow of GitHub's or GitLab's."""
    for job in workflow.get("jobs", {}).values():
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            yield from step.get("run", "").splitlines()
    yield from workflow.get("load-test", {}).get("script", ())


COMMANDS = [shlex.split(command) for workflow in WORKFLOWS for command in commands_of(workflow)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from made_runs import make_run

    folder = tmp_path_factory.mktemp("exports")
    make_run(folder / RUN, simulations=40, turns=2)
    return folder


def test_the_shell_on_the_page_runs(folder, monkeypatch):
    monkeypatch.chdir(folder)
    lines = [line for language, text in blocks("exports") if language == "sh" for line in text.splitlines()]
    for line in lines:
        done = CliRunner().invoke(cli, [*shlex.split(line)[1:], "--no-html"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
    assert lines
    assert {path.name for path in (folder / "out").rglob("*.*")} >= {
        "junit.xml",
        "response_latency.hgrm",
        "simulations.parquet",
        "turns.parquet",
    }


def test_there_is_a_workflow_of_both_kinds():
    assert [sorted(map(str, workflow)) for workflow in WORKFLOWS] == [["load-test"], ["True", "jobs", "name"]]
    assert [command[0] for command in COMMANDS] == ["coval-load", "pip", "coval-load"]


@pytest.mark.parametrize("command", [command for command in COMMANDS if command[0] == "coval-load"])
def test_a_command_of_a_workflow_is_one(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("plan.yaml").write_text("{}")
    group = cli.make_context("coval-load", command[1:2])
    known = cli.get_command(group, command[1])
    with known.make_context(command[1], command[2:], parent=group) as context:
        assert context.params["junit"] == Path("out/junit.xml")


@pytest.mark.parametrize("extra", re.findall(r"coval-load\[(\w+)\]", PAGE))
def test_an_extra_that_is_to_be_installed_is_there(extra):
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["name"] == "coval-load"
    assert extra in project["optional-dependencies"]


def test_every_option_is_explained():
    for option in (field.name for field in Exports.__attrs_attrs__):
        assert f"`--{option} " in PAGE


@pytest.mark.parametrize(("table", "schema"), [("simulations", SIMULATIONS), ("turns", TURNS)])
def test_every_column_is_explained(table, schema):
    from coval_load.engine.metrics import METRICS

    section = PAGE.split("\n## Parquet\n")[1]
    both = section.split("`simulations.parquet` has a row")[0]
    own = section.split(f"\n`{table}.parquet` has a row")[1].split(".parquet` has a row")[0]
    for name in schema.names:
        assert name in METRICS or f"`{name}`" in both + own, name


def test_every_suite_is_explained_and_the_example_is_like_one(folder, monkeypatch):
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(cli, ["report", RUN, "--no-html", "--junit", "suites.xml"], catch_exceptions=False)
    assert done.exit_code == 0
    root = ElementTree.parse("suites.xml").getroot()
    assert [suite.get("name") for suite in root] == ["thresholds", "test cases", "generator"]
    for suite in root:
        assert f"\n| `{suite.get('name')}` |" in PAGE
    (example,) = (text for _, text in blocks("exports") if text.startswith("<testcase"))
    shown = ElementTree.fromstring(example)
    made = next(case for case in root.iter("testcase") if case.get("name") == "order-a-pizza")
    assert set(shown.attrib) == set(made.attrib)
    assert shown.get("classname") == made.get("classname")
    for name in ("counts.completed", "metrics.response_latency.p95", "generator.verdict"):
        assert f"`{name}`" in PAGE
        assert root.find(f".//property[@name='{name}']") is not None
