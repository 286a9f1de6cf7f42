"""How often each check of each test case passed and failed, and an example of why."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

MOST = 200
"""Checks that are counted each for its test case; what is beyond them is counted over all test cases."""

OTHERS = "others"
"""What stands for the test case and the check where several are counted together."""


def _as_it_is(value: Any) -> Any:
    return value


@attrs.define
class _Count:
    passed: int = 0
    failed: int = 0
    example: str | None = None


_NOTHING = _Count()


@attrs.define
class SeenChecks:
    """How far a tally was seen; see `CheckTally.look`, which keeps it up to date."""

    added: int = 0
    counts: dict[tuple[str, str], _Count] = attrs.field(factory=dict)


@attrs.define
class CheckTally:
    """Counts of checks by test case and name; at most `MOST` of them are kept apart.

    `clean` masks secrets in names and examples.
    """

    clean: Callable[[Any], Any] = _as_it_is
    _counts: dict[tuple[str, str], _Count] = attrs.field(factory=dict, init=False)
    _added: int = attrs.field(default=0, init=False)

    def add(self, test_case: str, name: str, passed: bool, message: str | None) -> None:
        """Count one result; `message` says why a check failed."""
        self._add(test_case, name, passed=int(passed), failed=int(not passed), example=None if passed else message)

    def summary(self) -> list[dict[str, Any]]:
        """`test_case`, `check`, `passed`, `failed` and `example` of each, those that failed most often first.

        `example` is the message of the first failure, null where there is none.
        """
        rows = [self._row(key, count) for key, count in self._counts.items()]
        return sorted(rows, key=lambda row: -row["failed"])

    def look(self, seen: SeenChecks) -> list[dict[str, Any]]:
        """What was counted since `seen`, which then is as of now: rows as of `summary`, in no order.

        An example stands in the first row only that has it.
        """
        if self._added == seen.added:
            return []
        seen.added = self._added
        rows = []
        for key, count in self._counts.items():
            before = seen.counts.get(key, _NOTHING)
            if count != before:
                rows.append(self._row(key, _since(before, count)))
                seen.counts[key] = attrs.evolve(count)
        return rows

    def _row(self, key: tuple[str, str], count: _Count) -> dict[str, Any]:
        test_case, name = self.clean(key[0]), self.clean(key[1])
        counts = {"passed": count.passed, "failed": count.failed, "example": count.example}
        return {"test_case": test_case, "check": name, **counts}

    def merge(self, summary: Iterable[Mapping[str, Any]]) -> None:
        """Add another `summary()`, or the rows of a `look`."""
        for row in summary:
            example = row["example"]
            self._add(row["test_case"], row["check"], passed=row["passed"], failed=row["failed"], example=example)

    def _add(self, test_case: str, name: str, *, passed: int, failed: int, example: str | None) -> None:
        key = (test_case, name)
        if key not in self._counts and len(self._counts) >= MOST:
            key = (OTHERS, name)  # of a large test set, each check is told by itself all the same
            if key not in self._counts and len(self._counts) >= 2 * MOST:
                key = (OTHERS, OTHERS)
        self._added += 1
        count = self._counts.setdefault(key, _Count())
        count.passed += passed
        count.failed += failed
        if count.example is None and example is not None:
            count.example = str(self.clean(example))


def _since(before: _Count, now: _Count) -> _Count:
    example = now.example if before.example is None else None
    return _Count(now.passed - before.passed, now.failed - before.failed, example)
