"""Fails when a source file grows past 400 lines: it has two jobs then."""

import sys
from pathlib import Path

LIMIT = 400
long = [
    f"{path}: {lines} lines, at most {LIMIT} expected; split it by its jobs"
    for folder in ("coval_load", "tests", "tests_benchmarks", "benchmarks")
    for path in sorted(Path(folder).rglob("*.py"))
    if (lines := len(path.read_text().splitlines())) > LIMIT
]
print("\n".join(long) or "no file is longer than 400 lines")
sys.exit(bool(long))
