"""The post over Dask, with schedulers, Dask workers and workers that are real processes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import types
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from unittest.mock import Mock

import dask
import distributed
import psutil
import pytest
import trio
import trustme

from coval_load.cluster import dask_engines, dask_start
from coval_load.cluster.dask_engines import Engines
from coval_load.cluster.dask_post import CLOSE_WITHIN_S, open_dask_post
from coval_load.cluster.dask_start import Trust
from coval_load.cluster.post import Arrived, Broken, Expected, Gone
from coval_load.cluster.where import Local, Remote

HERE = Path(__file__).parent
ECHO = (sys.executable, str(HERE / "echo_worker.py"))


class Reader:
    """What a post tells, looked at one thing at a time."""

    def __init__(self, post):
        self.post = post
        self.pids = {}
        self.expected = {}
        self.ends = {}

    async def next(self):
        news = await self.post.receive()
        match news:
            case Expected(worker, host):
                assert worker not in self.expected
                self.expected[worker] = host
            case Arrived(worker, data) if data.startswith(b"pid "):
                self.pids[worker] = int(data.split()[1])
            case Gone(worker):
                assert worker not in self.ends
                self.ends[worker] = news
        return news

    async def until(self, is_it):
        with trio.fail_after(30):
            while not is_it(news := await self.next()):
                pass
        return news

    async def up(self, count):
        with trio.fail_after(30):
            while len(self.pids) < count:
                await self.next()

    async def gone(self, worker):
        if worker not in self.ends:
            await self.until(lambda _: worker in self.ends)
        return self.ends[worker]

    async def answers(self, worker, count):
        found = []
        while len(found) < count:
            news = await self.until(lambda news: isinstance(news, Arrived) and news.worker == worker)
            found.append(news.data)
        return found


def ours():
    """Processes that this one has started, and theirs; without the one that Python keeps to itself."""
    found = psutil.Process().children(recursive=True)
    return {one.pid for one in found if not any("resource_tracker" in word for word in one.cmdline())}


async def ended(pids):
    with trio.fail_after(15):
        await each_moment(lambda: not any(is_there(pid) for pid in pids))


async def each_moment(is_it):
    """Real processes take real time, and tell nobody."""
    while not is_it():  # noqa: ASYNC110
        await trio.sleep(0.02)


def is_there(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_workers_of_this_machine(capfd):
    before = ours()
    async with open_dask_post(Local(2), ECHO) as post:
        reader = Reader(post)
        await reader.up(2)
        assert reader.expected == {"worker-1": "127.0.0.1", "worker-2": "127.0.0.1"}
        sent = [b"%d" % number for number in range(100)]
        for piece in sent:
            post.send("worker-1", piece)
        assert await reader.answers("worker-1", 100) == sent
        large = os.urandom(9_000_000)
        post.send("worker-1", large)
        post.send("worker-1", b"after it")
        assert await reader.answers("worker-1", 2) == [large, b"after it"]

        post.send("worker-2", b"exit 3")
        assert await reader.gone("worker-2") == Gone("worker-2", "its process ended with exit code 3", is_dead=True)
        post.send("worker-2", b"to nobody")

        dask_worker = psutil.Process(reader.pids["worker-1"]).ppid()
        os.kill(dask_worker, signal.SIGKILL)
        gone = await reader.gone("worker-1")
        assert not gone.is_dead
        assert "is gone" in gone.why
        await ended([reader.pids["worker-1"]])
        await reader.up(3)  # Dask has started another one
        post.send("worker-3", b"stop")
        post.kill("worker-3")
        gone = await reader.gone("worker-3")
        assert gone == Gone("worker-3", "it was killed, as the coordinator asked for", is_dead=True)
    await ended(ours() - before)
    assert capfd.readouterr() == ("", "")


async def line(stream):
    found = b""
    while not found.endswith(b"\n"):
        found += await stream.receive_some() or b"\n"
    return found


async def test_one_that_takes_nothing_holds_up_nobody(capfd, monkeypatch):
    monkeypatch.setattr(dask_engines, "MOST_WAITING", 1_000_000)
    before = ours()
    async with open_dask_post(Local(2), ECHO) as post:
        reader = Reader(post)
        await reader.up(2)
        os.kill(psutil.Process(reader.pids["worker-1"]).ppid(), signal.SIGSTOP)
        piece = bytes(100_000)
        for _ in range(100):
            post.send("worker-1", piece)
            post.send("worker-2", b"to the other one")
            assert await reader.answers("worker-2", 1) == [b"to the other one"]
        gone = await reader.gone("worker-1")
        assert not gone.is_dead
        assert "does not take what is sent to it" in gone.why
        since = trio.current_time()
    assert trio.current_time() - since < CLOSE_WITHIN_S
    await ended(ours() - before)
    assert capfd.readouterr() == ("", "")


async def test_who_gives_up_while_it_starts_leaves_nothing(capfd):
    before = ours()
    with trio.move_on_after(0.3) as scope:
        async with open_dask_post(Local(1), ECHO):
            await trio.sleep_forever()
    assert scope.cancelled_caught
    await ended(ours() - before)
    assert capfd.readouterr() == ("", "")


async def test_without_a_scheduler_it_is_said_what_to_do(monkeypatch):
    monkeypatch.setattr(dask_start, "CONNECT_WITHIN_S", 0.3)
    with pytest.raises(ValueError, match=r"expected a Dask scheduler at tcp://127\.0\.0\.1:1; got .*reached from here"):
        async with open_dask_post(Remote("tcp://127.0.0.1:1"), ECHO):
            pass
    with pytest.raises(ValueError, match=r"expected certificates for tls://127\.0\.0\.1:1; got none: set DASK_"):
        async with open_dask_post(Remote("tls://127.0.0.1:1"), ECHO):
            pass


async def test_who_gives_up_while_it_connects_does_not_wait():
    with trio.socket.socket() as silent:
        await silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        port = silent.getsockname()[1]
        with trio.move_on_after(0.5) as scope:
            async with open_dask_post(Remote(f"tcp://127.0.0.1:{port}"), ECHO):
                pass
        assert scope.cancelled_caught
        assert not [thread for thread in threading.enumerate() if thread.name == "dask"]


@pytest.mark.parametrize(
    ("where", "address", "is_fit"),
    [
        (Local(1), "tcp://10.0.0.7:1", True),
        (Remote("tcp://127.0.0.1:8786"), "tcp://127.0.0.1:1", True),
        (Remote("tcp://127.0.0.1:8786"), "tcp://10.0.0.7:1", False),
        (Remote("tcp://127.0.0.1:8786", allow_plaintext=True), "tcp://10.0.0.7:1", True),
        (Remote("tls://10.0.0.1:8786"), "tls://10.0.0.7:1", True),
        (Remote("tls://10.0.0.1:8786"), "tcp://10.0.0.7:1", False),
    ],
)
def test_who_may_be_told_secrets(where, address, is_fit):
    objection = Trust(where).objection(address)
    assert objection is None if is_fit else f"got {address}" in objection


class LoneClient:
    """A `distributed.Client` of a cluster whose worker is elsewhere."""

    cluster = types.SimpleNamespace(scheduler=types.SimpleNamespace(extensions={"queues": Mock()}))

    def subscribe_topic(self, topic, handler):
        self.heard = handler

    async def nthreads(self):
        return {"tcp://10.0.0.7:1": 2}


async def test_secrets_do_not_go_to_a_worker_elsewhere():
    told = []
    engines = Engines(LoneClient(), Trust(Remote("tcp://127.0.0.1:8786")), ECHO, told.append)
    with pytest.raises(ValueError, match=r"got tcp://10\.0\.0\.7:1: set up TLS"):
        asyncio.run(engines.open())
    engines._expect("tcp://10.0.0.8:1", 1)
    assert told[0] == Expected("worker-1", "10.0.0.8")
    assert isinstance(told[1], Gone)
    assert told[1].is_dead


@asynccontextmanager
async def coordinator():
    """Its process leads a group, as one that a shell has started."""
    command = [sys.executable, str(HERE / "echo_coordinator.py")]
    process = await trio.lowlevel.open_process(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        with trio.fail_after(60):
            pids = [int(pid) for pid in (await line(process.stdout)).split()]
        yield process, pids
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()
            await process.stdout.aclose()
            await process.stderr.aclose()


async def test_an_interrupt_is_the_coordinators_alone():
    async with coordinator() as (process, pids):
        os.killpg(process.pid, signal.SIGINT)
        with trio.fail_after(30):
            assert await line(process.stdout) == b"well\n"
            assert await process.stderr.receive_some() == b""
            assert await process.wait() == 0
        await ended(pids)


async def test_nothing_outlives_a_coordinator_that_is_killed():
    async with coordinator() as (process, pids):
        assert len(pids) >= 4
        process.kill()
        with trio.fail_after(20):
            await process.wait()
        await ended(pids)


@contextmanager
def certificates(folder):
    """Of one authority for all, and this process told of them as a user would: in Dask's configuration."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "cert.pem")
    files = {"ca-file": "ca.pem", "client.cert": "cert.pem", "client.key": "cert.pem"}
    with dask.config.set({f"distributed.comm.tls.{key}": f"{folder}/{name}" for key, name in files.items()}):
        yield [f"--tls-{what}={folder}/{name}" for what, name in [("ca-file", "ca.pem"), ("cert", "cert.pem")]]


