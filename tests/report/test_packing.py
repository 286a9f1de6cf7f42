"""Details go into as much room as there is, the most interesting ones first."""

import base64
import random

import orjson
import pytest

from coval_load.report.kept import Kept
from coval_load.report.packing import PER_CHUNK, Interest, Wanted, pack, pack_details, unpack
from coval_load.report.scan import scan


class Rows:
    """Rows with texts that gzip can do little with."""

    def __init__(self, folder, amount, size=600, seed=1):
        chance, self.folder, self.wanted = random.Random(seed), folder, []
        self.rows = [
            {"simulation_output_id": f"id{number}", "transcript": [{"content": chance.randbytes(size // 2).hex()}]}
            for number in range(amount)
        ]
        (folder / "simulations.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in self.rows))
        scan(folder, {}, [self])

    def add(self, row, offset):
        interest = Interest.MOST if offset % 3 == 0 else Interest.MORE if offset % 3 == 1 else Interest.SOME
        self.wanted.append(Wanted(offset, row["simulation_output_id"], interest))

    def packed(self, **options):
        return pack_details(self.folder, self.wanted, Kept(self.folder), **options)


def unpacked(chunks, amount):
    found = []
    for chunk in chunks:
        found += unpack(chunk) if chunk else [None] * min(PER_CHUNK, amount - len(found))
    return found


def test_what_is_packed_comes_out_and_is_always_the_same():
    value = {"a": ["ü", None, 1.5]}
    assert unpack(pack(value)) == value
    assert pack(value) == pack(value)
    assert pack(value).isascii()
    assert base64.b64decode(pack(value))[4:8] == bytes(4)  # when it was packed is not in it (RFC 1952, MTIME)


@pytest.mark.parametrize("amount", [0, 1, 99, 100, 101, 250])
def test_all_are_packed_a_hundred_together(tmp_path, amount):
    rows = Rows(tmp_path, amount)
    chunks, has_details = rows.packed()
    assert [len(unpack(chunk)) for chunk in chunks] == [min(100, amount - start) for start in range(0, amount, 100)]
    assert unpacked(chunks, amount) == rows.rows
    assert has_details == [True] * amount


@pytest.mark.parametrize("at_most", [0, 500, 20_000, 60_000, 150_000])
def test_the_least_interesting_are_left_out_where_there_is_no_room(tmp_path, at_most):
    rows = Rows(tmp_path, 450)
    chunks, has_details = rows.packed(at_most=at_most)
    assert sum(map(len, chunks)) <= at_most
    assert len(chunks) == 5
    found = unpacked(chunks, 450)
    assert [one is not None for one in found] == has_details
    assert all(one in (None, row) for one, row in zip(found, rows.rows, strict=True))
    if at_most >= 20_000:
        assert sum(map(len, chunks)) > 0.6 * at_most
        interest = [one.interest for one, has in zip(rows.wanted, has_details, strict=True) if has]
        lacking = [one.interest for one, has in zip(rows.wanted, has_details, strict=True) if not has]
        assert min(interest) >= max(lacking)


def test_those_left_out_are_spread_over_the_run(tmp_path):
    rows = Rows(tmp_path, 450)
    _, has_details = rows.packed(at_most=100_000)
    for start in range(0, 450, 50):
        assert 0 < sum(has_details[start : start + 50]) < 50


def test_the_same_seed_leaves_out_the_same(tmp_path):
    rows = Rows(tmp_path, 450)
    assert rows.packed(at_most=100_000, seed="a") == rows.packed(at_most=100_000, seed="a")
    assert rows.packed(at_most=100_000, seed="a") != rows.packed(at_most=100_000, seed="b")


def test_chunks_that_are_harder_to_pack_than_those_that_were_tried_still_fit(tmp_path):
    rows = Rows(tmp_path, 3000, size=200)
    plain = [
        {"simulation_output_id": row["simulation_output_id"], "transcript": [{"content": "a" * 200}]}
        for row in rows.rows
    ]
    mixed = [plain[at] if at // 100 % 6 == 0 else rows.rows[at] for at in range(3000)]
    (tmp_path / "simulations.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in mixed))
    rows.wanted.clear()
    scan(tmp_path, {}, [rows])
    chunks, has_details = rows.packed(at_most=50_000)
    assert sum(map(len, chunks)) <= 50_000
    assert len(chunks) == 30
    assert [one is not None for one in unpacked(chunks, 3000)] == has_details
    assert any(has_details)


def test_what_was_kept_whole_is_taken_in_the_place_of_its_row(tmp_path):
    rows = Rows(tmp_path, 4)
    folder = tmp_path / "conversations"
    folder.mkdir()
    whole = {"simulation_output_id": "id1", "transcript": [{"content": "whole\x1b"}], "kept_for": ["slow"]}
    (folder / "id1.json").write_bytes(orjson.dumps(whole))
    (folder / "id2.json").write_bytes(b"torn")
    (folder / "id3.json").write_bytes(orjson.dumps(whole))  # of another
    found = unpacked(rows.packed()[0], 4)
    assert found[1] == whole | {"transcript": [{"content": "whole␛"}]}
    assert [found[0], *found[2:]] == [rows.rows[0], *rows.rows[2:]]
