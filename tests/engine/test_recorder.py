import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from coval_load.engine.recorder import Recorder, open_recorder
from coval_load.engine.run_folder import read_rows


def unchanged(row):
    return row


def never(rows):
    raise AssertionError(f"{rows} rows lost")


async def test_ten_thousand_rows_are_ten_thousand_lines_in_order(tmp_path: Path):
    path = tmp_path / "simulations.jsonl"
    async with open_recorder(path, unchanged, never) as recorder:
        for number in range(10_000):
            recorder.write({"number": number, "text": "I'd like\na pizza"})
    assert [row["number"] for row in read_rows(path)] == list(range(10_000))
    assert path.read_bytes().count(b"\n") == 10_000


async def test_a_row_is_on_disk_while_the_run_goes_on(tmp_path: Path):
    path = tmp_path / "simulations.jsonl"
    async with open_recorder(path, unchanged, never) as recorder:
        recorder.write({"number": 1})
        with trio.fail_after(20):
            while not path.stat().st_size:  # noqa: ASYNC110 - a real thread writes; nothing rings when it has
                await trio.sleep(0.01)
        assert list(read_rows(path)) == [{"number": 1}]


async def test_what_json_has_no_word_for_still_is_a_row(tmp_path: Path):
    path = tmp_path / "simulations.jsonl"
    async with open_recorder(path, unchanged, never) as recorder:
        recorder.write({"bytes": b"\xff", "nan": float("nan"), "text": "\ud800", "odd": object(), 5: 2**70})
    assert list(read_rows(path)) == [
        {"bytes": "\\xff", "nan": None, "text": "\ufffd", "odd": "<object>", "5": "0x400000000000000000"}
    ]


async def test_secrets_are_masked_also_in_what_only_became_text(tmp_path: Path):
    def mask(value):
        if isinstance(value, dict):
            return {key: mask(member) for key, member in value.items()}
        return value.replace("hunter2", "***")

    path = tmp_path / "simulations.jsonl"
    async with open_recorder(path, mask, never) as recorder:
        recorder.write({"a": "hunter2"})
        recorder.write({"a": b"my hunter2"})  # bytes.replace takes no str: a TypeError within the mask
    assert list(read_rows(path)) == [{"a": "***"}, {"a": "my ***"}]


async def test_a_row_that_cannot_be_masked_is_lost_not_written(tmp_path: Path):
    def broken(row):
        raise LookupError

    lost = []
    path = tmp_path / "simulations.jsonl"
    async with open_recorder(path, broken, lost.append) as recorder:
        recorder.write({"a": "hunter2"})
    assert (lost, path.read_bytes()) == ([1], b"")


async def test_rows_beyond_the_bounds_are_counted_as_lost(tmp_path: Path):
    for bounds in ({"rows_at_most": 0}, {"bytes_at_most": 10}):
        lost = []
        path = tmp_path / "simulations.jsonl"
        async with open_recorder(path, unchanged, lost.append, **bounds) as recorder:
            recorder.write({"text": "longer than ten bytes"})
        assert (lost, path.read_bytes()) == ([1], b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
async def test_rows_that_a_full_disk_never_took_are_counted_as_lost():
    lost = []
    async with open_recorder(Path("/dev/full"), unchanged, lost.append) as recorder:
        for number in range(100):
            recorder.write({"number": number})
    assert lost == [100]


async def test_a_row_after_the_end_is_counted_as_lost(tmp_path: Path):
    lost = []
    async with open_recorder(tmp_path / "simulations.jsonl", unchanged, lost.append) as recorder:
        pass
    recorder.write({"number": 1})
    assert lost == [1]


async def test_rows_queued_before_a_cancellation_are_written(tmp_path: Path):
    path = tmp_path / "simulations.jsonl"
    with trio.CancelScope() as scope:
        async with open_recorder(path, unchanged, never) as recorder:
            recorder.write({"number": 1})
            scope.cancel()
            await trio.sleep_forever()
    assert list(read_rows(path)) == [{"number": 1}]


def test_a_disk_that_fills_within_a_line_leaves_whole_lines_and_gets_the_rest_later(tmp_path: Path):
    path = tmp_path / "simulations.jsonl"
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    recorder = Recorder(file, unchanged, never)
    for number in range(100):
        recorder.write({"number": number})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        assert not recorder._write_batch(recorder._batch())
        whole = path.read_bytes()
        assert not recorder._write_batch(recorder._batch())
        assert path.read_bytes().startswith(whole)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert 400 < len(whole) <= 500
    assert whole.endswith(b"\n")

    assert recorder._write_batch(recorder._batch())
    os.close(file)
    assert [row["number"] for row in read_rows(path)] == list(range(100))
    assert not recorder._lines
    assert recorder._queued_bytes == 0


KILLED = """
import sys, trio
from pathlib import Path
from coval_load.engine.recorder import open_recorder

async def main():
    path = Path(sys.argv[1])
    async with open_recorder(path, lambda row: row, print) as recorder:
        number = 0
        while True:
            for _ in range(200):
                recorder.write({"number": number, "text": "x" * 500})
                number += 1
            await trio.sleep(0.001)
            if path.stat().st_size:
                print("writing", flush=True)

trio.run(main)
"""


def test_a_killed_process_leaves_every_line_whole_but_perhaps_the_last(tmp_path: Path):
    path = tmp_path / "simulations.jsonl"
    with subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(20):
            assert process.stdout.readline() == b"writing\n"
        process.kill()
    numbers = [row["number"] for row in read_rows(path)]
    assert numbers
    assert numbers == list(range(len(numbers)))
    assert path.read_bytes().count(b"\n") == len(numbers)
