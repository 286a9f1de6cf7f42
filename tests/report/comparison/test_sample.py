"""What is read of rows, in bounded memory."""

import numpy as np
import orjson
import pytest
from past_runs import conversations, write_run

from coval_load.faults import Faulty
from coval_load.report.comparison import sample
from coval_load.report.comparison.sample import Clusters, Sample, guessed, read_sample


def row(*latencies, agent="support", **more):
    turns = [{"metrics": {"response_latency": value, "unknown": 1}} for value in latencies]
    return {"agent": agent, "scenario": "s", "metrics": {"connect_time": 0.1}, "transcript": turns, **more}


def test_values_of_a_simulation_stay_together():
    found = Sample()
    for one in (row(1.0, 3.0), row(), row(2.0, agent="sales")):
        found.add(one)
    clusters = found.clusters("response_latency")
    assert (clusters.values.tolist(), clusters.owners.tolist(), clusters.count) == ([1.0, 3.0, 2.0], [0, 0, 1], 2)
    assert found.clusters("response_latency", agent="sales").values.tolist() == [2.0]
    assert found.clusters("response_latency", scenario="other").count == 0
    assert found.clusters("connect_time").count == 3
    assert found.measured == {"connect_time": 3, "response_latency": 3}


def test_checks_are_counted_by_conversation():
    found = Sample()
    for outcomes in ([True, True], [True, False], []):
        found.add(row(checks=[{"passed": passed} for passed in outcomes]))
    assert (found.checked, found.passed) == (2, 1)


def test_medians():
    clusters = Clusters(np.array([5.0, 1.0, 2.0, 9.0, 4.0]), np.array([1, 0, 0, 1, 1]), 2)
    assert clusters.medians().tolist() == [1.5, 5.0]


def test_of_many_simulations_an_even_sample_is_kept(monkeypatch):
    monkeypatch.setattr(sample, "MOST_SIMULATIONS", 100)
    found = Sample(capacity=100)
    for number in range(1000):
        found.add(row(float(number)))
    values = found.clusters("response_latency").values
    assert len(values) == len(set(values)) == 100
    assert 400 < values.mean() < 600
    assert found.measured["response_latency"] == 1000


def test_of_long_conversations_fewer_are_kept(monkeypatch):
    monkeypatch.setattr(sample, "MOST_VALUES", 5000)
    found = Sample()
    for number in range(3000):
        found.add(row(*[float(number)] * 4))
    values = found.clusters("response_latency").values
    assert len(values) + len(values) / 4 <= 5004
    assert len(set(values)) > 400
    assert 1200 < values.mean() < 1800


def test_a_histogram_gives_one_value_a_simulation(tmp_path):
    folder = write_run(tmp_path / "run", conversations(100))
    entry = orjson.loads((folder / "summary.json").read_bytes())["metrics"]["response_latency"]
    found = guessed(entry, 100)
    assert found.is_guess
    assert (found.count, len(found.values)) == (100, 100)
    whole = np.sort(conversations(100).ravel())
    assert np.median(found.values) == pytest.approx(np.median(whole), rel=0.01)
    assert found.values.max() <= whole.max() * 1.001
    assert guessed(entry, 0).count == 0
    with pytest.raises(Faulty, match="histogram that can be read"):
        guessed({"histogram": "x"}, 5)


@pytest.mark.parametrize("line", [b"{}\n", b'{"agent":"a","metrics":{"ttft":"x"},"transcript":[]}\n', b"5\n", b"no\n"])
def test_damaged_rows_are_faults(tmp_path, line):
    (tmp_path / "simulations.jsonl").write_bytes(line)
    with pytest.raises(Faulty, match=r"simulations\.jsonl"):
        read_sample(tmp_path)


def test_no_rows_are_a_fault(tmp_path):
    with pytest.raises(Faulty, match="No such file"):
        read_sample(tmp_path)
