"""How large the page of a run is, how long it takes to write, and how soon it can be used in a browser.

`python benchmarks/report_page.py --simulations 10000`; Chromium and chromedriver are taken from /usr/bin.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests/end_to_end"))

from browser import Browser

from coval_load.report.page.page import look_into, write_report
from tests.report.made_runs import make_run

USABLE_WITHIN_MS = 3_000
BYTES_AT_MOST = 20_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=10_000)
    parser.add_argument("--openings", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = make_run(Path(scratch) / "run", simulations=arguments.simulations, bad=True)
        summary, run = (json.loads((folder / name).read_text()) for name in ("summary.json", "run.json"))
        began = time.perf_counter()
        page = folder / "report.html"
        write_report(look_into(folder, summary, run), page)
        print(f"{arguments.simulations:,} simulations: written in {time.perf_counter() - began:.1f} s")
        size = page.stat().st_size
        print(f"{size / 1e6:.1f} MB, at most {BYTES_AT_MOST / 1e6:.0f} MB expected")
        usable = max(opened(page) for _ in range(arguments.openings))
    return 0 if usable < USABLE_WITHIN_MS and size < BYTES_AT_MOST else 1


def opened(page: Path) -> float:
    """Milliseconds until the table was shown, in a browser of its own."""
    browser = Browser()
    try:
        browser.open_report(page)
        browser.wait_for_charts()
        marks = dict(browser.run("return performance.getEntriesByType('mark').map((one) => [one.name, one.startTime])"))
        browser.run("window.began = performance.now(); document.getElementById('search').focus()")
        browser.press("ticket is 12345")
        browser.wait("return document.getElementById('shown').textContent.includes('transcripts searched')")
        searched = browser.run("return performance.now() - window.began")
    finally:
        browser.driver.quit()
    told = ", ".join(f"{name} after {at:,.0f} ms" for name, at in marks.items())
    print(f"{told}; all transcripts searched {searched:,.0f} ms after the first key")
    return marks["table shown"]


if __name__ == "__main__":
    sys.exit(main())
