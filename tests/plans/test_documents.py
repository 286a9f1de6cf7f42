"""Plans, agents and test sets are YAML, TOML or JSON files."""

import pytest

from coval_load.faults import Faulty
from coval_load.plans import documents
from coval_load.plans.documents import read_document


@pytest.mark.parametrize(
    ("name", "content"), [("a.yaml", "a: [1]"), ("a.YML", "a: [1]"), ("a.toml", "a = [1]"), ("a.json", '{"a": [1]}')]
)
def test_the_suffix_says_what_it_is(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert read_document(tmp_path / name) == {"a": [1]}


def test_a_byte_order_mark_is_no_content(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": [1]}')
    assert read_document(tmp_path / "a.json") == {"a": [1]}


def test_a_body_as_large_as_its_parts_may_be(tmp_path):
    (tmp_path / "a.json").write_text(f'{{"metadata": "{"x" * 10_000_000}", "workflows": "{"x" * 10_000_000}"}}')
    assert len(read_document(tmp_path / "a.json")) == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "expected a file that ends in .yaml, .yml, .toml, .json; got a.txt"),
        ("a.yaml", b"a: [", "expected YAML in "),
        ("a.toml", b"a = ", "expected TOML in "),
        ("a.toml", b"a = " + b"[" * 50_000, "at most 100 levels"),
        ("a.json", b"{", "expected JSON in "),
        ("a.json", b'{"a": 1, "a": 1}', 'got "a" twice'),
        ("a.json", b"[" * 100_000, "at most 100 levels"),
        ("a.yaml", b"\xff", "expected UTF-8 text in "),
    ],
)
def test_what_can_not_be_read_is_a_fault(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Faulty) as caught:
        read_document(tmp_path / name)
    assert message in str(caught.value)


def test_files_that_are_not_there_or_too_large(tmp_path, monkeypatch):
    with pytest.raises(Faulty, match="No such file"):
        read_document(tmp_path / "a.yaml")
    with pytest.raises(Faulty, match="Is a directory"):
        (tmp_path / "b.yaml").mkdir()
        read_document(tmp_path / "b.yaml")
    monkeypatch.setattr(documents, "LARGEST", 5)
    (tmp_path / "c.yaml").write_text("abcdef")
    with pytest.raises(Faulty, match="expected at most 5 bytes"):
        read_document(tmp_path / "c.yaml")
