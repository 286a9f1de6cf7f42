"""docs/dashboard.md: its commands are ones, and its tables have just the names that are scraped and pushed."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from docs_pages import blocks, page, rows
from prometheus_client.parser import text_string_to_metric_families

from coval_load.cli.main import cli
from coval_load.cli.serving import PROMETHEUS, WEB, Serving
from coval_load.engine import metrics
from coval_load.engine.distribution import PERCENTILES
from coval_load.engine.outcome import Failure, Outcome
from coval_load.engine.results import Results
from coval_load.report.dashboard.access import SHORTEST_TOKEN, TOKEN_VARIABLE
from coval_load.report.dashboard.snapshot import END_SHOWN_WITHIN_S
from coval_load.report.exports import measurements, otlp
from coval_load.report.exports.prometheus import scrape

PAGE = page("dashboard")
LINES = [line for language, text in blocks("dashboard") if language == "sh" for line in text.splitlines()]
COMMANDS = [line for line in LINES if line.startswith("coval-load ")]


def some_results():
    results = Results()
    account = results.account(labels())
    for name in metrics.METRICS:
        for value in (0.1, 0.2, 0.4):
            (results if name in metrics.OF_THE_GENERATOR else account).record(name, value)
    account.finished(Outcome("failed", Failure("no_response", "conversation", "nothing came")))
    return results


def labels():
    from coval_load.engine.labels import Labels

    return Labels(scenario="calls", agent="support")


@pytest.fixture(scope="module")
def samples():
    body, _ = scrape(lambda: measurements.measurements(some_results(), running=1, queued=0))
    return [sample for family in text_string_to_metric_families(body.decode()) for sample in family.samples]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("plan.yaml").write_text("{}")
    arguments = shlex.split(command)[1:]
    known = cli.get_command(cli.make_context("coval-load", arguments[:1]), arguments[0])
    with known.make_context(arguments[0], arguments[1:]) as context:
        assert any(context.params[field.name] for field in Serving.__attrs_attrs__)


def test_every_option_is_explained_and_every_command_has_it():
    for name in (field.name.replace("_", "-") for field in Serving.__attrs_attrs__):
        assert f"--{name}" in PAGE
        for command in ("run", "soak", "demo"):
            assert f"--{name}" in {option for one in cli.get_command(None, command).params for option in one.opts}


def test_addresses_and_the_token_are_as_it_says():
    assert f"`http://{WEB}/`" in PAGE
    assert f"`http://{PROMETHEUS}/metrics`" in PAGE
    assert f"a token of {SHORTEST_TOKEN} characters and more" in PAGE
    assert f"export {TOKEN_VARIABLE}=" in PAGE
    assert f"the run waits a second, {END_SHOWN_WITHIN_S:g} at most" in PAGE
    assert "never longer than 5" in PAGE
    assert otlp._LAST_WITHIN_S == 5
    assert "each ten seconds" in PAGE
    assert otlp.EVERY_S == 10


def test_the_configuration_of_prometheus_is_one():
    (text,) = (text for language, text in blocks("dashboard") if language == "yaml")
    (job,) = yaml.safe_load(text)["scrape_configs"]
    assert job["static_configs"] == [{"targets": [PROMETHEUS]}]


def test_every_name_is_in_a_scrape_and_every_scraped_name_is_told(samples):
    told = [
        _pattern(name)
        for cell in rows("dashboard", "Prometheus")
        for name in re.findall(r"coval_load[^`,]+(?:,\w+\})?", cell)
    ]
    names = {sample.name for sample in samples if not sample.name.startswith("gen_ai")}
    assert [pattern.pattern for pattern in told if not any(pattern.fullmatch(name) for name in names)] == []
    assert [name for name in names if not any(pattern.fullmatch(name) for pattern in told)] == []


def _pattern(cell):
    """What a name of the table stands for."""
    name = re.escape(cell.partition("{")[0])
    name = name.replace("<metric>", "(?:" + "|".join(metrics.METRICS) + ")")
    name = re.sub("(latency|[)])_seconds$", r"\1_seconds(?:_bucket|_count|_sum)", name)
    name = name.replace("<counter>", "(?:" + "|".join(metrics.COUNTERS) + ")")
    return re.compile(name.replace("…", r"\w+"))


def test_labels_are_as_it_says(samples):
    table = rows("dashboard", "Prometheus")
    for cell in table:
        for name, written in re.findall(r"(coval_load_\w+)\{([\w,]+)\}", cell):
            found = [sample for sample in samples if sample.name.startswith(name)]
            assert found, name
            for sample in found:
                assert {*written.split(",")} <= sample.labels.keys()
    (statuses,) = (told for cell, told in table.items() if cell.startswith("coval_load_simulations_total"))
    assert re.findall(r"`(\w+)`", statuses) == list(metrics.SIMULATION_COUNTS)


def test_percentiles_are_just_those_of_the_summary(samples):
    results = some_results()
    summary = results.summary()["metrics"]
    found = {
        (sample.labels["metric"], sample.labels["quantile"]): sample.value
        for sample in samples
        if sample.name == "coval_load_percentile_seconds"
    }
    expected = {
        (name, f"{percent / 100:g}"): entry[key]
        for name, entry in summary.items()
        for key, percent in PERCENTILES.items()
    }
    assert found == expected


def test_conventions_are_as_it_says():
    assert rows("dashboard", "OpenTelemetry") == {name: f"`{of}`" for name, of in measurements.GEN_AI.items()}


@pytest.mark.parametrize("extra", re.findall(r"coval-load\[(\w+)\]", PAGE))
def test_an_extra_that_is_to_be_installed_is_there(extra):
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert extra in project["optional-dependencies"]
