"""`coval-load plan` as people run it: what a plan will do, and nothing dialled."""

import json

import pytest
from command import coval_load
from processes import DEEP

AGENT = {
    "display_name": "nobody there",
    "model_type": "MODEL_TYPE_CHAT_WEBSOCKET",
    "metadata": {"endpoint": "wss://127.0.0.1:1/chat", "coalesce_timeout_seconds": 0.5},
}
TURNS = [{"type": "text", "text": "Hello"}, {"type": "text", "text": "Goodbye"}]


@pytest.fixture
def folder(tmp_path):
    plan = {
        "name": "nightly",
        "agents": [AGENT],
        "persona": {"wait_seconds": 1.0},
        "test_set": [{"id": "short", "turns": TURNS}],
        "load": {"concurrency": 4, "duration": "40s"},
        "targets": {"allow_private": True},
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    return tmp_path


async def test_a_preview_for_people(folder):
    done = await coval_load("plan", "plan.json", "--response", "1s", cwd=folder)
    assert done.exit_code == 0
    # Two replies of 1 s, each over half a second later, and a second between: 4 s; 4 callers for 40 s.
    assert done.tells("nightly 40 simulations in 40s, up to 4 at once and 4 started in a second")
    assert "█" in done.out
    assert done.err == ""
    assert [path.name for path in folder.iterdir()] == ["plan.json"]


async def test_a_preview_for_programs(folder):
    done = await coval_load("plan", "plan.json", "--response", "1s", "--rate", "2/s", "--json", cwd=folder)
    seen = json.loads(done.out)
    assert done.exit_code == 0
    assert seen["counts"]["offered"] == 80
    assert seen["counts"]["queued"] >= 0
    assert seen["peak_concurrency"] == 8
    assert seen["agents"] == {"nobody there": {"peak_concurrency": 8, "limit": 8}}
    assert "started a second" in done.err


async def test_days_take_seconds(folder):
    hours, shown = ("168h", "7d00h") if DEEP else ("48h", "2d00h")
    done = await coval_load("plan", "plan.json", "--duration", hours, "--response", "400ms..9s", cwd=folder)
    assert done.exit_code == 0
    assert shown in done.out


async def test_lengths_of_an_earlier_run(folder):
    ran = await coval_load("run", "plan.json", "--simulations", "1", "--out", "earlier", cwd=folder)
    assert ran.exit_code == 3  # no one answered
    done = await coval_load("plan", "plan.json", "--from", "earlier", cwd=folder)
    assert done.exit_code == 2
    assert done.tells("expected a run with completed simulations")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["plan.json", "--response", "soon"], "expected a delay such as"),
        (["plan.json", "--response", "1s", "--from", "."], "expected --response or --from; got both"),
        (["plan.json", "--from", "."], "run.json"),
        ([], "expected a PLAN or --agent"),
        (["plan.json", "--concurrency", "0"], "--concurrency"),
    ],
)
async def test_what_is_wrong_is_said(folder, options, words):
    done = await coval_load("plan", *options, cwd=folder)
    assert done.exit_code == 2
    assert done.tells(words)
    assert done.out == ""


async def test_a_faulty_plan_is_told_as_check_tells_it(folder):
    (folder / "plan.json").write_text(json.dumps({"agents": [AGENT], "test_set": [], "lod": {}}))
    done = await coval_load("plan", "plan.json", cwd=folder)
    assert done.exit_code == 2
    assert done.tells("nothing was dialled")