class Cluster:
    """A Dask scheduler and Dask workers, as processes that somebody has started."""

    def __init__(self, folder, options):
        self.file, self.options, self.processes = folder / "scheduler.json", options, []
        without_us = "import sys; sys.modules['coval_load'] = None; "
        self.scheduler = self.start("dask_scheduler", without_us, "--host=127.0.0.1", "--port=0")

    def start(self, module, first, *options):
        command = [sys.executable, "-c", f"{first}from distributed.cli.{module} import main; main()"]
        options = [
            f"--scheduler-file={self.file}",
            "--dashboard-address=127.0.0.1:0",
            "--no-dashboard",
            *options,
            *self.options,
        ]
        process = subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def worker(self, threads):
        return self.start("dask_worker", "", f"--nthreads={threads}", "--no-nanny", "--host=127.0.0.1")

    async def address(self):
        with trio.fail_after(30):
            await each_moment(lambda: self.file.exists() and self.file.read_text().endswith("}"))
        return json.loads(self.file.read_text())["address"]


@contextmanager
def cluster(folder, *options):
    found = Cluster(folder, options)
    try:
        yield found
    finally:
        for process in found.processes:
            process.kill()
            process.wait()


async def test_workers_of_a_cluster(tmp_path, capfd):
    with certificates(tmp_path) as options, cluster(tmp_path, "--protocol=tls", *options) as dask_cluster:
        first = dask_cluster.worker(2)
        address = await dask_cluster.address()
        assert address.startswith("tls://")
        async with open_dask_post(Remote(address), ECHO) as post:
            reader = Reader(post)
            await reader.up(2)
            late = dask_cluster.worker(1)
            await reader.up(3)
            assert set(reader.expected) == {"worker-1", "worker-2", "worker-3"}
            post.send("worker-2", b"to the second thread")
            assert await reader.answers("worker-2", 1) == [b"to the second thread"]

            late.terminate()
            await reader.gone("worker-3")
            await ended([reader.pids["worker-3"], late.pid])
            post.kill("worker-1")
            assert (await reader.gone("worker-1")).is_dead

            dask_cluster.scheduler.kill()
            broken = await reader.until(lambda news: isinstance(news, Broken))
            assert broken.why == "the Dask scheduler can't be reached: the connection was closed"
        await ended([reader.pids["worker-2"], first.pid])
        with trio.move_on_after(0):
            pytest.fail(f"news after the end: {await post.receive()}")
    assert capfd.readouterr() == ("", "")


async def test_a_cluster_is_left_as_it_was(tmp_path, capfd):
    with cluster(tmp_path) as dask_cluster:
        dask_cluster.worker(1)
        address = await dask_cluster.address()
        pids = []
        for _ in range(2):
            async with open_dask_post(Remote(address), ECHO) as post:
                reader = Reader(post)
                await reader.up(1)
                pids += reader.pids.values()
        await ended(pids)
        async with open_dask_post(Remote(address), ("/no/such/program",)) as post:
            assert "FileNotFoundError" in (await Reader(post).gone("worker-1")).why
        with distributed.Client(address, set_as_default=False) as client:
            for _ in range(200):  # what lets go of them is on its way when the post is closed
                queues = client.run_on_scheduler(
                    lambda dask_scheduler: list(dask_scheduler.extensions["queues"].queues)
                )
                if queues == []:
                    break
                await trio.sleep(0.05)
            assert queues == []
            assert client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks)) == []
            (names,) = client.run(lambda: [one.name for one in threading.enumerate()]).values()
            assert not [name for name in names if name.startswith("worker-")]
    assert capfd.readouterr() == ("", "")
