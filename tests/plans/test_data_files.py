"""Test cases in the lines of JSON Lines and CSV files."""

# ruff: noqa: E501

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.faults import Faulty
from coval_load.plans.data_files import read_csv, read_json_lines, read_number
from coval_load.plans.test_sets import read_test_set

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NAMES = st.lists(
    st.text("abcxyz é._-", min_size=1, max_size=8).map(str.strip).filter(bool), unique=True, max_size=4
)  # fmt: skip


def read(file, content, path="test_set", environ=None):
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_test_set(file, environ or {}, path)


def told(tmp_path, name, content):
    try:
        return [str(fault) for fault in read(tmp_path / name, content).faults]
    except Faulty as faulty:
        return [str(fault) for fault in faulty.faults]


def csv_told(tmp_path, content):
    return told(tmp_path, "cases.csv", content)


def test_a_line_of_json_is_a_test_case(tmp_path):
    lines = [
        {"id": "a", "turns": [{"type": "text", "text": "Hi\u2028there"}], "weight": 2, "iterations": 3},
        {"id": "b", "turns": [{"type": "skip"}], "attributes": {"n": [1, {"a": None}]}},
    ]
    content = "\ufeff" + "\r\n \n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n\n"
    first, second = read(tmp_path / "a.jsonl", content).cases.values()
    assert (first.turns[0].text, first.weight, first.iterations) == ("Hi\u2028there", 2.0, 3)
    assert (second.attributes, second.weight, second.iterations) == ({"n": [1, {"a": None}]}, 1.0, 1)


def test_a_fault_names_the_line(tmp_path):
    content = (
        '\n{"id": "a", "turns": [{"type": "dtmf", "digits": "x"}]}\n{"id": 1}\n\n{"id": \n[]\n{"id": "a", "turns": []}'
    )
    assert told(tmp_path, "cases.jsonl", content) == [
        "test_set, line 5: expected a test case as JSON; expecting value (column 8)",
        'test_set, line 2, turns[0].digits: expected keypad digits 0-9, *, #, A-D; got "x"',
        "test_set, line 3, id: expected a string; got 1",
        "test_set, line 3, turns: expected a list; got nothing",
        "test_set, line 6: expected an object; got a list",
        "test_set, line 7, id: expected an id of its own; test_set, line 2 has the same",
    ]


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_of_json_lines_has_a_line(tmp_path, content):
    assert told(tmp_path, "cases.jsonl", content) == ["test_set: expected a test case in each line; got no line"]


def test_many_faults_are_told_in_part(tmp_path):
    faults = told(tmp_path, "cases.jsonl", "5\n" * 250)
    assert len(faults) == 101
    assert faults[-1] == "test_set: expected no faults in cases.jsonl; got 150 more than these"


def test_columns_are_what_a_test_case_has(tmp_path):
    content = (
        "\ufeffid, turn_10,turn_2,weight,iterations,account id,a.b\r\n"
        'one,last,"first, ""quoted""\nover two lines",0.5,3,042,x\r\n'
        "\r\n"
        "two,,only,,,,\r\n"
    )
    first, second = read(tmp_path / "a.CSV", content).cases.values()
    assert first.id == "one"
    assert [turn.text for turn in first.turns] == ['first, "quoted"\nover two lines', "last"]
    assert (first.weight, first.iterations) == (0.5, 3)
    assert first.attributes == {"account id": "042", "a.b": "x"}
    assert [turn.text for turn in second.turns] == ["only"]
    assert (second.weight, second.iterations, second.attributes) == (1.0, 1, {"account id": "", "a.b": ""})


def test_rows_without_an_id_are_numbered(tmp_path):
    cases = read(tmp_path / "a.csv", "text\nHi\nBye\n").cases
    assert [case.id for case in cases.values()] == ["row-1", "row-2"]
    cases = read(tmp_path / "a.csv", "id,text\nx,Hi\n,Bye\n").cases
    assert [case.id for case in cases.values()] == ["x", "row-2"]


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        ("", ["test_set: expected a line that names the columns; got an empty file"]),
        ("\n\n", ["test_set: expected a line that names the columns; got an empty file"]),
        ("text\n", ["test_set: expected a test case in each line below the header; got no line"]),
        ("text,a,a\nx,1,2", ["test_set, line 1, column a: expected each column once; got it 2 times"]),
        ("text,,b\nx,1,2", ["test_set, line 1, column 2: expected a name; got none, name it or take the column out"]),
        ("text,turn_1\nx,y", ["test_set, line 1, column text: expected it or turn_1, turn_2 and so on; got both, take one out"]),
        ("turn_0\nx", ["test_set, line 1, column turn_0: expected turns to be numbered turn_1, turn_2 and so on"]),
        ('text,a\nx\ny,1,2\n"z\nz",1', [
            "test_set, line 2, column a: expected as many cells as the header has columns, 2; got 1",
            "test_set, line 3, column 3: expected as many cells as the header has columns, 2; got 3",
        ]),
        ("text,weight,iterations\nx,0,0\nx,nan,1.5\nx,1_0,1e3", [
            "test_set, line 2, column weight: expected a number above 0; got 0",
            "test_set, line 2, column iterations: expected a number from 1 to 1e+06; got 0",
            'test_set, line 3, column weight: expected a number; got "nan"',
            "test_set, line 3, column iterations: expected an integer; got 1.5",
            'test_set, line 4, column weight: expected a number; got "1_0"',
            "test_set, line 4, column iterations: expected an integer; got 1000.0",
        ]),
        ("text,weight\nx,1e7", ["test_set, line 2, column weight: expected a number from 0 to 1e+06; got 10000000.0"]),
        ("id,text\na,x\n\na,y", ["test_set, line 4, column id: expected an id of its own; test_set, line 2 has the same"]),
        (f"text,a b\n{'x' * 10_001},${{NOPE}}", [
            "test_set, line 2, column a b: expected the environment variable NOPE to be set; it is not",
            "test_set, line 2, column text: expected 1 to 10000 characters; got 10001",
        ]),
        ('text\nx\n"y\nz', [
            "test_set, line 3: expected CSV, with quotes in pairs and doubled within; got: unexpected end of data"
        ]),
        ('"text', ["test_set, line 1: expected CSV, with quotes in pairs and doubled within; got: unexpected end of data"]),
        ("text\n" + "x" * 200_000, [
            "test_set, line 2: expected CSV, with quotes in pairs and doubled within; got: field larger than field limit (131072)"
        ]),
    ],
)  # fmt: skip
def test_what_a_csv_file_refuses(tmp_path, content, faults):
    assert csv_told(tmp_path, content) == faults


