"""`coval-load demo`, which takes as long as two people talk: it was begun when the first of these tests was."""

import json

import pytest
from command import ESCAPE
from processes import MEDIA

from coval_load.engine.run_folder import read_rows


@pytest.mark.parametrize("medium", MEDIA)
def test_demo(demos, medium):
    scheme = "https" if medium in ("chat", "chat_a2a") else "wss"
    folder, done = demos.end(medium)
    assert done.exit_code in (0, 98), done.both  # a machine that is too busy for this may say so
    assert f"2 callers against a reference agent at {scheme}://127.0.0.1:" in done.err
    assert ESCAPE not in done.both
    (run,) = (folder / "coval-runs").iterdir()
    assert f"coval-runs/{run.name}" in done.both
    assert {path.name for path in run.iterdir()} == {
        *("run.json", "summary.json", "simulations.jsonl", "timeline.jsonl", "report.html"),
    }
    assert [row["outcome"] for row in read_rows(run / "simulations.jsonl")] == ["completed"] * 2
    if medium == "voice":
        assert "response_latency" in done.out
    else:
        assert json.loads(done.out)["counts"]["completed"] == 2
