"""A comparison of two runs, and what it is in JSON."""

import math
from collections.abc import Sequence
from typing import Any

import attrs

from coval_load.engine import metrics
from coval_load.report.comparison import words
from coval_load.report.comparison.differences import differences
from coval_load.report.comparison.measured import RunMeasured
from coval_load.report.comparison.rows import Row, compared
from coval_load.report.visible import visible_json


@attrs.frozen(eq=False)
class Comparison:
    """Two runs side by side. `thresholds` are rows as in `summary.json`, judged for `after`."""

    before: RunMeasured
    after: RunMeasured
    rows: Sequence[Row]
    differing: Sequence[str]
    thresholds: Sequence[dict[str, Any]] = ()

    @classmethod
    def of(cls, before: RunMeasured, after: RunMeasured, thresholds: Sequence[dict[str, Any]] = ()) -> "Comparison":
        """Compare them. Raises Faulty where a histogram can't be read."""
        return cls(before, after, compared(before, after), differences(before.run, after.run), thresholds)

    def as_json(self) -> dict[str, Any]:
        """Every row, whatever is shown elsewhere."""
        return {
            "run": about(self.after),
            "verdict": words.verdict(self.rows),
            "distrust": words.distrust(self.before, self.after),
            "differences": list(self.differing),
            "notes": words.notes(self.rows, self.before, self.after),
            "rows": [{**finite(row.shown()), "words": words.said(row)} for row in self.rows],
            "thresholds": list(self.thresholds),
        }


def all_as_json(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """What `coval-load compare --json` prints."""
    told = {"baseline": about(comparisons[0].before), "comparisons": [one.as_json() for one in comparisons]}
    return dict(visible_json(told))


def about(run: RunMeasured) -> dict[str, Any]:
    """Which run it is, and what became of its simulations."""
    return {
        "folder": str(run.folder),
        "name": run.run["name"],
        "run_id": run.run.get("run_id"),
        "started": run.run["started"],
        "is_whole": run.recovered.is_whole,
        "elapsed_s": run.elapsed_s,
        "completed": run.counts[metrics.COMPLETED],
        "failed": run.counts[metrics.FAILED],
        "generator": run.summary["generator"].get("verdict"),
    }


def finite(row: dict[str, Any]) -> dict[str, Any]:
    """A row with null for what has no bound: JSON has no infinity."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(one) for one in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return {key: plain(value) for key, value in row.items()}
