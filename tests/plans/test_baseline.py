"""Limits that are taken from an earlier run, whatever became of it."""

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st
from past_runs import conversations, write_run
from test_plan_schema import PLAN, is_valid

from coval_load.cli.overrides import Asked
from coval_load.cli.report import report
from coval_load.engine.labels import Selector
from coval_load.engine.results import Results
from coval_load.engine.thresholds import judge, judge_value, prepare
from coval_load.plans.baseline import Baseline, kept_values, thresholds_of
from coval_load.plans.threshold_text import Unreadable, read_against, read_expression
from coval_load.plans.thresholds import load_thresholds

SCHEMA = json.loads(files("coval_load.report").joinpath("schemas/summary.schema.json").read_text("utf-8"))
ROW = {"$ref": "#/$defs/threshold", "$defs": SCHEMA["$defs"]}
SECOND = 1.0
"""What each of the turns of `one_second` took."""


@pytest.fixture
def one_second(tmp_path):
    """A run of 90 simulations that took a second each, and of 10 that failed."""
    return write_run(tmp_path / "before", [[SECOND]] * 90, failed=10)


def loaded(folder, key, *expressions):
    found, faults = load_thresholds({key: list(expressions)}, "thresholds", {}, baseline=Baseline.read(folder))
    assert faults == []
    return found


def told(folder, key, expression):
    (fault,) = load_thresholds({key: expression}, "thresholds", {}, baseline=Baseline.read(folder))[1]
    return str(fault)


@pytest.mark.parametrize(
    ("key", "expression", "baseline", "limit"),
    [
        ("response_latency", "p95 <= baseline", 1.0, 1.0),
        ("response_latency", "p95 <= baseline + 10%", 1.0, 1.1),
        ("response_latency", "p99.5<=baseline+10%", 1.0, 1.1),
        ("response_latency", "mean < baseline + 50ms", 1.0, 1.05),
        ("response_latency", "min > baseline - 0.5", 1.0, 0.5),
        ("response_latency", "max <= baseline * 1.5", 1.0, 1.5),
        ("response_latency", "count >= baseline - 50%", 90, 45),
        ("response_latency{agent=support}", "p50 <= baseline", 1.0, 1.0),
        ("failed", "rate <= baseline + 1%", 0.1, 0.11),
        ("failed", "rate <= baseline + 0.01", 0.1, 0.11),
        ("failed", "rate <= baseline * 2", 0.1, 0.2),
        ("failed", "count <= baseline + 5", 10, 15),
        ("failed{kind=no_response}", "count <= baseline - 50%", 10, 5),
        ("failed{agent=support}", "rate <= baseline", 0.1, 0.1),
        ("completed{scenario=default}", "count >= baseline", 90, 90),
        ("turns", "per_second >= baseline - 10%", 1.5, 1.35),
    ],
)
def test_limits(one_second, key, expression, baseline, limit):
    (threshold,) = loaded(one_second, key, expression)
    assert threshold.baseline == pytest.approx(baseline, rel=1e-3)
    assert threshold.limit == pytest.approx(limit, rel=1e-3)
    assert threshold.caution is None


@pytest.mark.parametrize(
    ("expression", "value", "passed", "reason"),
    [
        ("p95 <= baseline + 10%", 1.3, False, "expected at most 1.1 s (baseline 1 s + 10%); got 1.3 s"),
        ("p95 <= baseline + 10%", 1.1, True, "got 1.1 s"),
        ("p95 < baseline + 100ms", 1.1, False, "expected less than 1.1 s (baseline 1 s + 100ms); got 1.1 s"),
        ("p95 >= baseline", 0.5, False, "expected at least 1 s (baseline 1 s); got 0.5 s"),
    ],
)
def test_reasons(one_second, expression, value, passed, reason):
    (threshold,) = loaded(one_second, "response_latency", expression)
    judged = judge_value(threshold, value)
    assert (judged.passed, judged.reason) == (passed, reason)
    jsonschema.validate(judged.row(), ROW)
    assert judged.row()["baseline"] == 1.0


def test_a_rate_is_judged_in_points(one_second):
    (threshold,) = loaded(one_second, "failed", "rate <= baseline + 1%")
    assert judge_value(threshold, 0.11).passed
    assert judge_value(threshold, 0.12).reason == "expected at most 11% (baseline 10% + 1%); got 12%"


def test_what_was_not_measured_says_the_limit(one_second):
    (threshold,) = loaded(one_second, "response_latency", "p95 <= baseline")
    assert judge_value(threshold, None).reason.startswith("expected at most 1 s (baseline 1 s); got no value")


