"""What the documentation says about recordings is held to what is written beside them."""

import json
import re
from pathlib import Path

import pytest

from coval_load.actors.cue_list import LONGEST_WORDS, cue_list, write_cue_list
from coval_load.actors.transcript import Entry

DOCS = (Path(__file__).parents[1] / "docs" / "results.md").read_text(encoding="utf-8")
SECTION = DOCS.split("\n### Labels\n")[1].split("\n## ")[0]


def block(language):
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", DOCS, re.DOTALL | re.MULTILINE)
    return found


@pytest.fixture
def row():
    """The simulation of the documentation, but that it failed in the end."""
    error = {"kind": "no_response", "stage": "conversation", "turn": 2, "message": "No response received within 30 s"}
    return json.loads(block("json simulation")) | {"outcome": "failed", "error": error}


def test_the_labels_in_the_documentation_are_those_of_its_simulation(row):
    assert block("text labels") == cue_list(row)


def test_the_python_in_the_documentation_reads_them(row, tmp_path, capsys):
    (tmp_path / "recordings").mkdir()
    write_cue_list(tmp_path / row["recording"]["file"], cue_list(row))
    exec(block("python labels"), {"run": tmp_path, "row": row})
    assert capsys.readouterr().out == "the agent spoke for 1.15 s from 1.74 s on\n"


@pytest.mark.parametrize(
    "entry",
    [
        Entry("user", "12#", 1, 2, kind="dtmf"),
        Entry("user", "cat.png", 1, 2, kind="media"),
        Entry("assistant", None, 1, 2, kind="tool_call", tool={"id": "1", "name": "look", "arguments": "{}"}),
        Entry("tool", "42", 1, 2, kind="tool_result", tool={"id": "1", "name": "look"}),
        Entry("assistant", None, 1, 2, interrupted=True),
        Entry("assistant", None, 1, 2, interrupted_caller=True),
    ],
)
def test_what_a_label_begins_with_is_explained(row, entry):
    label = cue_list(row | {"transcript": [entry.row(0)], "events": [], "error": None}).split("\t")[2].strip()
    who, _, what = label.partition(":")[0].partition(" ")
    assert f"`{who}`" in SECTION
    assert not what or f"`{what}`" in SECTION
    assert f"cut at {LONGEST_WORDS} characters" in SECTION
