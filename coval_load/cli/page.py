"""`report.html` beside what a run left, and where it is."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coval_load.cli.output import say
from coval_load.faults import Faulty
from coval_load.report.visible import visible


def write_page(
    folder: Path, summary: Mapping[str, Any], run: Mapping[str, Any], *, as_json: bool, to: Path | None = None
) -> bool:
    """Write the page of the run in `folder` and say where it is, or why it could not be written and what to do.

    Whatever keeps it from being written is a warning, never raised: the exit code is to tell how the run ended.
    Returns whether it was written.
    """
    path = to or folder / "report.html"
    try:
        # Bokeh, Jinja2 and scipy take a second to load: nobody should wait for them who writes no page.
        from coval_load.report.page.page import write_report

        write_report(folder, summary, run, path)
    except OSError as error:
        _warn(path, error.strerror or str(error))
    except Faulty as faulty:
        _warn(path, str(faulty))
    except Exception as error:  # noqa: BLE001 a fault of the page must not cost what was measured
        _warn(path, f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        _warn(path, "interrupted")
    else:
        say(sys.stderr if as_json else sys.stdout, f"report: {visible(str(path))}\n")
        return True
    return False


def _warn(path: Path, why: str) -> None:
    folder = path.parent
    advice = "coval-load report DIR makes it again"
    if folder.is_dir() and not os.access(folder, os.W_OK):
        why, advice = f"{folder} is read-only", "coval-load report DIR --html FILE writes it elsewhere"
    say(sys.stderr, visible(f"warning: {path} was not written: {why}; {advice}\n"))