def test_cells_over_several_lines_are_counted_in(tmp_path):
    (fault,) = csv_told(tmp_path, 'text,a\n"x\ny\nz",1\n\nx\n')
    assert fault.startswith("test_set, line 6, column a: ")


def test_a_csv_file_without_turns_needs_a_script(tmp_path):
    (fault,) = csv_told(tmp_path, "id,account\na,1\n")
    assert fault.startswith('test_set, line 1: expected a column text, or turn_1, turn_2 and so on; got "id, account"')


def test_bytes_that_are_no_text(tmp_path):
    (fault,) = csv_told(tmp_path, b"text\n\xff\n")
    assert fault.startswith("test_set: expected UTF-8 text in ")
    with pytest.raises(Faulty, match=r"ends in .yaml, .yml, .toml, .json, .jsonl, .csv; got cases.tsv"):
        read(tmp_path / "cases.tsv", "text\tx\n")


def test_variables_fill_cells_and_lines(tmp_path):
    environ = {"PIN": "9x", "NAME": "Ann", "WEIGHT": "3"}
    test_set = read(
        tmp_path / "a.csv", "text,pin,weight\nI am ${NAME},${PIN},${WEIGHT}\n$${NAME},2,1\n", environ=environ
    )
    first, second = test_set.cases.values()
    assert (first.turns[0].text, first.attributes, first.weight) == ("I am Ann", {"pin": "9x"}, 3.0)
    assert second.turns[0].text == "${NAME}"
    assert test_set.secrets == {"9x", "Ann", "3"}
    assert set(test_set.hidden) == {(0, "turns", 0, "text"), (0, "attributes", "pin"), (0, "weight")}
    lines = '{"id": "a", "turns": [], "attributes": {"pin": "${PIN}"}}\n{"id": "${NOPE}", "turns": []}'
    test_set = read(tmp_path / "a.jsonl", lines, environ=environ)
    assert test_set.cases[0].attributes == {"pin": "9x"}
    assert [str(fault) for fault in test_set.faults] == [
        "test_set, line 2, id: expected the environment variable NOPE to be set; it is not"
    ]


def test_no_fault_shows_a_secret(tmp_path):
    test_set = read(tmp_path / "a.csv", "text,weight\nx,${SECRET}\n", environ={"SECRET": "se"})
    assert [str(fault) for fault in test_set.faults] == [
        'test_set, line 2, column weight: expected a number; got "***"'
    ]


@given(NAMES, st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5), st.data())
def test_what_is_written_as_csv_is_read_back(names, rows, data):
    names = [name for name in names if name not in ("id", "text")]
    cells = data.draw(
        st.lists(st.lists(TEXT, min_size=len(names), max_size=len(names)), min_size=len(rows), max_size=len(rows))
    )
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["id", "text", *names])
    writer.writerows([name, text, *more] for (name, text), more in zip(rows, cells, strict=True))
    found = read_csv(file.getvalue(), "test_set", has_script=False)
    assert not found.faults
    for number, (case, (name, text), more) in enumerate(zip(found.cases, rows, cells, strict=True), 1):
        assert case["id"] == (name or f"row-{number}")
        assert case["turns"] == ([{"type": "text", "text": text}] if text else [])
        assert case["attributes"] == dict(zip(names, more, strict=True))


CONTENT = st.binary() | st.text('abt,ex"\n\r {}[]:_1iduwgh${.\\u0\ufeff').map(str.encode) | TEXT.map(str.encode)


@given(st.sampled_from([".csv", ".jsonl"]), st.sampled_from([b"", b"text,weight\n", b"id,turn_1,turn_2\n"]), CONTENT)
def test_whatever_a_file_holds_it_is_cases_or_faults(tmp_path_factory, suffix, head, content):
    file = tmp_path_factory.getbasetemp() / f"arbitrary{suffix}"
    try:
        test_set = read(file, head + content)
    except Faulty as faulty:
        assert faulty.faults
    else:
        assert test_set.cases or test_set.faults
        assert all(str(fault).startswith("test_set") for fault in test_set.faults)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(JSON, min_size=1))
def test_what_is_written_as_json_lines_is_read_back(values):
    found = read_json_lines("\n".join(map(json.dumps, values)), "test_set")
    assert list(found.cases) == values
    assert not found.faults


@pytest.mark.parametrize(
    ("cell", "number"),
    [("1", 1), (" -2.5 ", -2.5), ("1e3", 1000.0), ("", ""), ("0x1", "0x1"), ("inf", "inf"), ("1,5", "1,5"), (None, None)],
)  # fmt: skip
def test_a_number_in_a_cell(cell, number):
    assert read_number(cell) == number
    assert type(read_number(cell)) is type(number)
