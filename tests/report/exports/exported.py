"""What exports are made of: a summary with one of everything, its run, and rows."""

from hypothesis import strategies as st

from coval_load.engine import metrics
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.results import Results

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
"""Lone surrogates, control characters and what XML has no letters for included."""

HOSTILE = "<script>alert(1)</script>\n\n::error::owned\n##[group]owned [a](http://x.invalid) @octocat \x1b[2J\u202e"


def sample_summary(text="expected a reply", verdict="valid", failed=3, crossed=1):
    results = Results()
    for name, amount in (("offered", 480), ("started", 480), ("completed", 465)):
        results.count(name, amount)
    for _ in range(failed):
        results.finished(Outcome("failed", Failure(ErrorKind.NO_RESPONSE, Stage.CONVERSATION, text)))
    results.record_many(metrics.RESPONSE_LATENCY, [0.2, 0.3, 0.9])
    results.checks.add("order-a-pizza", f"says {text}", False, text)
    results.note(f"a note: {text}")
    rows = [_threshold(f"p95 < {number}s", number > crossed, text) for number in range(1, 3)]
    generator = {"verdict": verdict, "reasons": [] if verdict == "valid" else [f"the generator woke late: {text}"]}
    summary = results.summary()
    return summary | {"thresholds": rows, "generator": summary["generator"] | generator}


def _threshold(expression, passed, text):
    row = {"metric": "response_latency", "threshold": expression, "value": 0.9, "unit": "s", "passed": passed}
    return row | {"abort_on_fail": False, "aborted": False, "reason": f"expected {expression}; got {text}"}


def sample_run(name="support line", **more):
    plan = {"test_set": [{"id": "order-a-pizza"}, {"id": "never-ran"}], "scenarios": None}
    times = {"started": "2026-03-04T12:00:00.250Z", "ended": "2026-03-04T12:03:05.400Z", "exit_code": 99}
    return {"name": name, "run_id": "0d9c", "plan": plan, "resumed": [], **times, **more}


def row(number=0, test_case="order-a-pizza", outcome="completed", error=None, **more):
    """One of `simulations.jsonl`; `error` is (kind, message)."""
    told = error and {"kind": error[0], "stage": "conversation", "turn": 1, "message": error[1]}
    found = {
        "simulation_output_id": f"id-{number}",
        "agent": "support",
        "model_type": "MODEL_TYPE_CHAT",
        "test_case": test_case,
        "persona": "default",
        "scenario": "default",
        "number": number,
        "worker": 0,
        "scheduled_at": float(number),
        "started_at": float(number),
        "ended_at": number + 2.0,
        "outcome": "failed" if error else outcome,
        "error": told,
        "close_code": None,
        "recording": None,
        "metrics": {"connect_time": 0.01},
        "transcript": [],
        "events": [],
    }
    return found | more
