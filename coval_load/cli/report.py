"""`coval-load report`: the summary of a run from its folder."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import click

from coval_load.cli.exporting import Exports, export_options, say_summary, write_exports
from coval_load.cli.page import Told, write_page
from coval_load.cli.preparing import EXIT_FAULTY, in_colour
from coval_load.engine.results import Results
from coval_load.engine.thresholds import Threshold, prepare
from coval_load.faults import Faulty
from coval_load.plans.baseline import thresholds_of
from coval_load.plans.ending import EXIT_INTERRUPTED, judged_thresholds
from coval_load.report.recovery import Recovered, damaged, recover
from coval_load.report.summary_text import summary_text


@click.command(epilog="Example: coval-load report coval-runs/20260304T120000Z-support-line")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the summary to standard output as JSON.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the page there; recordings play where it lies in DIR.  [default: DIR/report.html]",
)
@click.option("--no-html", is_flag=True, help="Write no page.")
@export_options
def report(folder: Path, as_json: bool, html: Path | None, no_html: bool, exports: Exports) -> None:
    """Print the summary of the run in DIR, also of one that was killed before it wrote any, and write its page.

    Exit codes: 0 it was printed, 2 DIR has no run in it, a file of it can't be read, or one that was asked for can't be
    written.
    """
    if html is not None and no_html:
        raise click.UsageError("expected --html FILE or --no-html, got both")
    judging = _Judging()
    try:
        recovered = recover(folder, judging.begin)
    except Faulty as faulty:
        raise click.ClickException(str(faulty)) from faulty
    summary = judging.summary(recovered)
    stream = sys.stderr if as_json else sys.stdout
    try:
        text = summary_text(summary, recovered.run, in_colour(stream), str(folder))
    except Exception as damage:  # a file that somebody sent may have anything in the place of anything
        raise click.ClickException(str(damaged(str(folder), damage))) from damage
    say_summary(summary, text, as_json=as_json)
    told = Told(is_written=True) if no_html else write_page(folder, summary, recovered.run, as_json=as_json, to=html)
    if told.is_interrupted:
        sys.exit(EXIT_INTERRUPTED)
    if not write_exports(folder, summary, recovered.run, exports) or (html is not None and not told.is_written):
        sys.exit(EXIT_FAULTY)


@attrs.define
class _Judging:
    """Judges the thresholds of a run that did not come to do it itself."""

    _thresholds: tuple[Threshold, ...] = ()
    _unreadable: bool = False

    def begin(self, run: Mapping[str, Any], results: Results) -> None:
        """Have `results` keep what the thresholds of the plan in `run.json` ask about."""
        self._thresholds, faults = thresholds_of(run)
        self._unreadable = bool(faults)
        prepare(self._thresholds, results)

    def summary(self, recovered: Recovered) -> dict[str, Any]:
        summary = dict(recovered.summary)
        results = recovered.results
        if results is None:
            return summary
        drifted = summary["drift"]
        summary["thresholds"] = judged_thresholds(self._thresholds, results, recovered.elapsed_s, drifted, None)
        if self._unreadable:
            summary["notes"] = [*summary["notes"], "not all thresholds of the plan in run.json can be read and judged"]
        elif self._thresholds:
            summary["notes"] = [*summary["notes"], "thresholds are judged by what there is, not by the whole run"]
        return summary
