"""docs/queries.md: every query is asked of a run that is made here, and has an answer."""

import json
import sys
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from docs_pages import blocks

from coval_load.cli.main import cli

sys.path.append(str(Path(__file__).parent / "report"))

QUERIES = [text for language, text in blocks("queries") if language == "sql"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where `results` is, exported as the page says."""
    from made_runs import make_run

    folder = tmp_path_factory.mktemp("queries")
    path = folder / "coval-runs" / "20260304T120000Z-support-line"
    run = make_run(path, simulations=400, bad=True, voice=True, turns=5)
    (command,) = (text for language, text in blocks("queries") if language == "sh")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = CliRunner().invoke(cli, [*command.split()[1:], "--no-html"], catch_exceptions=False)
    assert (done.exit_code, run.is_dir()) == (0, True)
    return folder


def asked(query):
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: " ".join(query.split()[:6]))
def test_a_query_has_an_answer(folder, monkeypatch, query):
    monkeypatch.chdir(folder)
    assert asked(query)


def test_there_are_many():
    assert len(QUERIES) >= 8


def test_the_answers_are_those_of_the_summary(folder, monkeypatch):
    monkeypatch.chdir(folder)
    summary = json.loads((folder / "coval-runs" / "20260304T120000Z-support-line" / "summary.json").read_text())
    turns, simulations = "'results/turns.parquet'", "'results/simulations.parquet'"
    for name, table in (("response_latency", turns), ("turn_time", turns), ("simulation_time", simulations)):
        ((count, p95, most),) = asked(f"SELECT count({name}), quantile_cont({name}, 0.95), max({name}) FROM {table}")
        told = summary["metrics"][name]
        assert count == told["count"]
        assert (p95, most) == (pytest.approx(told["p95"], rel=5e-3), pytest.approx(told["max"], abs=1e-6))
    counted = dict(asked(f"SELECT outcome, count(*) FROM {simulations} GROUP BY outcome"))
    assert counted == {name: summary["counts"][name] for name in ("completed", "failed")}
