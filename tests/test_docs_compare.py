"""What docs/compare.md shows is what the command prints."""

import json

import orjson
from click.testing import CliRunner
from docs_pages import blocks, rows
from past_runs import conversations, write_run

from coval_load.cli.compare import compare
from coval_load.report.comparison.rows import SIMULATIONS_AT_LEAST


def compared(folder, *options):
    write_run(folder / "before", conversations(300), failed=3)
    load = {"shape": "simulations", "concurrency": 16}
    write_run(folder / "after", conversations(300, seed=2, median_s=0.58), failed=30, plan={"load": load})
    return CliRunner().invoke(compare, ["before", "after", *options], catch_exceptions=False)


def shown(language):
    (found,) = [text for name, text in blocks("compare") if name == language]
    return found


def test_the_terminal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = compared(tmp_path)
    assert done.stdout.rstrip("\n") == shown("text").rstrip("\n")


def test_json(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told, example = orjson.loads(compared(tmp_path, "--json").stdout), json.loads(shown("json"))
    (one,), (other,) = told.pop("comparisons"), example.pop("comparisons")
    assert told["baseline"].items() >= example["baseline"].items()
    row, shown_row = one["rows"][0], other.pop("rows")[0]
    assert one["run"].items() >= other.pop("run").items()
    assert one.items() >= other.items()
    for key, value in shown_row.items():
        if key == "interval":
            assert [round(end, 3) for end in row[key]] == value
        else:
            assert (round(row[key], 6) if key in ("baseline", "value") else row[key]) == value or key == "change"
    assert round(row["change"], 4) == shown_row["change"]
    assert set(row) == set(shown_row)


def test_every_option_is_listed():
    listed = {cell.split()[0] for cell in rows("compare", "")}
    options = {name for one in compare.params for name in one.opts if name.startswith("--")}
    assert {option.strip("`") for option in listed} == options
    assert SIMULATIONS_AT_LEAST == 20
