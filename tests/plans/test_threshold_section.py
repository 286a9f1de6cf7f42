"""The section `thresholds` of a plan, and every fault in it."""

import json
from importlib.resources import files

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine import labels, metrics
from coval_load.engine.labels import Selector
from coval_load.engine.outcome import ErrorKind
from coval_load.engine.results import Results
from coval_load.engine.thresholds import OPERATORS, RATE_OF, WITHOUT_LABELS, Threshold, judge, prepare
from coval_load.faults import Faulty
from coval_load.plans.threshold_text import parse_option
from coval_load.plans.thresholds import load_thresholds
from coval_load.plans.yaml_text import read_yaml

SCHEMA = json.loads(files("coval_load.plans").joinpath("schemas/plan.schema.json").read_text("utf-8"))
SECTION = jsonschema.Draft202012Validator({"$ref": "#/$defs/thresholds", "$defs": SCHEMA["$defs"]})
NAMES = (*metrics.METRICS, *metrics.SIMULATION_COUNTS, *metrics.COUNTERS)
KNOWN = {"agent": ["support"], "scenario": ["morning"], "test_case": ["order a pizza"], "persona": ["default"]}


def loaded(raw, known=KNOWN):
    found, faults = load_thresholds(raw, "thresholds", known)
    assert faults == []
    return found


def faults_of(raw, known=KNOWN):
    return [str(fault) for fault in load_thresholds(raw, "thresholds", known)[1]]


def test_each_form():
    section = read_yaml("""
        response_latency: ["p95 < 1.5s", "p99.9 < 5s"]
        failed: ["rate < 1%", {threshold: "rate < 20%", abort_on_fail: true, delay: 30s}]
        failed{kind=no_response}: count < 5
        turns{scenario=morning,agent=support}: {threshold: "count > 100"}
        response_latency{test_case="order a pizza"}: ["p95 < 300ms"]
    """)
    SECTION.validate(section)
    everyone, turns = Selector(), Selector.of({"agent": "support", "scenario": "morning"})
    assert loaded(section) == (
        Threshold("response_latency", everyone, None, "p95", "<", 1.5, "p95 < 1.5s"),
        Threshold("response_latency", everyone, None, "p99.9", "<", 5.0, "p99.9 < 5s"),
        Threshold("failed", everyone, None, "rate", "<", 0.01, "rate < 1%"),
        Threshold("failed", everyone, None, "rate", "<", 0.2, "rate < 20%", True, 30.0),
        Threshold("failed", everyone, "no_response", "count", "<", 5.0, "count < 5"),
        Threshold("turns", turns, None, "count", ">", 100.0, "count > 100"),
        Threshold(
            "response_latency", Selector.of({"test_case": "order a pizza"}), None, "p95", "<", 0.3, "p95 < 300ms"
        ),
    )


@pytest.mark.parametrize("nothing", [None, {}])
def test_a_plan_without_any(nothing):
    assert loaded(nothing) == ()


numbers = st.integers(0, 10**9).map(str) | st.decimals(0, 10**6, places=3).map(str)
values = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


def limits_of(name, aggregate):
    """(text, value) of limits."""
    if aggregate == "drift":
        return st.integers(-200, 200).map(lambda tenths: (f"{tenths / 10}%", tenths / 1000))
    if aggregate == "rate":
        percents = st.integers(0, 1000).map(lambda tenths: (f"{tenths / 10}%", tenths / 1000))
        return percents | st.integers(0, 1000).map(lambda permille: (str(permille / 1000), permille / 1000))
    if name in metrics.METRICS and aggregate != "count":
        milliseconds = st.integers(0, 3_600_000)
        return milliseconds.map(lambda ms: (f"{ms}ms", ms / 1000)) | milliseconds.map(
            lambda ms: (f"{ms / 1000}{'s' * (ms % 2 or ms > 60_000)}", ms / 1000)
        )
    return numbers.map(lambda text: (text, float(text)))


