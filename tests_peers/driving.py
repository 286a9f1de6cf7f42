"""`coval-load` as people run it, against a peer: what it printed, and the run folder it left."""

import json
import os
import subprocess
import sys
from pathlib import Path

import attrs

COMMAND = Path(sys.executable).with_name("coval-load")
LIMIT_S = 60
OWN_NETWORK = {"allow_plaintext": True, "allow_private": True}


@attrs.frozen
class Run:
    """A run that ended: exit code, what it said, its summary, and a row for each simulation."""

    exit_code: int
    said: str
    summary: dict
    rows: list

    @property
    def row(self):
        """The only one."""
        (row,) = self.rows
        return row

    @property
    def agent_said(self):
        return [entry["content"] for entry in self.row["transcript"] if _is_speech(entry)]

    @property
    def agent_turns(self):
        return [entry for entry in self.row["transcript"] if _is_speech(entry)]

    def counted(self, name):
        return self.summary["counters"][name]

    def measured(self, name):
        """How often `name` was measured."""
        return self.summary["metrics"].get(name, {"count": 0})["count"]


def _is_speech(entry):
    return entry["role"] == "assistant" and entry["content"] is not None


def plan_of(model_type, metadata, *turns, **sections):
    """A plan of one agent and one conversation of these texts."""
    return {
        "name": "peer",
        "agents": [{"display_name": "peer", "model_type": model_type, "metadata": metadata}],
        "persona": {"wait_seconds": 0},
        "test_set": [{"id": "case", "turns": [{"type": "text", "text": text} for text in turns]}],
        "load": {"concurrency": 1, "simulations": 1},
        "targets": OWN_NETWORK,
        "timeouts": {"response": "20s"},
        **sections,
    }


def run(plan, folder):
    """Run `plan` in `folder`, a new one."""
    done = _coval_load(folder, plan, "run", "plan.json", "--json", "--out", "run")
    left = folder / "run"
    assert (left / "summary.json").exists(), done.stdout + done.stderr
    rows = [json.loads(line) for line in (left / "simulations.jsonl").read_text().splitlines()]
    summary = json.loads((left / "summary.json").read_text())
    return Run(done.returncode, done.stdout + done.stderr, summary, rows)


def dial(plan, folder):
    """`check --dial` of `plan` in `folder`: its exit code and all it said."""
    done = _coval_load(folder, plan, "check", "plan.json", "--dial")
    return done.returncode, done.stdout + done.stderr


def _coval_load(folder, plan, *arguments):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.json").write_text(json.dumps(plan))
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    return subprocess.run(
        [str(COMMAND), *arguments],
        check=False,
        cwd=folder,
        env={**kept, "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
