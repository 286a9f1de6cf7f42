"""A run's summary for a terminal of 80 columns, read in ten seconds."""

from collections.abc import Mapping
from typing import Any

from coval_load.report.diagnosis.finding import Diagnosis
from coval_load.report.paint import Paint
from coval_load.report.summary_parts.course import course
from coval_load.report.summary_parts.diagnosis import diagnosis as found
from coval_load.report.summary_parts.ending import exit_code, generator, notes
from coval_load.report.summary_parts.findings import checks, errors
from coval_load.report.summary_parts.headline import headline
from coval_load.report.summary_parts.table import table
from coval_load.report.summary_parts.thresholds import thresholds


def summary_text(summary: Mapping[str, Any], run: Mapping[str, Any], colour: bool, folder: str = "") -> str:
    """The summary in lines of at most 80 columns, with a newline at the end.

    `summary` and `run` are what `summary.json` and `run.json` hold, those of earlier releases too; `folder` is where
    these are. A part that has nothing to say is left out.
    """
    paint = Paint(colour)
    parts = (
        headline(summary, run, paint),
        thresholds(summary.get("thresholds") or [], paint),
        table(summary, paint),
        checks(summary, paint),
        errors(summary, paint),
        course(summary, paint),
        generator(summary, paint),
        notes(summary["notes"]),
        [*([f"results in {folder}"] if folder else []), *exit_code(run, paint)],
    )
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part))) + "\n"


def diagnosis_text(diagnosis: Diagnosis, colour: bool) -> str:
    """What went wrong in at most fourteen lines between empty ones; an empty text where nothing is bad."""
    lines = list(found(diagnosis, Paint(colour)))
    return "".join(f"{line}\n" for line in ["", *lines, ""]) if lines else ""
