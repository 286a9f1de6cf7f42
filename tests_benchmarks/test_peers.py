"""The comparison with other load generators: it measures whoever does the work, and says who does not, and why."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "benchmarks" / "peers"
BROKEN = """
import sys
from interface import Peer, Start
PROGRAM = '''
import os, subprocess, sys
daemon = subprocess.Popen(["setsid", "sleep", "600"])
open("DAEMON", "w").write(str(daemon.pid))
print("first line")
print("no frames today \\\\x1b[31m", flush=True)
os._exit(3)
'''
PEERS = (
    Peer("broken", {"chat"}, "ends", lambda: None, lambda job: Start([sys.executable, "-c", PROGRAM])),
    Peer("absent", {"chat"}, "is not there", lambda: "absent is not installed: install it", None),
    Peer("elsewhere", {"frames"}, "has other work", lambda: None, None),
)
"""


@pytest.fixture(scope="module")
def umpire():
    spec = importlib.util.spec_from_file_location("umpire_of_peers", PEERS / "umpire.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """What the command printed, its JSON, and the process that a peer left behind."""
    folder = tmp_path_factory.mktemp("peers")
    (folder / "broken").mkdir()
    (folder / "broken" / "peer.py").write_text(BROKEN.replace("DAEMON", str(folder / "daemon")))
    command = [sys.executable, str(PEERS / "compare.py"), "--work", "chat", "--more", str(folder)]
    command += ["--peers", "absent,broken,coval-load,elsewhere,trio-websocket"]
    command += ["--sessions", "5", "--seconds", "0.4", "--settle", "0.1", "--json", str(folder / "found.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads((folder / "found.json").read_text())["chat"], int((folder / "daemon").read_text())


@pytest.mark.parametrize("name", ["coval-load", "trio-websocket"])
def test_who_does_the_work_is_measured(compared, name):
    printed, found, _ = compared
    row = found[name]
    assert row["units"] >= 10
    assert 0 < row["cpu_a_unit_s"] < 1
    assert row["share"] == 1
    assert row["memory_bytes"] > 2**20
    assert row["errors"] == {}
    assert f"\n{name}" in printed


def test_who_ends_early_is_said_to_fail_with_what_it_printed(compared):
    printed, found, _ = compared
    assert found["broken"]["failed"].startswith("failed: it ended with 3 before it was measured")
    assert "no frames today \N{REPLACEMENT CHARACTER}[31m" in printed
    assert "\x1b" not in printed


def test_who_is_not_installed_is_said_to_be_missing(compared):
    assert compared[1]["absent"] == {"failed": "missing: absent is not installed: install it"}


def test_who_has_other_work_has_no_row(compared):
    assert "elsewhere" not in compared[1]


def test_no_process_is_left_behind(compared):
    with pytest.raises(ProcessLookupError):
        os.kill(compared[2], 0)


def heard(umpire, monkeypatch, came_s):
    """The lateness of frames that came then, in seconds."""
    clock = iter(came_s)
    monkeypatch.setattr(umpire, "perf_counter", lambda: next(clock))
    watch = umpire.Watch(on=True)
    session = umpire.Frames(umpire.Tally(), 10, interval_s=0.02, watch=watch)
    for _ in came_s:
        assert session.heard(b"x" * 900)
    return watch.lateness()


def test_a_constant_offset_is_not_late(umpire, monkeypatch):
    late = heard(umpire, monkeypatch, [7.013 + 0.02 * k for k in range(100)])
    assert late["max"] == pytest.approx(0, abs=1e-9)


def test_a_stall_is_late(umpire, monkeypatch):
    came_s = [0.02 * k for k in range(100)]
    came_s[50:53] = [came_s[52]] * 3
    late = heard(umpire, monkeypatch, came_s)
    assert late["p50"] == pytest.approx(0, abs=1e-9)
    assert late["max"] == pytest.approx(0.04)


def test_a_drift_is_late(umpire, monkeypatch):
    late = heard(umpire, monkeypatch, [0.021 * k for k in range(101)])
    assert late["p50"] == pytest.approx(0.05)
    assert late["max"] == pytest.approx(0.1)


def test_a_message_without_audio_is_no_frame(umpire):
    tally = umpire.Tally()
    assert not umpire.Frames(tally, 10, watch=umpire.Watch()).heard(b"{}")
    assert attrs.asdict(tally) == {**attrs.asdict(umpire.Tally()), "odd": 1}


def test_a_conversation_that_ends_early_leaves_units_due(umpire):
    tally = umpire.Tally()
    session = umpire.Session(tally, turns=10)
    for _ in range(4):
        session.heard(b"hello")
    session.ended(False)
    assert (tally.units, tally.due, tally.came, tally.closed, tally.cut) == (4, 10, 4, 1, 1)
