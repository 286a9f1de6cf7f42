"""The tests themselves: one process can collect them all, and `make test` leaves none out."""

from collections import Counter
from pathlib import Path

from side_by_side import MEASURING, ROOT, SECONDS, computing_shares, found, waiting_shares

TESTS = found("tests/**/test_*.py")


def test_no_two_files_have_one_name():
    # pytest imports each by its base name, and so do tests with what they share.
    names = Counter(path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py")
    assert [name for name, times in names.items() if times > 1] == []


def test_each_is_in_one_share():
    shares = [*waiting_shares(), MEASURING, *computing_shares()]
    for test in TESTS:
        assert sum(Path(test).is_relative_to(path) for share in shares for path in share) == 1, test


def test_what_is_said_to_take_long_is_there():
    assert SECONDS.keys() <= {Path(test).stem for test in TESTS}
    assert all(waiting_shares())
