"""`coval-load compare`: runs held against an earlier one."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import orjson

from coval_load.cli.output import say
from coval_load.cli.parameters import FOLDER
from coval_load.cli.preparing import EXIT_FAULTY, in_colour
from coval_load.cli.waiting import say_how_much
from coval_load.engine.run_folder import write_atomically
from coval_load.engine.thresholds import Threshold, judge_value
from coval_load.faults import Fault, Faulty
from coval_load.plans.baseline import Baseline, MeasuredRun, NotKept, recover_with_thresholds
from coval_load.plans.ending import EXIT_THRESHOLD
from coval_load.plans.threshold_text import parse_option
from coval_load.plans.thresholds import load_thresholds
from coval_load.report.comparison.comparison import Comparison, all_as_json
from coval_load.report.comparison.measured import RunMeasured
from coval_load.report.comparison.text import comparison_text
from coval_load.report.recovery import damaged


@click.command(epilog="Example: coval-load compare coval-runs/before coval-runs/after --html comparison.html")
@click.argument("runs", metavar="RUN RUN [RUN]...", nargs=-1, required=True, type=FOLDER)
@click.option("--all", "everything", is_flag=True, help="Show every metric, also those without a change.")
@click.option("--threshold", "written", multiple=True, help="Such as 'response_latency: p95 <= baseline + 10%'.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the comparison as a page, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison to standard output as JSON.")
def compare(runs: Sequence[Path], everything: bool, written: Sequence[str], html: Path | None, as_json: bool) -> None:
    """Show what changed from the first RUN to each other one, and what of it is more than chance.

    Exit codes: 0 compared, 2 a folder has no run in it or a threshold can't be judged, 99 a threshold was crossed.
    """
    if len(runs) < 2:
        raise click.UsageError("expected the folders of two runs or more; got one")
    stream = sys.stderr if as_json else sys.stdout
    try:
        comparisons = _compared(runs, written)
        text, found = comparison_text(comparisons, in_colour(stream), everything=everything), all_as_json(comparisons)
    except Faulty as faulty:
        raise click.ClickException("\n".join(map(str, faulty.faults))) from faulty
    except Exception as damage:  # files that somebody sent may have anything in the place of anything
        raise click.ClickException(str(damaged(" or ".join(map(str, runs)), damage))) from damage
    say(stream, text)
    if as_json:
        say(sys.stdout, orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
    if html is not None:
        _write_page(html, comparisons, everything)
    if not all(row["passed"] for one in comparisons for row in one.thresholds):
        sys.exit(EXIT_THRESHOLD)


def _compared(folders: Sequence[Path], written: Sequence[str]) -> list[Comparison]:
    first, *others = (_Read(folder) for folder in folders)
    thresholds = _thresholds(written, first)
    judged = [_judged(one, thresholds) for one in others]
    for one in (first, *others):
        say_how_much(one.folder, "the comparison")
    before = first.measured()
    return [Comparison.of(before, one.measured(), rows) for one, rows in zip(others, judged, strict=True)]


class _Read:
    """A run folder whose summary was read, and whose simulations are read when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recovered = recover_with_thresholds(folder)
        self.run = MeasuredRun(self.recovered)

    def measured(self) -> RunMeasured:
        return RunMeasured.read(self.folder, self.recovered, self.run.elapsed_s)


def _thresholds(written: Sequence[str], first: _Read) -> tuple[Threshold, ...]:
    raw: dict[str, list[str]] = {}
    for text in written:
        key, expression = parse_option(text)
        raw.setdefault(key, []).append(expression)
    baseline = Baseline.of(first.recovered, first.folder.name)
    found, faults = load_thresholds(raw, "--threshold", {}, baseline=baseline)
    if faults:
        raise Faulty(faults)
    return found


def _judged(one: _Read, thresholds: Sequence[Threshold]) -> list[dict[str, Any]]:
    rows = []
    for threshold in thresholds:
        try:
            rows.append(judge_value(threshold, one.run.value(threshold)).row())
        except NotKept as lack:
            raise Faulty([Fault("--threshold", f"expected of {one.folder} {lack}")]) from lack
        except Exception as damage:  # a histogram's decoder has many words for bytes that are none
            message = f"expected a summary that can be read in {one.folder}; got {damage}"
            raise Faulty([Fault("--threshold", message)]) from damage
    return rows


def _write_page(path: Path, comparisons: Sequence[Comparison], everything: bool) -> None:
    from coval_load.report.comparison.page import comparison_page  # Jinja takes a tenth of a second to load

    try:
        write_atomically(path, comparison_page(comparisons, everything=everything).encode())
    except OSError as error:
        say(sys.stderr, f"expected to write the page to {path}; got {error.strerror or error}\n")
        sys.exit(EXIT_FAULTY)
    say(sys.stderr, f"the comparison as a page: {path}\n")
