"""The thresholds that docs/thresholds.md shows load, and say what they are."""

import json

import attrs
import pytest
import yaml
from docs_pages import blocks, rows

from coval_load.engine.thresholds import judge_value
from coval_load.plans.thresholds import load_thresholds

KNOWN = {
    "agent": ["support-voice"],
    "scenario": ["default"],
    "test_case": ["order a pizza"],
    "persona": ["default"],
}
SHOWN = [text for language, text in blocks("thresholds") if language == "yaml"]
ROWS = [json.loads(text) for language, text in blocks("thresholds") if language == "json"]


@attrs.frozen
class OneSecond:
    """A baseline that has 1 for everything."""

    caution: str | None = None

    def value(self, threshold):
        return 1.0


def loaded(section):
    thresholds, faults = load_thresholds(section, "thresholds", KNOWN, baseline=OneSecond())
    assert not faults
    return thresholds


@pytest.mark.parametrize("shown", SHOWN)
def test_a_block_loads(shown):
    assert loaded(yaml.safe_load(shown)["thresholds"])


@pytest.mark.parametrize("shown", ROWS, ids=lambda row: row["threshold"])
def test_a_row_is_as_shown(shown):
    (threshold,) = loaded({shown["metric"]: shown["threshold"]})
    assert judge_value(threshold, shown["value"]).row() == shown


def test_each_form_of_a_limit_is_one():
    written = [form for cell in rows("thresholds", "Against a baseline") for form in cell.replace("`", "").split(", ")]
    assert len(written) == 6
    for form in written:
        name, aggregate = ("turns", "count") if form.endswith(" 5") else ("response_latency", "p95")
        (threshold,) = loaded({name: f"{aggregate} <= {form}"})
        assert threshold.baseline == 1.0