@pytest.mark.parametrize(
    ("key", "expression", "fault"),
    [
        ("response_latency", "drift <= baseline", "it is held against no baseline; got"),
        ("response_latency", "p95 <= baseline + 5", None),
        ("response_latency", "p95 <= baseline + 90", "expected a unit with a limit above 60"),
        ("response_latency", "p95 <= baseline + x", "expected a limit such as 300ms"),
        ("response_latency", "p95 <= baseline * 10%", "expected a plain number after baseline *"),
        ("response_latency", "p95 <= baseline +", "expected a limit such as baseline, baseline + 10%"),
        ("response_latency", "p95 <= baseline / 2", "expected a limit such as baseline, baseline + 10%"),
        ("response_latency", "p95 <= baseline + 10% + 5ms", "expected a limit such as baseline, baseline + 10%"),
        ("response_latency", "p95 <= baselines", "expected a limit such as baseline, baseline + 10%"),
        ("failed", "rate <= baseline + 5", "did you mean 5%?"),
        ("ttft", "p95 <= baseline", "expected the baseline to have measured ttft"),
        (
            "response_latency{test_case=hello}",
            "p95 <= baseline",
            "expected of the baseline it to have kept response_latency{test_case=hello}: run it with",
        ),
        ("response_latency{agent=sales}", "p95 <= baseline", "run it with the same threshold"),
        ("turns{agent=support}", "count <= baseline", "run it with the same threshold"),
        ("response_latency{agent=support,scenario=default}", "p95 <= baseline", "run it with the same threshold"),
    ],
)
def test_faults(one_second, key, expression, fault):
    if fault is None:
        assert loaded(one_second, key, expression)
    else:
        assert fault in told(one_second, key, expression)


def test_a_selection_that_was_kept_is_taken(tmp_path):
    selector = Selector.of({"test_case": "hello", "agent": "support"})
    folder = write_run(
        tmp_path / "before",
        [[1.0], [9.0]],
        agents=("support", "sales"),
        selections=[(selector, {"turns", "response_latency"})],
    )
    key = "{agent=support,test_case=hello}"
    (latency,) = loaded(folder, f"response_latency{key}", "max <= baseline")
    (turns,) = loaded(folder, f"turns{key}", "count <= baseline")
    assert (latency.limit, turns.limit) == (1.0, 1)
    assert "run it with the same threshold" in told(folder, f"messages_sent{key}", "count <= baseline")


def test_a_baseline_that_was_killed_is_taken_with_a_caution(tmp_path):
    folder = write_run(tmp_path / "before", [[1.0]] * 5, killed=True)
    (threshold,) = loaded(folder, "response_latency", "max <= baseline + 10%")
    assert threshold.limit == pytest.approx(1.1)
    assert "the baseline before: it did not come to its end" in threshold.caution


def test_what_thresholds_of_a_killed_baseline_asked_for_is_there(tmp_path):
    plan = {"thresholds": {"response_latency{test_case=hello}": "p95 < 2s"}}
    folder = write_run(tmp_path / "before", [[1.0]] * 5, killed=True, plan=plan)
    assert loaded(folder, "response_latency{test_case=hello}", "max <= baseline")[0].limit == 1.0


def test_a_baseline_that_can_not_be_trusted_is_noted(tmp_path):
    folder = write_run(tmp_path / "before", [[1.0]], verdict="invalid")
    thresholds = loaded(folder, "response_latency", "max <= baseline", "p50 <= baseline")
    results = Results()
    prepare(thresholds, results)
    (note,) = results.notes
    assert note == (
        "limits are taken from the baseline before: its numbers can't be trusted, as its generator was the bottleneck"
    )


def test_a_damaged_histogram_is_a_fault(one_second):
    summary = json.loads((one_second / "summary.json").read_text())
    summary["metrics"]["response_latency"]["histogram"] = "no histogram"
    (one_second / "summary.json").write_text(json.dumps(summary))
    assert "expected of the baseline a summary that can be read" in told(
        one_second, "response_latency", "p1 < baseline"
    )


def test_in_a_plan_it_is_relative_to_the_plan(load, faults, folder):
    write_run(folder / "runs" / "before", [[1.0]])
    thresholds = {"response_latency": "p95 <= baseline + 10%"}
    plan = load(thresholds=thresholds, baseline="runs/before")
    assert plan.thresholds[0].limit == pytest.approx(1.1)
    shown = json.loads(json.dumps(plan.masked()))
    assert shown["baseline"] == "runs/before"
    assert shown["baseline_values"] == {"response_latency": {"p95": 1.0}}
    assert thresholds_of({"plan": shown}) == (plan.thresholds, [])
    assert is_valid(PLAN | {"baseline": "x", "thresholds": thresholds})


