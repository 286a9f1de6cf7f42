"""Dask schedulers and Dask workers as processes that somebody has started, and what can be seen of processes.

They begin with everything imported, forked by this very file: to import takes each most of a second of a core.
"""

import ctypes
import gc
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import psutil
import trio
import trustme

PATIENCE_S = 60
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG, linux/prctl.h


class DaskCluster:
    """A scheduler and its workers in `folder`, all they print in files there. `options` are for each of them."""

    def __init__(self, mother, folder, *options, host="127.0.0.1", namespace=None):
        self.mother, self.folder, self.options, self.host = mother, folder, options, host
        self.file = folder / "scheduler.json"
        self.workers = []
        self.scheduler = self._start("scheduler", "--port=0", namespace=namespace)

    def worker(self, threads=1, *, host=None, namespace=None):
        """Starts another Dask worker; its pid."""
        named = f"dask-{len(self.workers) + 1}"
        pid = self._start("worker", f"--nthreads={threads}", "--no-nanny", name=named, host=host, namespace=namespace)
        self.workers.append(pid)
        return pid

    async def address(self, workers=0):
        """Of the scheduler, once that is up; `workers` of its workers are by then."""
        with trio.fail_after(PATIENCE_S):
            while not (self.file.exists() and self.file.read_text().endswith("}")):  # noqa: ASYNC110 - a file
                await trio.sleep(0.02)
            while self.said("worker").count("Registered to") < workers:  # noqa: ASYNC110 - a file has no event
                await trio.sleep(0.02)
        return json.loads(self.file.read_text())["address"]

    def said(self, whose=""):
        """What all of them printed, or those of a kind."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob(f"dask-{whose}*.txt")))

    def _start(self, kind, *options, name=None, host=None, namespace=None):
        words = [f"--host={host or self.host}", f"--scheduler-file={self.file}", "--no-dashboard", *options]
        words += [f"--name={name}"] if name else []
        said = self.folder / f"dask-{kind}-{len(self.workers)}.txt"
        return self.mother.start(kind, [*words, *self.options], said, namespace)


class Mother:
    """A process with Dask in it that forks others, which end with it."""

    def __init__(self, process):
        self.process, self.pids = process, []

    def start(self, kind, words, said, namespace=None):
        """`dask scheduler` or `dask worker`; in the network namespace of that name, if any."""
        order = {"kind": kind, "words": words, "said": str(said), "namespace": namespace}
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()
        self.pids.append(int(self.process.stdout.readline()))
        return self.pids[-1]


@contextmanager
def mother():
    """While the block runs."""
    environment = {**os.environ, "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False"}
    environment.pop("PYTHONWARNINGS", None)
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    with process:
        found = Mother(process)
        try:
            yield found
        finally:
            process.stdin.close()
            for pid in found.pids:
                end(pid)
            process.kill()


def end(pid):
    """Kills the process, stopped or not, and what it has started."""
    for one in family(pid):
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue


def family(pid):
    """The process with all that it has started, and theirs."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def workers_of(pid):
    """The workers' processes that a process has started, and those that it has started."""
    found = [one for one in family(pid) if "coval_load.cluster" in words_of(one)]
    return sorted(one.pid for one in found)


def words_of(process):
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def is_there(pid):
    """Whether it runs, or is stopped; what has ended and was not waited for is not there."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def ended(pids, within_s=PATIENCE_S):
    """Waits until none of them is there."""
    with trio.fail_after(within_s):
        while any(map(is_there, pids)):  # noqa: ASYNC110 - other processes have no event
            await trio.sleep(0.02)


def certificates(folder, *hosts):
    """Of one authority for all, as options of Dask's commands and as a user's environment."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued = authority.issue_cert(*(hosts or ("127.0.0.1",)))
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "cert.pem")
    options = ["--protocol=tls", f"--tls-ca-file={folder}/ca.pem", f"--tls-cert={folder}/cert.pem"]
    names = {"CA_FILE": "ca.pem", "CLIENT__CERT": "cert.pem", "CLIENT__KEY": "cert.pem"}
    return options, {f"DASK_DISTRIBUTED__COMM__TLS__{name}": f"{folder}/{file}" for name, file in names.items()}


def _become(order):
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if order["namespace"]:
        enter_namespace(order["namespace"])
    said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, file in enumerate((nothing, said, said)):
        os.dup2(file, number)
    gc.freeze()
    commands = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}
    commands[order["kind"]](order["words"], prog_name=f"dask {order['kind']}")


def enter_namespace(name):
    """Has this thread make its sockets in the network namespace of that name from now on."""
    with Path(f"/var/run/netns/{name}").open("rb") as namespace:
        assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0) == 0, ctypes.get_errno()


def _bear():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin.buffer:
        pid = os.fork()
        if pid == 0:
            try:
                _become(json.loads(line))
            finally:
                os._exit(1)
        os.write(1, b"%d\n" % pid)


if __name__ == "__main__":
    from distributed.cli import dask_scheduler, dask_worker

    import coval_load.cluster.bridge  # noqa: F401  what workers need besides

    _bear()
