"""What an earlier process left of a run that is to go on."""

from collections.abc import Collection, Mapping
from typing import Any

import attrs

from coval_load.engine.results import Results


@attrs.frozen(eq=False)
class Earlier:
    """`run` is its `run.json`, `summary` what it measured, as far as that is on disk; `done` has for each scenario
    the numbers of its simulations that were settled. `elapsed_s` is how long it had run.
    """

    run: Mapping[str, Any]
    summary: Mapping[str, Any]
    done: Mapping[str, Collection[int]]
    elapsed_s: float

    @property
    def run_id(self) -> str:
        """The id of the run, which stays the same."""
        return str(self.run["run_id"])

    def merge_into(self, results: Results) -> None:
        """Let `results` begin with what was measured before."""
        results.merge(self.summary)