def test_faults_of_a_plan(load, faults, folder):
    thresholds = {"response_latency": "p95 <= baseline + 10%", "failed": ["rate <= baseline", "rate < 5"]}
    missing = faults(thresholds=thresholds)
    assert [fault.partition(":")[0] for fault in missing] == [
        "thresholds.response_latency",
        "thresholds.failed[0]",
        "thresholds.failed[1]",
    ]
    assert "give its folder as baseline of the plan or --baseline" in missing[0]
    told = faults(thresholds=thresholds, baseline="nowhere")
    assert [fault.partition(":")[0] for fault in told] == ["baseline", "thresholds.failed[1]"]
    assert "expected" in told[0]
    assert "nowhere/run.json of a run; got No such file or directory" in told[0]
    (fault,) = faults(baseline=7)
    assert fault.startswith("baseline: ")
    (fault,) = faults(baseline="${UNSET}", thresholds=thresholds | {"failed": "rate <= baseline"})
    assert "UNSET" in fault


def test_a_plan_without_such_limits_keeps_nothing(load, folder):
    assert "baseline_values" not in load().masked()
    write_run(folder / "before", [[1.0]])
    assert "baseline_values" not in load(baseline="before").masked()


def test_secrets_in_labels_are_masked_in_what_is_kept(load, folder):
    selector = Selector.of({"test_case": "***"})
    write_run(folder / "before", [[1.0]], selections=[(selector, {"response_latency"})])
    case = {"id": "${CODE}", "turns": [{"type": "text", "text": "Hi", "audio": "hello.wav"}]}
    found = load(
        environ={"CODE": "sesame-open"},
        test_set=[case],
        baseline="before",
        thresholds={"failed": "rate <= baseline"},
    )
    assert "sesame" not in json.dumps(found.masked())


def test_what_run_json_lacks_is_a_fault():
    plan = {"thresholds": {"failed": "rate <= baseline"}, "baseline_values": {"failed": {"rate": "x"}}}
    thresholds, (fault,) = thresholds_of({"plan": plan})
    assert not thresholds
    assert "expected baseline_values of run.json" in str(fault)


aggregates = st.sampled_from(["p50", "p99.9", "mean", "count", "rate", "per_second"])


@given(st.text("0123456789.%ms+-* \tbaseline", max_size=20), aggregates)
@example("+10%", "rate")
def test_whatever_follows_is_a_limit_or_unreadable(text, aggregate):
    name = "failed" if aggregate in ("rate", "per_second") else "response_latency"
    try:
        against = read_against(f"baseline{text}", name, aggregate)
    except Unreadable:
        return
    assert isinstance(against.limit(1.0), float)
    assert read_expression(f"{aggregate} < baseline{text}").is_against_baseline


@given(st.integers(0, 100_000), st.integers(0, 1000).map(lambda tenths: tenths / 10))
def test_percents_are_of_the_value_and_points_of_a_rate(ms, percents):
    value = ms / 1000
    assert read_against(f"baseline + {percents}%", "turn_time", "p50").limit(value) == pytest.approx(
        value * (1 + percents / 100)
    )
    assert read_against(f"baseline - {percents}%", "failed", "rate").limit(0.5) == pytest.approx(0.5 - percents / 100)


def test_the_same_run_meets_limits_from_itself(tmp_path):
    latencies = conversations(30)
    folder = write_run(tmp_path / "run", latencies)
    results = Results()
    for value in latencies.flatten():
        results.record("response_latency", float(value))
    for threshold in loaded(folder, "response_latency", *(f"{a} == baseline" for a in ("p50", "p99.9", "mean", "max"))):
        assert judge(threshold, results, 60).passed
    assert kept_values(()) == {}


def test_the_option_overrules_the_plan(load, folder):
    write_run(folder / "one", [[1.0]])
    write_run(folder / "two ${X}", [[2.0]])
    asked = Asked(agents=(folder / "voice.json",), baseline=Path("two ${X}"))
    plan = load(None, asked.overrides, baseline="one", thresholds={"response_latency": "max <= baseline"})
    assert plan.thresholds[0].limit == pytest.approx(2.0, rel=1e-3)
    told = Asked.told(json.loads(json.dumps(asked.tell())))
    assert told.baseline == folder / "two ${X}"


def test_a_killed_run_is_judged_by_what_it_kept_of_the_baseline(tmp_path):
    plan = {
        "thresholds": {"response_latency": ["max <= baseline + 10%", "p50 <= baseline"]},
        "baseline_values": {"response_latency": {"max": 1.0, "p50": 3.0}},
        "baseline_caution": "limits are taken from the baseline x: it was killed",
    }
    folder = write_run(tmp_path / "run", [[2.0]] * 5, killed=True, plan=plan)
    done = CliRunner().invoke(report, [str(folder), "--json"], catch_exceptions=False)
    summary = json.loads(done.stdout)
    assert [(row["passed"], row["baseline"]) for row in summary["thresholds"]] == [(False, 1.0), (True, 3.0)]
    assert plan["baseline_caution"] in summary["notes"]
    jsonschema.validate(summary["thresholds"][0], ROW)
