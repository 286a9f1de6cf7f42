"""`.hgrm`: what the plotter of HdrHistogram reads, against the histogram that it came from."""

import math
import re

import pytest
from exported import sample_summary
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from coval_load.engine.distribution import Distribution
from coval_load.report.exports.hgrm import hgrm_files, hgrm_text, write_hgrm

LINE = re.compile(r"^ *([0-9.]+) +([0-9.]+) +([0-9]+)(?: +([0-9.]+))?$")
NEAR = 5e-4


def parsed(text):
    """As HdrHistogram's plotter reads it: a line of heads, values, then comments."""
    heads, blank, *lines = text.decode("ascii").splitlines()
    assert heads.split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    assert blank == ""
    values = [tuple(map(float, LINE.match(line).groups("inf"))) for line in lines if not line.startswith("#")]
    figures = {name: float(value) for line in lines for name, value in re.findall(r"(\w+)\s+=\s+([0-9.]+)", line)}
    return values, figures


def entry_of(seconds):
    distribution = Distribution()
    distribution.record_many(seconds)
    return distribution.summary()


@settings(max_examples=10)  # a tenth of a second and more each, most of it hdrh's
@given(st.lists(st.floats(0, 9), min_size=1, max_size=50))
def test_it_says_what_the_histogram_says(seconds):
    entry = entry_of(seconds)
    histogram = HdrHistogram.decode(entry["histogram"])
    values, figures = parsed(hgrm_text(entry))
    assert values[-1][1:] == (1.0, len(seconds), float("inf"))
    in_order_ms = sorted(seconds * 1e3 for seconds in seconds)
    for value_ms, share, counted, _ in values:
        rank = max(1, math.ceil(share * len(seconds) - NEAR))
        assert value_ms == pytest.approx(in_order_ms[rank - 1], rel=2e-3, abs=2e-3)
        assert counted >= rank
    assert figures["Mean"] == pytest.approx(histogram.get_mean_value() / 1e3, abs=NEAR)
    assert figures["StdDeviation"] == pytest.approx(histogram.get_stddev() / 1e3, abs=NEAR)
    assert figures["Max"] == pytest.approx(histogram.get_max_value() / 1e3, abs=NEAR)


def test_values_are_milliseconds():
    values, figures = parsed(hgrm_text(entry_of([0.1, 0.3])))
    assert values[0][0] == pytest.approx(100, rel=1e-3)
    assert values[-1][0] == figures["Max"] == pytest.approx(300, rel=1e-3)
    assert figures["Mean"] == pytest.approx(200, rel=1e-3)
    assert figures["StdDeviation"] == pytest.approx(100, rel=1e-3)


def test_each_metric_has_a_file_and_no_name_leads_out_of_the_folder(tmp_path):
    summary = sample_summary()
    measured = summary["metrics"]["response_latency"]
    summary["metrics"]["../outside"] = measured
    write_hgrm(tmp_path / "made" / "here", summary)
    assert [path.name for path in (tmp_path / "made" / "here").iterdir()] == ["response_latency.hgrm"]
    assert not (tmp_path / "made" / "outside.hgrm").exists()
    assert dict(hgrm_files(summary)) == {"response_latency.hgrm": hgrm_text(measured)}
