"""The command in a process of its own, for tests that block; what it says goes to files."""

import re
import subprocess
import time
from contextlib import contextmanager

import attrs
from command import COMMAND, PATIENCE_S, environment


@attrs.define
class Watched:
    """A command that runs. `out` and `err` are files."""

    process: subprocess.Popen
    out: object
    err: object

    def says(self, pattern):
        """Waits until standard error has what matches `pattern`; gives its first group."""
        until = time.monotonic() + PATIENCE_S
        while (found := re.search(pattern, self.err.read_text())) is None:
            assert time.monotonic() < until and self.process.poll() is None, self.err.read_text()
            time.sleep(0.02)
        return found[1]

    def end(self):
        return self.process.wait(PATIENCE_S)


@contextmanager
def watched_command(*arguments, cwd, **more):
    out, err = cwd / "out.txt", cwd / "err.txt"
    with out.open("w") as to, err.open("w") as told:
        command = [COMMAND, *map(str, arguments)]
        process = subprocess.Popen(command, cwd=cwd, env=environment(**more), stdout=to, stderr=told)
    with process:
        try:
            yield Watched(process, out, err)
        finally:
            process.kill()
