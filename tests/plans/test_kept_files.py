"""What stays on disk of those that are kept, while a run goes on and when it goes on after a kill."""

import json
import threading
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coval_load.engine.keeping import Keeper
from coval_load.engine.plan import Recording, Selection
from coval_load.engine.results import Results
from coval_load.engine.run_folder import RunFolder
from coval_load.engine.shapes.constant import Constant
from coval_load.plans import conversations as conversations_module
from coval_load.plans.conversations import Conversations
from coval_load.plans.keeping import open_keeping
from coval_load.plans.recordings import Recordings


def row(number, latency_s=None, kind=None, outcome=None, **more):
    """A whole one."""
    measured = {} if latency_s is None else {"metrics": {"response_latency": latency_s}}
    return {
        "simulation_output_id": f"id-{number}",
        "scenario": "s",
        "number": number,
        "ended_at": float(number),
        "outcome": outcome or ("completed" if kind is None else "failed"),
        "error": None if kind is None else {"kind": kind, "stage": "conversation", "message": "no"},
        "recording": None,
        "transcript": [{"role": "assistant", "content": "sesame, open", "start": 0.0, "end": 1.0, **measured}],
        "events": [{"at": 1.0, "message_type": "x", "event": None, "payload": {"a": 1}}],
        **more,
    }


def plan_of(**kept):
    return SimpleNamespace(
        recording=Recording(**kept), seed=0, scenarios=[SimpleNamespace(name="s", shape=Constant(1, 60.0))]
    )


def mask(value):
    return json.loads(json.dumps(value).replace("sesame", "***"))


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path, "run", None)


def kept_in(folder):
    return {path.stem: json.loads(path.read_text()) for path in (folder.path / "conversations").glob("*.json")}


def run(plan, folder, rows, results=None, **more):
    """The rows that stay in simulations.jsonl, to which they are appended."""
    written = []
    with open_keeping(plan, folder, results or Results(), mask, **more) as keeping:
        write = keeping.before(written.append)
        for one in rows:
            write(one)
    with folder.simulations_file.open("a") as file:
        file.writelines(json.dumps(one) + "\n" for one in written)
    return written


def test_a_kept_conversation_is_the_whole_row_masked_and_says_why(folder):
    whole = row(1, 2.5)
    (left,) = run(plan_of(transcripts=Selection(slowest=1, sample=1)), folder, [whole])
    assert left == whole | {"transcript": [], "events": []}
    assert kept_in(folder) == {"id-1": mask(whole) | {"kept_for": ["slowest", "sample"]}}


@pytest.mark.parametrize("kept", ["all", "none"])
def test_all_and_none_are_as_ever(folder, kept):
    whole = row(1, 2.5)
    (left,) = run(plan_of(transcripts=kept), folder, [whole])
    assert left == (whole if kept == "all" else whole | {"transcript": [], "events": []})
    assert list(folder.path.iterdir()) == [folder.simulations_file]


def test_one_that_loses_a_reason_says_so_and_goes_with_the_last(folder):
    plan = plan_of(transcripts=Selection(slowest=1, failed=1))
    run(plan, folder, [row(1, 1.0, "no_response")])
    assert kept_in(folder)["id-1"]["kept_for"] == ["slowest", "failed"]
    run(plan, folder, [row(2, 2.0)], is_resumed=True)
    assert {one: whole["kept_for"] for one, whole in kept_in(folder).items()} == {
        "id-1": ["failed"],
        "id-2": ["slowest"],
    }
    run(plan, folder, [row(3, 3.0)], is_resumed=True)
    assert set(kept_in(folder)) == {"id-1", "id-3"}


ENDS = st.lists(st.tuples(st.none() | st.floats(0, 60), st.sampled_from([None, None, "no_response", "internal"])))


@settings(max_examples=25)
@given(ENDS, ENDS)
def test_after_a_kill_it_goes_on_as_if_there_had_been_none(tmp_path_factory, before, after):
    plan = plan_of(transcripts=Selection(slowest=2, sample=2))
    rows = [row(number, *end) for number, end in enumerate([*before, *after])]
    once, twice = (RunFolder(tmp_path_factory.mktemp("run"), "run", None) for _ in range(2))
    run(plan, once, rows)
    run(plan, twice, rows[: len(before)])
    run(plan, twice, rows[len(before) :], is_resumed=True)
    assert set(kept_in(once)) == set(kept_in(twice))


