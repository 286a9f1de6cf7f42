import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import coval_load
import coval_load.report
from coval_load.engine.results import Results
from coval_load.engine.run_folder import create, read_rows, slug, write_atomically
from coval_load.faults import Faulty

SCHEMA = json.loads((Path(coval_load.report.__file__).parent / "schemas/run.schema.json").read_text())
NOON = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)


def test_a_run_that_names_no_folder_gets_one_of_its_time_and_name(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    berlin = NOON.astimezone(timezone(timedelta(hours=1)))
    first, second = create(None, "Support line!", berlin), create(None, "support/line", NOON)
    assert first.path == Path("coval-runs/20260304T120000Z-support-line")
    assert second.path == Path("coval-runs/20260304T120000Z-support-line-2")
    assert second.path.is_dir()


def test_out_may_be_new_or_empty(tmp_path: Path):
    assert create(tmp_path / "a" / "b", "x", NOON).path.is_dir()
    (tmp_path / "empty").mkdir()
    assert create(tmp_path / "empty", "x", NOON).path == tmp_path / "empty"


@pytest.mark.parametrize("file", ["run.json", "summary.json", "simulations.jsonl"])
def test_out_that_has_a_run_in_it_is_refused(tmp_path: Path, file):
    (tmp_path / file).write_text("kept")
    with pytest.raises(Faulty, match="it has a run in it already; give another one with --out"):
        create(tmp_path, "x", NOON)
    assert (tmp_path / file).read_text() == "kept"


def test_two_runs_at_once_never_share_a_folder(tmp_path: Path):
    create(tmp_path, "x", NOON)
    with pytest.raises(Faulty, match="has a run in it already"):
        create(tmp_path, "x", NOON)


def test_out_that_is_a_file_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(Faulty, match="there is a file of that name"):
        create(tmp_path / "file", "x", NOON)
    with pytest.raises(Faulty, match="the system said: Not a directory"):
        create(tmp_path / "file" / "below", "x", NOON)


def test_run_json_at_the_start_and_at_the_end(tmp_path: Path):
    folder = create(tmp_path, "support line", NOON)
    folder.begin({"load": {"concurrency": 5}}, 123.5)
    begun = json.loads(folder.run_file.read_text())
    jsonschema.validate(begun, SCHEMA)
    assert begun["started"] == "2026-03-04T12:00:00.000Z"
    assert begun["monotonic_start"] == 123.5
    assert begun["plan"] == {"load": {"concurrency": 5}}
    assert begun["versions"]["coval_load"] == coval_load.__version__
    assert {"trio", "websockets", "python"} <= set(begun["versions"])
    assert begun["machine"]["cpus"] >= 1
    assert (begun["ended"], begun["exit_code"]) == (None, None)

    returned = folder.finish(Results().summary(), NOON + timedelta(seconds=90.5), 98)

    ended = json.loads(folder.run_file.read_text())
    jsonschema.validate(ended, SCHEMA)
    assert ended == begun | {"ended": "2026-03-04T12:01:30.500Z", "exit_code": 98} == returned
    assert json.loads(folder.summary_file.read_text()) == Results().summary()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["run.json", "summary.json"]


def test_the_plan_does_not_show_in_the_folders_repr(tmp_path: Path):
    folder = create(tmp_path, "x", NOON)
    folder.begin({"agents": "sk-secret"}, 0.0)
    assert "sk-secret" not in repr(folder)


def test_recordings_have_a_folder_of_their_own(tmp_path: Path):
    folder = create(tmp_path, "x", NOON)
    assert folder.recording("abc") == tmp_path / "recordings" / "abc.wav"
    assert folder.recording("def").parent.is_dir()


def test_a_file_is_replaced_whole(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"a longer old content")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@given(st.text())
def test_a_slug_is_a_plain_file_name(name):
    made = slug(name)
    assert made
    assert len(made) <= 60
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert slug(made) == made


@given(rows=st.lists(st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=3)), cut=st.integers(0))
def test_a_torn_last_line_is_left_out(tmp_path_factory, rows, cut):
    lines = [json.dumps(row).encode() + b"\n" for row in rows]
    whole = b"".join(lines)
    path = tmp_path_factory.getbasetemp() / "torn.jsonl"
    path.write_bytes(whole[: cut % (len(whole) + 1)])
    expected = rows[: path.read_bytes().count(b"\n")]
    assert list(read_rows(path)) == expected


@pytest.mark.parametrize("line", [b"{oops\n", b"[1]\n", b"\xff\n"])
def test_a_broken_line_in_the_middle_is_named(tmp_path: Path, line):
    path = tmp_path / "simulations.jsonl"
    path.write_bytes(b'{"a": 1}\n' + line + b'{"b": 2}\n')
    with pytest.raises(ValueError, match="line 2: expected"):
        list(read_rows(path))
