"""Rows, timelines and summaries of runs on paper whose cause is known."""

import random
from collections.abc import Callable

from coval_load.engine.evidence import Evidence
from coval_load.engine.results import Results
from coval_load.engine.verdict import verdict
from coval_load.engine.vitals import Vitals
from coval_load.report.diagnosis import Census, Diagnosis, diagnose


def row(number: int = 0, began_s: float = 0.0, ended_s: float = 5.0, **more) -> dict:
    """A completed conversation; `more` overrules."""
    return {
        "simulation_output_id": f"simulation-{number}",
        "agent": "support",
        "test_case": "pizza",
        "persona": "patient",
        "scenario": "day",
        "number": number,
        "scheduled_at": began_s,
        "started_at": began_s,
        "ended_at": ended_s,
        "outcome": "completed",
        "error": None,
        "metrics": {},
        "transcript": [],
    } | more


def failed(kind: str, stage: str = "conversation", turn: int | None = 1, message: str = "expected a reply") -> dict:
    return {"outcome": "failed", "error": {"kind": kind, "stage": stage, "turn": turn, "message": message}}


def replies(began_s: float, latencies: list[float]) -> dict:
    turns = []
    for number, latency_s in enumerate(latencies):
        at_s = began_s + number
        turns.append({"role": "user", "content": "hi", "start": at_s, "end": at_s})
        measured = {"response_latency": latency_s}
        turns.append({"role": "assistant", "content": "hello", "start": at_s, "end": at_s + 0.2, "metrics": measured})
    return {"transcript": turns}


def closed(
    each: Callable[[int, float, random.Random], dict], at_once: Callable[[float], int] | int, until_s: float
) -> list[dict]:
    """The rows of places that are taken again, 5 s each; `each(number, began_s, chance)` overrules what a row says."""
    chance, rows, number = random.Random(7), [], 0
    most = at_once if isinstance(at_once, int) else max(at_once(float(at)) for at in range(int(until_s)))
    for place in range(most):
        now = place * 0.01
        while now < until_s:
            if not isinstance(at_once, int) and place >= at_once(now):
                now += 0.5
                continue
            number += 1
            told = row(number, now, now + 4.5 + chance.random()) | each(number, now, chance)
            rows.append(told)
            now = told["ended_at"] + 0.01
    return sorted(rows, key=lambda one: one["ended_at"])


def interval(at: float, lag_s: float = 0.003, cpu_share: float = 0.31, seconds: float = 10.0, **more) -> dict:
    """A line of the timeline."""
    lag = {"count": 100, "min": 0.0, "p50": lag_s / 3, "p90": lag_s / 2, "p95": lag_s, "p99": lag_s, "max": lag_s}
    generator = {"watched_s": seconds, "cpu_share": cpu_share, "cpu_wait_s": 0.0, "throttled_s": 0.0}
    return {"at": at, "seconds": seconds, "running": 1, "metrics": {"loop_lag": lag}, "generator": generator} | more


def summary(**evidence) -> dict:
    vitals = Vitals(watched_s=100.0, cpu_s=evidence.pop("cpu_s", 31.0))
    return Results().summary() | {"generator": verdict(Evidence(vitals=vitals, **evidence))}


def looked_at(
    rows: list[dict], timeline: list[dict] = (), told: dict | None = None, run: dict | None = None
) -> Diagnosis:
    census = Census()
    for offset, one in enumerate(rows):
        census.add(one, offset)
    return diagnose(summary() if told is None else told, {} if run is None else run, census, timeline)


def finding(found: Diagnosis, words: str):
    """The one finding whose title has `words`."""
    (one,) = [one for one in found.findings if words in one.title]
    return one


def said(one) -> str:
    return "\n".join(one.sentences)


def healthy(number: int, began_s: float, chance: random.Random) -> dict:
    labels = {"agent": f"agent-{number % 2}", "test_case": f"case-{number % 5}", "persona": f"persona-{number % 3}"}
    return labels | replies(began_s, [chance.lognormvariate(-1, 0.3) for _ in range(3)])
