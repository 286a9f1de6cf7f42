"""Files a plan is made of: YAML, TOML or JSON by their suffix, all read strictly."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from coval_load.faults import Fault, Faulty
from coval_load.json_text import read_json, too_deep_message
from coval_load.plans.yaml_text import read_yaml

LARGEST = 32 * 1024 * 1024
"""Bytes: an agent's `metadata`, `workflows` and `attributes` may have ten megabytes each."""


Readers = Mapping[str, tuple[str, Callable[[str], Any]]]
"""By suffix: what the format is called, and what makes a value of its text or raises ValueError."""


def read_document(path: Path) -> Any:
    """What stands in the file. Raises `Faulty` with one fault where it can't be read."""
    return read_file(path, DOCUMENTS)


def read_file(path: Path, readers: Readers) -> Any:
    """As `read_document`, for a file that one of `readers` reads."""
    kind, read = _reader(path, readers)
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise _faulty(f"expected a readable file at {path}; {error.strerror or error}") from None
    except ValueError as error:
        raise _faulty(f"expected the path of a file; {error}") from None
    if len(data) > LARGEST:
        raise _faulty(f"expected at most {LARGEST} bytes in {path}; got more")
    try:
        return read(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise _faulty(f"expected UTF-8 text in {path}; got other bytes") from None
    except ValueError as error:
        raise _faulty(f"expected {kind} in {path}; {error}") from None


def _faulty(message: str) -> Faulty:
    return Faulty([Fault("", message)])


def _read_toml(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError(too_deep_message()) from None


DOCUMENTS: Readers = {
    ".yaml": ("YAML", read_yaml),
    ".yml": ("YAML", read_yaml),
    ".toml": ("TOML", _read_toml),
    ".json": ("JSON", read_json),
}


def _reader(path: Path, readers: Readers) -> tuple[str, Callable[[str], Any]]:
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise _faulty(f"expected a file that ends in {', '.join(readers)}; got {path.name}")
    return reader