@st.composite
def thresholds(draw):
    name = draw(st.sampled_from([*NAMES, metrics.FAILED, metrics.RESPONSE_LATENCY]))
    if name in metrics.METRICS:
        percentiles = st.integers(1, 100).map("p{}".format) | st.sampled_from(["p0.5", "p99.9", "p99.999"])
        aggregate = draw(st.sampled_from(["min", "max", "mean", "count", "drift"]) | percentiles)
    else:
        rest = ["rate"] * (name in RATE_OF) + ["drift"] * (name == metrics.FAILED)
        aggregate = draw(st.sampled_from(["count", "per_second", *rest]))
    wanted, kind = {}, None
    if name not in WITHOUT_LABELS and aggregate != "drift":
        wanted = draw(st.dictionaries(st.sampled_from(labels.NAMES), values))
        kind = draw(st.none() | st.sampled_from([kind.value for kind in ErrorKind])) if name == "failed" else None
    operator = draw(st.sampled_from(list(OPERATORS)))
    text, limit = draw(limits_of(name, aggregate))
    space = draw(st.sampled_from(["", " "]))
    aborts = aggregate != "drift" and draw(st.booleans())
    delay = draw(st.integers(1, 1000)) if aborts else 0
    written = f"{aggregate}{space}{operator}{space}{text}"
    return Threshold(name, Selector.of(wanted), kind, aggregate, operator, limit, written, aborts, float(delay))


@given(thresholds())
def test_what_is_written_is_read_back(threshold):
    entry = {"threshold": threshold.text, "abort_on_fail": threshold.abort_on_fail}
    entry |= {"delay": threshold.delay_s} if threshold.delay_s else {}
    section = {threshold.key: [entry]}
    SECTION.validate(section)
    known = {label: [value] for label, value in threshold.selector.wanted}
    assert loaded(section, known) == (threshold,)
    plain = loaded({threshold.key: threshold.text}, known)
    assert [(one.key, one.text, one.limit) for one in plain] == [(threshold.key, threshold.text, threshold.limit)]


@given(thresholds())
def test_what_is_read_can_be_judged(threshold):
    results = Results()
    prepare([threshold], results)
    judged = judge(threshold, results, 10, {threshold.name: 0.1})
    assert judged.reason
    assert judged.row()["metric"] == threshold.key


texts = st.text(max_size=40) | st.text('abp95rte{}=",<>!%.s 0_-\\\n', max_size=40)
keys = texts | st.sampled_from(["failed", "turns", "loop_lag"]) | texts.map("failed{{{}}}".format)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
entries = st.dictionaries(st.sampled_from(["threshold", "abort_on_fail", "delay", "more"]), texts | json_values)


@given(st.dictionaries(keys | st.integers(), texts | entries | json_values, max_size=3) | json_values)
def test_whatever_is_written_gives_thresholds_or_faults(raw):
    found, faults = load_thresholds(raw, "thresholds", KNOWN)
    assert found or faults or not raw
    for fault in faults:
        assert fault.path.startswith("thresholds")
        assert len(str(fault)) < 1000
        fault.message.encode()
    for threshold in found:
        judge(threshold, Results(), 1) if not threshold.selector.wanted else None


@given(texts)
def test_arbitrary_expressions_are_faults(text):
    found, faults = load_thresholds({"failed": text}, "thresholds", KNOWN)
    assert len(found) + len(faults) == 1


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [("9ms", 0.009), ("0.009s", 0.009), ("0.009", 0.009), ("1m", 60), ("1h", 3600), ("0s", 0), ("60", 60)],
)
def test_durations_are_exact(limit, seconds):
    assert loaded({"turn_time": f"max < {limit}"})[0].limit == seconds


def test_a_rate_of_just_the_limit_is_not_told_apart():
    (threshold,) = loaded({"failed": "rate <= 0.7%"})
    results = Results()
    results.count("failed", 7)
    results.count("completed", 993)
    assert judge(threshold, results, 10).passed


def test_avg_is_the_mean():
    (threshold,) = loaded({"turn_time": "avg<1"})
    assert (threshold.aggregate, threshold.text) == ("mean", "avg<1")


