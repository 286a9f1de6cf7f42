"""The command is there for Ctrl-C before it is loaded."""

import sys

import pytest

from coval_load.cli import entry


class PressedCtrlC:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "coval_load.cli.main":
            raise KeyboardInterrupt


def test_an_interrupted_import_leaves_no_trace(monkeypatch):
    monkeypatch.delitem(sys.modules, "coval_load.cli.main", raising=False)
    monkeypatch.setattr(sys, "meta_path", [PressedCtrlC, *sys.meta_path])
    with pytest.raises(SystemExit) as stopped:
        entry.main()
    assert stopped.value.code == 130


def test_the_command_is_run(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["coval-load", "--version"])
    entry.main()
    assert capsys.readouterr().out.startswith("coval-load, version")
