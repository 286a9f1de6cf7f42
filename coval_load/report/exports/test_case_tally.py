"""How the conversations with each test case went, in bounded memory."""

from collections.abc import Mapping
from typing import Any

import attrs

from coval_load.engine import metrics

MOST = 10_000
"""Test cases that are told apart; what is beyond them is counted together, as `others`."""

MOST_CHECKS = 200
"""Checks of one test case that are told apart, likewise."""

OTHERS = "others"

_LONGEST = 2_000


@attrs.define
class Example:
    """How often something went wrong, and the first time it did: the message, and the simulation's id."""

    amount: int = 0
    message: str = ""
    simulation_output_id: str = ""

    def add(self, message: object, simulation_output_id: object) -> None:
        """Once more."""
        if not self.amount:
            self.message, self.simulation_output_id = str(message)[:_LONGEST], str(simulation_output_id)[:_LONGEST]
        self.amount += 1


@attrs.define
class CaseTally:
    """Conversations with one test case: how many ended how, and what its checks found. Durations are in seconds."""

    completed: int = 0
    cancelled: int = 0
    errors: dict[str, Example] = attrs.field(factory=dict)
    """By kind."""
    failed_checks: dict[str, Example] = attrs.field(factory=dict)
    """By the name of the check."""
    judged_checks: int = 0
    """Checks that passed or failed."""
    _total_s: float = 0.0

    @property
    def failed(self) -> int:
        """Conversations that ended in an error."""
        return sum(example.amount for example in self.errors.values())

    @property
    def ended(self) -> int:
        """Conversations that were completed or failed."""
        return self.completed + self.failed

    @property
    def mean_s(self) -> float:
        """How long those took that ended, from the dial on; 0 where none did."""
        return self._total_s / self.ended if self.ended else 0.0

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one row of `simulations.jsonl`."""
        error, row_id = row["error"], row["simulation_output_id"]
        if row["outcome"] == metrics.CANCELLED:
            self.cancelled += 1
            return
        if error is None:
            self.completed += 1
        else:
            self.errors.setdefault(str(error["kind"]), Example()).add(error["message"], row_id)
        if row["started_at"] is not None:
            self._total_s += max(0.0, row["ended_at"] - row["started_at"])
        for check in row.get("checks") or ():
            self.judged_checks += 1
            if not check["passed"]:
                _entry(self.failed_checks, str(check["name"]), Example, MOST_CHECKS).add(check.get("message"), row_id)


@attrs.define
class TestCases:
    """Counts conversations by test case. A visitor of the rows of `simulations.jsonl`."""

    __test__ = False  # pytest takes what is called so for tests

    cases: dict[str, CaseTally] = attrs.field(factory=dict, init=False)

    def add(self, row: Mapping[str, Any], offset: int = 0) -> None:
        """Count one row; KeyError or TypeError where it is none. `offset`, where it stands in the file, is not used."""
        name = row["test_case"]
        _entry(self.cases, "" if name is None else str(name), CaseTally, MOST).add(row)


def _entry(entries: dict[str, Any], name: str, make: type, most: int) -> Any:
    known = entries.get(name)
    if known is None:
        known = entries.setdefault(name if len(entries) < most else OTHERS, make())
    return known