def test_spaces_do_not_matter():
    (threshold,) = loaded({' failed { kind = "no_response" , agent = support } ': "  rate   <\n1%"})
    assert (threshold.key, threshold.text) == ("failed{agent=support,kind=no_response}", "rate < 1%")


def test_a_quoted_value_may_hold_anything():
    value = 'a, b} = {"c"} \\ \n'
    key = f"failed{{test_case={json.dumps(value)}}}"
    assert loaded({key: "count < 1"}, {"test_case": [value]})[0].selector == Selector.of({"test_case": value})


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        (7, "thresholds: expected an object of thresholds by metric; got 7"),
        ({5: "count < 1"}, "thresholds: expected every key to be a string; got 5"),
        ({"failed": []}, "thresholds.failed: expected 1 to 100 thresholds; got 0"),
        ({"failed": ["count < 1"] * 101}, "thresholds.failed: expected 1 to 100 thresholds; got 101"),
        ({"failed": None}, "or an object with it as threshold; got null"),
        ({"failed": [["count < 1"]]}, "thresholds.failed[0]: expected an aggregate"),
        ({"failed": "count = 1"}, "expected one of the operators <, <=, >, >=, ==, !=; got"),
        ({"failed": "count << 1"}, "expected one of the operators"),
        ({"failed": "p95 < 1"}, "has, one of count, per_second, rate, drift; got"),
        ({"turns": "rate < 1%"}, "has, one of count, per_second; got"),
        ({"turns": "drift < 1%"}, "has, one of count, per_second; got"),
        ({"turn_time": "rate < 1%"}, "one of pN (as p95 or p99.9), min, max, mean, avg, count, drift; got"),
        ({"turn_time": "p101 < 1s"}, "expected an aggregate"),
        ({"turn_time": "p0 < 1s"}, "expected an aggregate"),
        ({"turn_time": "pN < 1s"}, "expected an aggregate"),
        ({"turn_time": "p95 < 5%"}, "expected a limit such as 300ms, 1.5s"),
        ({"turn_time": "p95 < 61m"}, "at most 1h; got"),
        ({"turn_time": "p95 < 1500"}, "expected a unit with a limit above 60, as in 1500ms or 1500s; got"),
        ({"turn_time": "max < 60.1"}, "as in 60.1ms or 60.1s; got"),
        ({"turn_time": "p95 < -1s"}, "expected a limit such as"),
        ({"turn_time": "count < 5s"}, "expected a plain number as the limit of count; got"),
        ({"failed": "rate < 5"}, "at most 100% (did you mean 5%?); got"),
        ({"failed": "rate < 101%"}, "at most 100%; got"),
        ({"failed": "rate < -1%"}, "expected the limit of a rate"),
        ({"failed": "drift < 0.1"}, "expected the limit of drift in percent"),
        ({"turn_time{agent=support}": "drift < 1%"}, "expected drift without labels"),
        ({"failed{kind=internal}": "drift < 1%"}, "expected drift without labels"),
        (
            {"failed": {"threshold": "drift < 1%", "abort_on_fail": True}},
            "thresholds.failed.abort_on_fail: expected no abort_on_fail: true beside drift",
        ),
        (
            {"failed": [{"threshold": "count < 1", "delay": "5s"}]},
            "thresholds.failed[0].delay: expected abort_on_fail: true beside delay",
        ),
        (
            {"failed": ["count < 1", {"threshold": "count < 1", "abort_on_fail": True, "delay": "5"}]},
            "thresholds.failed[1].delay: expected a duration above zero",
        ),
        ({"failed": {"threshold": "cnt < 1"}}, "thresholds.failed.threshold: expected an aggregate"),
        (
            {"failed": {"threshold": "count < 1", "dealy": 1}},
            "thresholds.failed.dealy: unknown key; did you mean delay?",
        ),
        ({"failed": " " * 201}, "thresholds.failed: expected 1 to 200 characters; got 201"),
        ({"faild": "count < 1"}, 'thresholds.faild: unknown metric "faild"; did you mean failed?'),
        ({"xyzzy": "count < 1"}, "expected a metric, a count or a counter of docs/metrics.md"),
        ({"failed{}": "count < 1"}, "expected label=value between the braces"),
        ({"failed{agent=support,}": "count < 1"}, "expected label=value between the braces"),
        ({"failed{agent=a b}": "count < 1"}, "in double quotes"),
        ({'failed{agent="a"b}': "count < 1"}, "in double quotes"),
        ({'failed{agent="\\x"}': "count < 1"}, "to be written as in JSON"),
        ({'failed{agent="\\ud800"}': "count < 1"}, "to be written as in JSON"),
        ({"failed{agent=support": "count < 1"}, "expected a name such as failed"),
        ({f"failed{{agent={'x' * 2000}}}": "count < 1"}, "at most 2000 characters"),
        ({"failed{agnt=support}": "count < 1"}, 'unknown label "agnt"; did you mean agent?'),
        ({"turns{xyzzy=1}": "count < 1"}, "expected one of scenario, agent, test_case, persona"),
        ({"failed{xyzzy=1}": "count < 1"}, "expected one of scenario, agent, test_case, persona, kind"),
        ({"failed{agent=support,agent=support}": "count < 1"}, "expected each label once; got agent twice"),
        ({"turns{kind=internal}": "count < 1"}, "expected kind only with failed"),
        ({"failed{kind=no_respons}": "count < 1"}, 'got "no_respons" (did you mean no_response?)'),
        ({"loop_lag{agent=support}": "p95 < 1s"}, "expected no labels: loop_lag is of the generator as a whole"),
        ({"rows_lost{agent=support}": "count < 1"}, "expected no labels: rows_lost is of the generator"),
        ({"failed{agent=suport}": "count < 1"}, 'expected agent to be "support"; got "suport" (did you mean support?)'),
    ],
)
def test_faults(section, fault):
    (told,) = faults_of(section)
    assert fault in told


