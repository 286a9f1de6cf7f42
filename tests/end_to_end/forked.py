"""Processes that begin with everything imported: forks of one that has.

To import takes a command most of a second of a core, and the tests start hundreds. What depends on how Python itself
starts, or on signals and terminals, is for real processes.
"""

import gc
import multiprocessing
import os
import sys
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path

import trio

_ROOT = Path(__file__).parents[2]
_NEEDED = ("actors", "agents", "cli", "codecs", "engine", "plans", "reference", "report/page")
"""With all that is in them: commands import late what not all of them need."""


def _modules():
    for folder in _NEEDED:
        for path in sorted((_ROOT / "coval_load" / folder).rglob("*.py")):
            if path.name != "__main__.py":
                yield ".".join(path.relative_to(_ROOT).with_suffix("").parts).removesuffix(".__init__")


_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload([*_modules(), "encodings.idna"])


@contextmanager
def _forked(target, *arguments):
    process = _FORKING.Process(target=target, args=arguments)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


def _become(cwd, env, out, err):
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for path, stream in ((out, sys.stdout), (err, sys.stderr)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, stream.fileno())
        os.close(file)
    warnings.simplefilter("error")
    gc.freeze()  # or the collector would copy all memory that is shared with the others


def _command(words, *where):
    from coval_load.cli.entry import main

    _become(*where)
    sys.argv = ["coval-load", *words]
    main()


def _agent(words, announced, *where):
    from coval_load.reference.command import reference_agent

    _become(*where)
    os.dup2(announced.fileno(), sys.stdout.fileno())
    announced.close()
    reference_agent(words, prog_name="python -m coval_load.reference")


@contextmanager
def begun_command(words, cwd, env):
    """`coval-load` with these words, killed once the block is left; and where it says what."""
    with tempfile.TemporaryDirectory() as folder:
        said = [f"{folder}/out", f"{folder}/err"]
        with _forked(_command, words, str(cwd), env, *said) as process:
            yield process, said


async def run_command(words, cwd, env):
    """`coval-load` with these words, to its end: the exit code, and what it said on standard output and error."""
    with begun_command(words, cwd, env) as (process, said):
        await trio.lowlevel.wait_readable(process.sentinel)
        process.join()
        return process.exitcode, *map(_read, said)


def _read(path):
    return Path(path).read_text("utf-8")


@contextmanager
def reference_agent(words, folder):
    """A reference agent while the block runs, and where to read the line of JSON in which it announces itself."""
    read, write = _FORKING.Pipe(duplex=False)
    errors = str(folder / "stderr.txt")
    with read, _forked(_agent, words, write, str(folder), dict(os.environ), errors, errors):
        write.close()
        yield read.fileno()
