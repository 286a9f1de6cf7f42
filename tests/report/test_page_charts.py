"""The charts of the page: which there are, what they say in words, and that they draw without `eval`."""

import json

import pytest

from coval_load.report.course import columns_of
from coval_load.report.page.captions import peak
from coval_load.report.page.charts import chart_items, percentile_columns

COURSE = columns_of([]) | {
    "at": [10.0, 20.0, 30.0],
    "start": [0.0, 10.0, 20.0],
    "running": [3, 5, 4],
    "queued": [0, 0, 0],
    "started_per_s": [0.5, 0.2, 0.0],
    "ended_per_s": [0.0, 0.3, 0.4],
    "latency_p50": [0.3, None, 0.5],
    "latency_p99": [0.9, None, 1.25],
    "latency_max": [1.0, None, 1.5],
    "send_lateness_p99": [None, None, None],
    "loop_lag_p99": [0.001, 0.03, 0.002],
    "cpu_share": [0.2, 0.4, 0.3],
    "errors.no_response": [0, 2, 1],
}
PLOT = [(0.0, 0.2), (50.0, 0.3), (99.0, 0.9), (100.0, 1.5)]


def items(course=COURSE, plots=None, kinds=("no_response",), spans=()):
    return {item.id: item for item in chart_items(course, plots or {"response_latency": PLOT}, kinds, spans)}


@pytest.fixture(scope="module")
def charts():
    return items()


def models(item, kind):
    """Those of a type, wherever they are in a chart's JSON."""
    return [one for one in _objects(json.loads(json.dumps(item.item))) if one["name"] == kind]


def _objects(value):
    if isinstance(value, dict):
        if value.get("type") == "object":
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for member in value:
            yield from _objects(member)


def test_there_is_one_for_each_question(charts):
    assert list(charts) == ["load", "rate", "latency", "distribution", "errors", "lateness", "cpu"]


def test_what_has_nothing_to_show_is_left_out():
    found = {item.id for item in chart_items(COURSE, {}, ())}
    assert found.isdisjoint({"distribution", "errors"})


@pytest.mark.parametrize(
    ("chart", "said"),
    [
        ("load", "running ones was highest at 20s: 5."),
        ("rate", "highest at 10s: 0.5 a second."),
        ("latency", "p99 was highest at 30s: 1.25 s."),
        ("distribution", "response_latency: half within 300 ms, 99 % within 900 ms, all within 1.50 s."),
        ("errors", "no_response was highest at 20s: 2 failures."),
        ("lateness", "Lateness of wake-ups was highest at 20s: 30 ms."),
        ("cpu", "Its use was highest at 20s: 40 %."),
    ],
)
def test_a_caption_says_the_highest_and_when(charts, chart, said):
    assert said in charts[chart].caption


def test_what_was_never_measured_has_no_line(charts):
    text = json.dumps(charts["lateness"].item)
    assert "send_lateness_p99" not in text
    assert "border for frames" not in text
    assert "loop_lag_p99" in text


def test_a_run_in_which_nothing_was_measured_has_the_charts_of_its_load():
    nothing = {name: [None] * 3 for name in columns_of([])}
    known = {name: COURSE[name] for name in ("at", "start", "running", "queued", "started_per_s", "ended_per_s")}
    assert list(items(nothing | known, plots={})) == ["load", "rate", "distribution", "errors"]


def test_they_can_be_made_before_there_is_anything():
    found = {item.id for item in chart_items({}, {}, ())}
    assert found == {"load", "rate", "latency", "lateness", "cpu"}
    assert "send_lateness_p99" in json.dumps(items({})["lateness"].item)


def test_data_is_not_in_them_but_in_sources_that_have_names(charts):
    sources = models(charts["load"], "ColumnDataSource")
    (source,) = [one for one in sources if one["attributes"].get("name") == "course"]
    data = dict(source["attributes"]["data"]["entries"])
    assert data == {"at": [], "running": [], "queued": []}


def test_nothing_in_them_needs_eval(charts):
    assert all("CustomJS" not in json.dumps(item.item) for item in charts.values())


def test_times_of_findings_are_marked():
    item = items(spans=[(12.0, 30.0, "1, 3")])["errors"]
    boxes = [one["attributes"] for one in models(item, "BoxAnnotation")]
    assert (12.0, 30.0) in [(box.get("left"), box.get("right")) for box in boxes]
    assert any(label["attributes"].get("text") == "1, 3" for label in models(item, "Label"))


def test_each_nine_has_as_much_room():
    found = percentile_columns([(0.0, 0.1), (90.0, 0.2), (99.0, 0.3), (99.9, 0.4), (100.0, 0.5)])
    assert found["x"] == pytest.approx([1, 10, 100, 1000, 2000])
    assert found["seconds"] == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_the_plot_of_a_single_value_is_drawn():
    assert percentile_columns([(100.0, 0.5)])["x"] == [2.0]


def test_the_highest_value_is_found_beside_gaps():
    assert peak({"at": [1.0, 2.0, 3.0], "x": [None, 7, float("nan")]}, "x") == (7, 2.0)
    assert peak({"at": [1.0], "x": [None]}, "x") is None
    assert peak({}, "x") is None