def test_all_faults_at_once():
    told = faults_of({"failed{agent=x,kind=y}": ["rate < 5", "p95 < 1"], "xyzzy": "count", "turns": [7, "count < 1"]})
    assert len(told) == 7


def test_at_most_ten_names_are_listed():
    (told,) = faults_of({"failed{agent=x}": "count < 1"}, {"agent": [f"agent-{number:02}" for number in range(12)]})
    assert '"agent-09" and 2 more; got "x"' in told
    assert "agent-10" not in told
    (told,) = faults_of({"failed{agent=x}": "count < 1"}, {"agent": ["b", "a", "b"]})
    assert 'to be one of "a", "b"; got' in told
    (told,) = faults_of({"failed{agent=x}": "count < 1"}, {"agent": []})
    assert "since there is none" in told


def test_names_that_are_not_known_yet_are_not_checked():
    assert loaded({"failed{agent=x}": "count < 1"}, {})


def test_what_came_is_hidden():
    _, faults = load_thresholds({"failed": ["sesame", 7]}, "thresholds", {}, hide=lambda value: "***")
    assert len(faults) == 2
    assert all('got "***"' in fault.message for fault in faults)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("response_latency: p95 < 1.5s", ("response_latency", "p95 < 1.5s")),
        ("failed:rate<1%", ("failed", "rate<1%")),
        ('failed{agent="a: b"}: count < 1', ('failed{agent="a: b"}', "count < 1")),
    ],
)
def test_an_option(text, parts):
    assert parse_option(text) == parts


@pytest.mark.parametrize("text", ["", "failed", "failed:", ": count < 1", "failed count < 1"])
def test_an_option_that_is_none(text):
    with pytest.raises(Faulty, match='expected a threshold such as "response_latency: p95'):
        parse_option(text)


@given(st.text())
def test_any_option_is_two_texts_or_a_fault(text):
    try:
        key, expression = parse_option(text)
    except Faulty:
        return
    load_thresholds({key: expression}, "thresholds", KNOWN)
