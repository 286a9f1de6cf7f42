"""The thresholds that docs/thresholds.md shows load, and say what they are."""

import json

import pytest
import yaml
from docs_pages import blocks

from coval_load.plans.thresholds import load_thresholds

KNOWN = {
    "agent": ["support-voice"],
    "scenario": ["default"],
    "test_case": ["order a pizza"],
    "persona": ["default"],
}
SHOWN = [text for language, text in blocks("thresholds") if language == "yaml"]


@pytest.mark.parametrize("shown", SHOWN)
def test_a_block_loads(shown):
    thresholds, faults = load_thresholds(yaml.safe_load(shown)["thresholds"], "thresholds", KNOWN)
    assert thresholds
    assert not faults


def test_a_row_is_as_shown():
    (shown,) = [json.loads(text) for language, text in blocks("thresholds") if language == "json"]
    rows = shown if isinstance(shown, list) else [shown]
    (thresholds, _) = load_thresholds({rows[0]["metric"]: rows[0]["threshold"]}, "thresholds", KNOWN)
    assert (thresholds[0].key, thresholds[0].text, thresholds[0].unit) == tuple(
        rows[0][key] for key in ("metric", "threshold", "unit")
    )
