"""Real servers, each from an environment of its own, run as processes on loopback."""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

HERE = Path(__file__).parent
ENVIRONMENTS = HERE / ".venvs"
"""Kept from run to run, one for each list of requirements as it stands; throw it away at will."""

INSTALL_LIMIT_S = 900
READY_LIMIT_S = 120
END_LIMIT_S = 20


@attrs.frozen
class Peer:
    """A server that answers at `url`, which has no slash at its end."""

    url: str
    port: int


def installed(name):
    """The folder of programs of an environment with `requirements-<name>.txt`; made where there is none yet."""
    requirements = HERE / f"requirements-{name}.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = ENVIRONMENTS / f"{name}-{digest}"
    whole = folder / "installed"
    if not whole.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run(sys.executable, "-m", "venv", folder)
        _run(
            folder / "bin" / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
            requirements,
        )
        whole.touch()
    return folder / "bin"


def _run(*command):
    done = subprocess.run(
        [str(word) for word in command],
        check=False,
        capture_output=True,
        text=True,
        timeout=INSTALL_LIMIT_S,
        env=environment(),
    )
    assert done.returncode == 0, f"{command[-1]}: {(done.stdout + done.stderr)[-4000:]}"


def environment(**more):
    """Ours, but for what would change how a peer runs."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LITELLM", "VIRTUAL_ENV"))
    }
    return {**kept, **more}


def free_port():
    """A port of loopback that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def serving(command, port, log, *, ready, **variables):
    """The server that `command` starts on `port`, from when the path `ready` answers; ended with all its children.

    What it prints goes into the file `log`.
    """
    peer = Peer(f"http://127.0.0.1:{port}", port)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=HERE,
            env=environment(**variables),
            start_new_session=True,
        )
        try:
            _await(process, peer.url + ready, log)
            yield peer
        finally:
            end(process)


def _await(process, url, log):
    until = time.monotonic() + READY_LIMIT_S
    while not _answers(url):
        assert process.poll() is None, f"the peer ended with {process.returncode}: {_last_of(log)}"
        assert time.monotonic() < until, f"the peer did not answer within {READY_LIMIT_S} s: {_last_of(log)}"
        time.sleep(0.2)


def _answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _last_of(log):
    return log.read_text(errors="replace")[-4000:]


def end(process):
    """Ends it by its group, which is its own: a server may have workers, and they may outlive it."""
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_LIMIT_S)
    _signal(process, signal.SIGKILL)
    process.wait(END_LIMIT_S)


def _signal(process, number):
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
