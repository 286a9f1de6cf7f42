"""Agents side by side are counted each for itself."""

import json
from pathlib import Path

import jsonschema

import coval_load.report
from coval_load.engine.labels import Labels
from coval_load.engine.metrics import SIMULATION_COUNTS
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.results import Results

SCHEMA = json.loads((Path(coval_load.report.__file__).parent / "schemas/summary.schema.json").read_text())
FAILED = Outcome("failed", Failure(ErrorKind.NO_RESPONSE, Stage.CONVERSATION, "expected a reply; got none"))


def some_results():
    results = Results()
    for _ in range(3):
        account = results.account(Labels("morning", "voice"))
        account.finished(Outcome("completed"))
        account.record("response_latency", 0.7)
    results.account(Labels("evening", "chat")).finished(FAILED)
    return results


def test_each_agent_has_its_own():
    summary = some_results().summary()
    jsonschema.validate(summary, SCHEMA)
    voice, chat = summary["agents"]["voice"], summary["agents"]["chat"]
    assert voice["counts"]["completed"] == 3
    assert voice["response_latency"]["count"] == 3
    assert voice["response_latency"]["p50"] == 0.7
    assert chat == {
        "counts": dict.fromkeys(SIMULATION_COUNTS, 0) | {"failed": 1},
        "errors": {"no_response": 1},
        "response_latency": None,
    }


def test_what_two_processes_counted_adds_up():
    whole = some_results()
    whole.merge(some_results().summary())
    agents = whole.summary()["agents"]
    assert agents["voice"]["counts"]["completed"] == 6
    assert agents["voice"]["response_latency"]["count"] == 6
    assert agents["chat"]["errors"] == {"no_response": 2}