def test_what_a_kill_left_of_none_that_was_settled_is_removed(folder):
    plan = plan_of(transcripts=Selection(slowest=5))
    run(plan, folder, [row(1, 1.0), row(2, 2.0)])
    kept = folder.path / "conversations"
    (kept / "id-9.json").write_text(json.dumps(row(9, 9.0)))  # its row was not yet on disk: it is done again
    (kept / "id-1.json").write_text("{")
    (kept / "id-8.json.part").write_text("{")
    run(plan, folder, [], is_resumed=True)
    assert [path.name for path in kept.iterdir()] == ["id-2.json"]


def sound(folder, number):
    """A recording that an earlier process kept."""
    path = folder.recording(f"id-{number}")
    path.touch()
    path.with_suffix(".labels.txt").touch()


@pytest.mark.parametrize("transcripts", ["all", "none"])
def test_recordings_that_were_kept_before_count_too(folder, transcripts):
    plan = plan_of(transcripts=transcripts, audio=Selection(slowest=2, failed=1))
    numbers = {1: row(1, 1.0), 2: row(2, 5.0), 3: row(3, None, "no_response")}
    run(plan, folder, numbers.values())
    for number in (1, 2, 3, 9):
        sound(folder, number)
    folder.recording("id-7").with_name("id-7.wav.part").touch()
    with open_keeping(plan, folder, Results(), mask, is_resumed=True) as keeping:
        assert {path.name for path in (folder.path / "recordings").glob("*.wav*")} == {
            "id-1.wav",
            "id-2.wav",
            "id-3.wav",
        }
        for number, latency_s in ((10, 2.0), (11, 1.5)):
            identity = SimpleNamespace(simulation_output_id=f"id-{number}", scenario="s", number=number)
            recording = keeping.open_recording(identity, 0.0)
            recording.caller(b"\x01\x01" * 100, 0.0)
            recording.close(1.0)
            given = {"recording": {"file": f"recordings/id-{number}.wav", "start": 0.0}}
            keeping.before(lambda _: None)(row(number, latency_s, **given))
    left = {path.stem for path in (folder.path / "recordings").glob("*.wav")}
    # Of rows without a transcript nobody knows how slow they were: they give way to whatever comes.
    assert left == {"id-3", "id-10", "id-2" if transcripts == "all" else "id-11"}


def test_a_disk_that_stands_still_holds_a_bounded_number_of_bytes(folder, monkeypatch):
    monkeypatch.setattr(conversations_module, "QUEUED_BYTES_AT_MOST", 2500)
    conversations = Conversations(folder.path / "conversations", Keeper(Selection(slowest=10), 0), mask)
    stuck = threading.Event()
    with conversations:
        conversations._writer.submit(stuck.wait)
        for number in range(60):
            conversations.settle(row(number, float(number)))
        handed_over = len(conversations._queued)
        assert 0 < handed_over < 10
        assert conversations._writer._work_queue.qsize() <= 3 * handed_over
        stuck.set()
    assert kept_in(folder) == {}  # all were displaced
    assert conversations.lost == 60 - handed_over
    assert "does not keep up" in str(conversations.fault)


def test_what_the_disk_does_not_take_is_noted(folder):
    (folder.path / "conversations").touch()
    results = Results()
    run(plan_of(transcripts=Selection(slowest=5)), folder, [row(1, 1.0), row(2, 2.0)], results)
    assert results.notes == ["2 conversations could not be written: File exists"]


def test_what_has_no_words_in_json_is_written_all_the_same(folder):
    odd = row(1, 1.0, odd=[b"\xff sesame", "\ud800", float("nan"), 2**70])
    conversations = Conversations(folder.path / "conversations", Keeper(Selection(slowest=1), 0), mask)
    with conversations:
        conversations.settle(odd)
    assert kept_in(folder)["id-1"]["odd"] == ["\\xff ***", "\ufffd", None, hex(2**70)]


def test_recordings_nobody_speaks_in_are_not_kept_and_those_of_no_row_are_forgotten(folder):
    with Recordings(folder, Keeper(Selection(slowest=5, sample=5), 0)) as recordings:
        for number in (1, 2):
            identity = SimpleNamespace(simulation_output_id=f"id-{number}", scenario="s", number=number)
            recording = recordings.open(identity, 0.0)
        recording.caller(b"\x01\x01", 0.0)
        assert recordings.settle(row(1, 1.0)) is False
        assert recordings.settle(row(3, 1.0)) is False
    assert list((folder.path / "recordings").iterdir()) == []
    assert recordings.faults == []
