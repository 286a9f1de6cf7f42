import re
from pathlib import Path

import pytest

from coval_load.engine import metrics

DOCS = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
CONSTANTS = {value for name, value in vars(metrics).items() if name.isupper() and isinstance(value, str)}


def test_every_constant_is_in_one_of_the_tables():
    assert {*metrics.METRICS, *metrics.COUNTERS, *metrics.SIMULATION_COUNTS} == CONSTANTS | {
        metrics.scheduled(name) for name in metrics.TWINNED
    }


def test_twins_are_those_that_start_with_an_action_of_ours():
    assert {name for name in metrics.METRICS if name.startswith("scheduled_")} == {
        "scheduled_setup_time",
        "scheduled_connect_time",
        "scheduled_greeting_latency",
        "scheduled_response_latency",
        "scheduled_ttfb_audio",
        "scheduled_response_time",
        "scheduled_turn_time",
        "scheduled_ttft",
        "scheduled_barge_in_stop_latency",
        "scheduled_endpointing_time",
        "scheduled_interrupt_detected_time",
        "scheduled_simulation_time",
    }


@pytest.mark.parametrize("name", [*metrics.METRICS, *metrics.COUNTERS, *metrics.SIMULATION_COUNTS])
def test_the_documentation_has_a_row_for_each(name):
    assert re.search(rf"^\| `{re.escape(name)}` \|", DOCS, re.MULTILINE)


def test_the_documentation_has_no_row_for_anything_else():
    rows = set(re.findall(r"^\| `([a-z_0-9]+)` \|", DOCS, re.MULTILINE))
    verdicts = {"valid", "degraded", "invalid"}
    assert rows == {*metrics.METRICS, *metrics.COUNTERS, *metrics.SIMULATION_COUNTS} | verdicts
