"""What is loaded before a command has anything to say: it is what a person waits for first."""

import subprocess
import sys

import pytest

from coval_load.cli.main import cli

HEAVY = {
    *("trio", "attrs", "attr", "cattrs", "numpy", "scipy", "samplerate", "av", "orjson", "yaml", "httpx", "httptools"),
    *("websockets", "trio_websocket", "hdrh", "psutil", "rich", "bokeh", "jinja2", "starlette", "hypercorn", "pyarrow"),
    *("opentelemetry", "trustme", "ssl", "asyncio", "email", "importlib.metadata", "tempfile", "subprocess", "logging"),
    *("distributed", "dask", "msgpack", "cloudpickle"),
}
ASKING = (
    "import sys\nfrom coval_load.cli.entry import main\nsys.argv = ['coval-load', {!r}]\n"
    "try:\n    main()\nfinally:\n    print(*sys.modules, file=sys.stderr)"
)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_what_is_loaded_to_say_what_there_is(option):
    asked = [sys.executable, "-c", ASKING.format(option)]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "click" in loaded, done.stderr
    assert not loaded & HEAVY
    assert {name for name in loaded if name.startswith("coval_load")} == {
        *("coval_load", "coval_load.cli", "coval_load.cli.entry", "coval_load.cli.main", "coval_load.cli.output"),
    }


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_commands_are_listed_as_they_would_list_themselves(columns, monkeypatch):
    context = cli.make_context("coval-load", ["demo"], terminal_width=columns, max_content_width=columns)
    by_table, by_themselves = context.make_formatter(), context.make_formatter()
    cli.format_commands(context, by_table)
    super(type(cli), cli).format_commands(context, by_themselves)
    assert by_table.getvalue() == by_themselves.getvalue()
