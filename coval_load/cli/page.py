"""`report.html` beside what a run left, and where it is."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from coval_load.cli.exporting import say_told
from coval_load.cli.output import say
from coval_load.cli.preparing import in_colour
from coval_load.faults import Faulty
from coval_load.report.visible import visible

if TYPE_CHECKING:
    from coval_load.report.diagnosis.finding import Diagnosis


@attrs.define
class Told:
    """What became of the page. `diagnosis` is None where the run could not be looked into."""

    diagnosis: "Diagnosis | None" = None
    is_written: bool = False
    is_interrupted: bool = False


def write_page(
    folder: Path, summary: Mapping[str, Any], run: Mapping[str, Any], *, as_json: bool, to: Path | None = None
) -> Told:
    """Say what went wrong in the run in `folder`, write its page, and say where that is, or why there is none.

    Whatever keeps it from being written is a warning, never raised: the exit code is to tell how the run ended.
    """
    path, told = to or folder / "report.html", Told()
    stream = sys.stderr if as_json else sys.stdout
    try:
        # Bokeh, Jinja2 and scipy take a second to load: nobody should wait for them who writes no page.
        from coval_load.cli.waiting import say_how_much
        from coval_load.report.page.page import look_into, write_report
        from coval_load.report.summary_text import diagnosis_text

        say_how_much(folder, "the page; Ctrl-C leaves it out")
        found = look_into(folder, summary, run)
        told.diagnosis = found.diagnosis
        say_told(diagnosis_text(found.diagnosis, in_colour(stream)), stream)
        write_report(found, path)
    except OSError as error:
        _warn(path, error.strerror or str(error))
    except Faulty as faulty:
        _warn(path, str(faulty))
    except Exception as error:  # noqa: BLE001 a fault of the page must not cost what was measured
        _warn(path, f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        told.is_interrupted = True
        _warn(path, "interrupted")
    else:
        say_told(f"report: {visible(str(path))}\n", stream)
        told.is_written = True
    return told


def _warn(path: Path, why: str) -> None:
    folder = path.parent
    advice = "coval-load report DIR makes it again"
    if folder.is_dir() and not os.access(folder, os.W_OK):
        why, advice = f"{folder} is read-only", "coval-load report DIR --html FILE writes it elsewhere"
    say(sys.stderr, visible(f"warning: {path} was not written: {why}; {advice}\n"))
