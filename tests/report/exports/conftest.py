"""A run folder to export, made once."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))


@pytest.fixture(scope="session")
def made_folder(tmp_path_factory):
    from made_runs import make_run

    return make_run(tmp_path_factory.mktemp("made") / "run", simulations=60, hostile=True, resumed=True, turns=3)
