"""Folders of runs that are over, or were killed, with the latencies that a test wants them to have."""

import json

import numpy as np
import orjson

from coval_load.engine.labels import Labels
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.results import Results

RUN = {
    "name": "support line",
    "run_id": "0d9c2f7e4b6a4c1d8e3f5a7b9c1d2e3f",
    "plan": {
        "name": "support line",
        "agents": [{"name": "support", "metadata": {"endpoint": "wss://a.example/ws"}}],
        "test_set": [{"id": "hello"}],
        "load": {"shape": "simulations", "concurrency": 8},
    },
    "versions": {"coval_load": "0.1.0", "python": "3.11.9"},
    "machine": {"cpus": 2},
    "started": "2026-03-04T12:00:00.000Z",
    "ended": "2026-03-04T12:01:00.000Z",
    "exit_code": 0,
}
COURSE = [
    {"at": 60.0, "seconds": 60.0, "running": 8, "ended": 10, "error_rate": 0.0}
    | {"response_latency_p50": None, "response_latency_p95": None}
]
SILENT = Outcome("failed", Failure(ErrorKind.NO_RESPONSE, Stage.CONVERSATION, "nothing came"))


def conversations(count, *, seed=1, turns=4, median_s=0.5, spread=0.3, of_one=0.2):
    """Latencies of the turns of so many simulations, lognormal; `of_one` is how much simulations differ."""
    random = np.random.default_rng(seed)
    own = random.normal(0, of_one, (count, 1))
    return median_s * np.exp(own + random.normal(0, spread, (count, turns)))


def write_run(
    folder,
    latencies,
    *,
    failed=0,
    agents=("support",),
    selections=(),
    verdict=None,
    killed=False,
    transcripts=True,
    checks_failed=None,
    plan=None,
    run=None,
):
    """A run whose completed simulations had `latencies` in their turns, a row each; then so many that failed.

    `agents` are dealt in turn; `selections` are kept besides; `checks_failed`: of each simulation a check, so many
    of them failed.
    """
    folder.mkdir(parents=True)
    results, rows = Results(), []
    for selector, names in selections:
        results.select(selector, names)
    for number in range(len(latencies) + failed):
        agent = agents[number % len(agents)]
        account = results.account(Labels("default", agent, "hello", "default"))
        values = [float(value) for value in latencies[number]] if number < len(latencies) else []
        for value in values:
            account.record("response_latency", value)
        for name in ("offered", "started"):
            account.count(name)
        account.count("turns", len(values))
        outcome = Outcome("completed") if values else SILENT
        account.finished(outcome)
        row = _row(number, agent, values if transcripts else [], outcome)
        if checks_failed is not None and values:
            passed = number >= checks_failed
            row["checks"] = [{"name": "contains", "passed": passed}]
            account.count("checks_passed" if passed else "checks_failed")
        rows.append(row)
    summary = results.summary() | {"over_time": COURSE, "drift": []}
    if verdict is not None:
        summary["generator"] |= {"verdict": verdict}
    told = RUN | {"plan": RUN["plan"] | (plan or {})} | (run or {})
    if killed:
        told |= {"ended": None, "exit_code": None}
    else:
        (folder / "summary.json").write_bytes(orjson.dumps(summary))
    (folder / "run.json").write_text(json.dumps(told))
    (folder / "simulations.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return folder


def _row(number, agent, values, outcome):
    failure = outcome.error
    error = failure and {"kind": failure.kind, "stage": "conversation", "turn": 1, "message": failure.message}
    return {
        "simulation_output_id": f"{number:032x}",
        "agent": agent,
        "model_type": "MODEL_TYPE_CHAT",
        "test_case": "hello",
        "persona": "default",
        "scenario": "default",
        "number": number,
        "worker": 0,
        "scheduled_at": 0.0,
        "started_at": 0.0,
        "ended_at": 5.0,
        "outcome": outcome.status,
        "error": error,
        "close_code": None,
        "recording": None,
        "metrics": {"connect_time": 0.002 + 0.001 * (number * 7 % 11) / 11},
        "transcript": [
            {"role": "assistant", "content": "hi", "start": 1.0, "end": 2.0, "metrics": {"response_latency": value}}
            for value in values
        ],
        "events": [],
    }
