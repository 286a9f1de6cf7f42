"""The pages of the documentation: their code blocks, and their tables of keys."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text("utf-8")


def blocks(name: str) -> list[tuple[str, str]]:
    """(language, text) of each code block of a page; the language of most that are not to be loaded is empty."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", page(name), re.MULTILINE | re.DOTALL)


def rows(name: str, heading: str) -> dict[str, str]:
    """The first two cells of the first table with keys under a heading, of all before the first one where it is ''."""
    text = page(name)
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0] if heading else text.split("\n## ")[0]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert table
    lines = [line.strip("|").split(" | ") for line in table[0].splitlines()[2:]]
    return {cells[0].strip(" `"): cells[1].strip() for cells in lines}


def is_said(cell: str, value: object) -> bool:
    """Whether a cell of a table says that `value` is the default: `none`, or the value in backquotes."""
    if cell.startswith("none"):
        return not value
    if isinstance(value, Sequence) and not isinstance(value, str):
        return re.findall(r"`([^`]*)`", cell) == list(value)
    found = re.match(r"`([^`]*)`(?=;|$)", cell)
    says = {str(value), json.dumps(value), f"{value:g}" if isinstance(value, float) else ""}
    return found is not None and found[1] in says
