"""Each simulation is shown once, by its last row."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.faults import Faulty
from coval_load.report.scan import read_at, read_lines, row_bytes_at, scan


class Seen:
    def __init__(self):
        self.rows, self.offsets = [], []

    def add(self, row, offset):
        self.rows.append(dict(row))
        self.offsets.append(offset)


def seen(folder, resumed=("2026-03-04T12:00:00Z",)):
    visitor, other = Seen(), Seen()
    scan(folder, {"resumed": list(resumed)}, iter((visitor, other)))
    assert other.rows == visitor.rows
    return visitor


def write(folder, rows, torn=b""):
    path = folder / "simulations.jsonl"
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows) + torn)


ROW = st.fixed_dictionaries(
    {"text": st.text(max_size=3), "scenario": st.sampled_from(["a", "b"])},
    optional={"number": st.integers(0, 3) | st.sampled_from([4096, 10**12]) | st.none()},
)


@given(rows=st.lists(ROW, max_size=12))
def test_only_the_last_row_of_a_simulation_is_shown(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("run")
    write(folder, rows)
    numbered = {(row["scenario"], row["number"]): at for at, row in enumerate(rows) if row.get("number") is not None}
    last = [row for at, row in enumerate(rows) if row.get("number") is None or at in numbered.values()]
    found = seen(folder)
    assert found.rows == last
    assert list(read_at(folder, reversed(found.offsets))) == last[::-1]


def test_a_run_that_was_not_resumed_is_read_once(tmp_path):
    write(tmp_path, [{"scenario": "a", "number": 1}, {"scenario": "a", "number": 1}])
    assert len(seen(tmp_path, resumed=()).rows) == 2


def test_a_torn_last_line_is_left_out_and_an_empty_one_passed_over(tmp_path):
    write(tmp_path, [], b'{"number":1} \r\n\n{"number": 2}\n{"numb')
    found = seen(tmp_path)
    assert found.rows == [{"number": 1}, {"number": 2}]
    assert list(read_at(tmp_path, found.offsets)) == found.rows
    assert list(row_bytes_at(tmp_path, found.offsets)) == [len(b'{"number":1} \r\n'), len(b'{"number": 2}\n')]


def test_no_file_has_no_rows(tmp_path):
    assert seen(tmp_path).rows == []


@pytest.mark.parametrize("line", [b"[1]\n", b"nonsense\n", b"\xff\xfe\n"])
def test_a_line_that_is_no_row_is_a_fault_that_says_where(tmp_path, line):
    write(tmp_path, [{"number": 1}], line)
    with pytest.raises(Faulty, match=r"simulations\.jsonl, line 2: expected a JSON object, got"):
        seen(tmp_path)


def test_a_row_that_a_visitor_can_not_read_is_a_fault_that_says_where(tmp_path):
    write(tmp_path, [{"outcome": 1}, {}])
    with pytest.raises(Faulty, match=r"row 2: expected a row as docs/results.md has it; got no 'outcome'"):
        read_lines(tmp_path / "simulations.jsonl", lambda row, _: row["outcome"])


def test_a_file_that_can_not_be_opened_is_a_fault(tmp_path):
    (tmp_path / "simulations.jsonl").mkdir()
    with pytest.raises(Faulty, match="give the folder of a run"):
        seen(tmp_path)


def test_a_place_where_no_row_begins_is_an_error(tmp_path):
    write(tmp_path, [{"number": 1}])
    with pytest.raises(ValueError):
        list(read_at(tmp_path, [3]))
