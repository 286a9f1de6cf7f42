"""`coval-load soak` as a process: a slow start, a steady load, what changed; and what it refuses."""

import json

import pytest
import yaml
from command import side_by_side

from coval_load.engine.run_folder import read_rows

DURATION_S, RAMP_S, PLACES = 7, 3, 4


@pytest.fixture(scope="module")
def plan(chat_agent):
    """A plan against a reference agent: no load of its own, and a verdict that a busy machine does not change."""
    written = yaml.safe_load((chat_agent / "plan.yaml").read_text())
    written |= {
        "agents": [str(chat_agent / "agent.json")],
        "load": {"concurrency": PLACES},
        "limits": {"per_agent": 50},
        "generator": {"accept_invalid": True},
        "record": {"timeline": "1s"},
        "persona": {"wait_seconds": 0.4},
    }
    written["tls"] = {"ca_file": str(chat_agent / "ca.pem")}
    path = chat_agent / "soak.json"
    path.write_text(json.dumps(written))
    return path


async def test_a_soak_begins_slowly_and_tells_what_came(tmp_path, plan, chat_agent):
    options = [
        f"--duration={DURATION_S}s",
        f"--ramp-up={RAMP_S}s",
        "--threshold=failed: count < 1",
        "--threshold=response_latency: max < 1h",
        "--threshold=completed: count > 100000",
    ]
    reach = ["--ca-file", chat_agent / "ca.pem", "--allow-private", "--accept-invalid"]
    done, without_plan = await side_by_side(
        ["soak", plan, *options, "--out=run", "--json"],
        ["soak", "--agent", chat_agent / "agent.json", *reach, "--duration=1s", "--out=other"],
        cwd=tmp_path,
    )
    assert without_plan.exit_code == 0, without_plan.both
    assert json.loads((tmp_path / "other" / "run.json").read_text())["plan"]["load"]["shape"] == "soak"
    assert done.exit_code == 99, done.both
    summary = json.loads(done.out)
    assert [row["passed"] for row in summary["thresholds"]] == [True, True, False]
    rows = list(read_rows(tmp_path / "run" / "simulations.jsonl"))
    # No matter how late this machine is: nobody is called before the ramp has a place for them.
    for places in range(1, PLACES):
        opens_at = RAMP_S * places / (PLACES - 1)
        before = [row for row in rows if row["started_at"] is not None and row["started_at"] < opens_at]
        edges = sorted([(row["started_at"], 1) for row in before] + [(row["ended_at"], -1) for row in before])
        running, most = 0, 0
        for at, change in edges:
            running += change if at < opens_at else 0
            most = max(most, running)
        assert 1 <= most <= places
    assert all(row["scheduled_at"] < DURATION_S for row in rows)
    timeline = list(read_rows(tmp_path / "run" / "timeline.jsonl"))
    assert len(timeline) >= 4
    assert sum(row["counts"]["completed"] for row in timeline) == summary["counts"]["completed"] > PLACES
    load = json.loads((tmp_path / "run" / "run.json").read_text())["plan"]["load"]
    expected = {"shape": "soak", "duration": DURATION_S, "ramp_up": RAMP_S, "concurrency": PLACES}
    assert load.items() >= expected.items()


async def test_what_a_soak_refuses(tmp_path, plan):
    written = json.loads(plan.read_text())
    loads = {
        "open": {"load": {"rate": "3/s", "duration": "5s"}},
        "scenarios": {"scenarios": [{"name": "a"}, {"name": "b"}]},
    }
    for name, change in loads.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(written | change))
    wrong = {
        ("soak", plan): "load.duration: expected how long to soak; got nothing: give --duration, such as 8h",
        ("soak", "open.json", "--duration=5s"): "got arrival_rate: use run for it",
        ("soak", "scenarios.json"): "got scenarios with loads of their own: use run for them",
        ("soak", plan, "--duration=5s", "--ramp-up=6s"): "load.ramp_up: expected ramp_up and ramp_down within",
        ("soak", plan, "--duration=5s", "--threshold=faild: rate < 1"): "unknown metric",
    }
    ended = await side_by_side(*wrong, cwd=tmp_path)
    for told, done in zip(wrong.values(), ended, strict=True):
        assert (done.exit_code, done.out) == (2, ""), done.both
        assert done.tells(told), done.err
        assert "nothing was dialled" in done.err
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.json" for name in loads}
