"""What a step of a page of the documentation came to, where a test followed it."""

import json
from pathlib import Path

import attrs

from coval_load.engine.run_folder import read_rows


@attrs.frozen
class Done:
    """A step in a folder of its own: what the command printed and exited with, and what it left."""

    code: int
    printed: str
    folder: Path

    @property
    def results(self) -> Path:
        (results,) = (self.folder / "coval-runs").iterdir()
        return results

    def completed_without_showing(self, key: str) -> None:
        """Assert that it did, with `key` neither printed nor in any result."""
        assert self.code == 0, self.printed
        assert "completed" in self.printed
        assert key not in self.printed
        assert key.encode() not in b"".join(path.read_bytes() for path in self.folder.glob("coval-runs/*/*.*"))

    @property
    def summary(self) -> dict:
        return json.loads((self.results / "summary.json").read_text())

    @property
    def rows(self) -> list[dict]:
        return list(read_rows(self.results / "simulations.jsonl"))
