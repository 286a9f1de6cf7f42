"""A run over a network of its own, one worker of which is cut off in the middle: needs root, and `ip`."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, asynccontextmanager, contextmanager

import pytest
import trio
import trio_websocket
from command import COMMAND, environment
from crowd import QUICK, Crowd, rows_of, summary_of
from dask_processes import DaskCluster, certificates, ended, enter_namespace, mother, workers_of
from in_process import Call, chat_plan

HUB, FIRST, SECOND = names = tuple(f"coval-{os.getpid()}-{name}" for name in ("hub", "first", "second"))
ADDRESSES = {HUB: "10.77.13.1", FIRST: "10.77.13.2", SECOND: "10.77.13.3"}


def missing():
    """What this machine has not got, if so."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux, for network namespaces"
    if shutil.which("ip") is None:
        return "needs the command ip, of iproute2"
    tried = subprocess.run(["ip", "netns", "add", f"{HUB}-tried"], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"needs to make network namespaces; got {tried.stderr.strip()}"
    subprocess.run(["ip", "netns", "delete", f"{HUB}-tried"], check=True)
    return ""


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def end_of(namespace):
    """What the cable of a namespace is called on the hub's side; at most 15 letters."""
    return f"veth{names.index(namespace)}"


@contextmanager
def network():
    """Three namespaces, two of them at a bridge in the first; gone when this is left."""
    with ExitStack() as stack:
        for name in names:
            ip("netns", "add", name)
            stack.callback(subprocess.run, ["ip", "netns", "delete", name], check=False)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", HUB, "link", "add", "bridge", "type", "bridge")
        ip("-n", HUB, "address", "add", f"{ADDRESSES[HUB]}/24", "dev", "bridge")
        ip("-n", HUB, "link", "set", "bridge", "up")
        for name in (FIRST, SECOND):
            cable = end_of(name)
            ip("-n", HUB, "link", "add", cable, "type", "veth", "peer", "name", "net", "netns", name)
            ip("-n", HUB, "link", "set", cable, "master", "bridge", "up")
            ip("-n", name, "address", "add", f"{ADDRESSES[name]}/24", "dev", "net")
            ip("-n", name, "link", "set", "net", "up")
        yield


def listening_socket():
    """One in the hub: a socket stays in the namespace of the thread that made it."""
    found = []

    def make():
        enter_namespace(HUB)
        found.append(socket.create_server((ADDRESSES[HUB], 0)))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    (made,) = found
    return made


@asynccontextmanager
async def on_the_hub(agent):
    """As `on_the_line`, in the hub."""

    async def take(request):
        headers = {name.decode().lower(): value.decode() for name, value in request.headers}
        await agent(Call(await request.accept(), request.path, headers))

    made = listening_socket()
    port = made.getsockname()[1]
    server = trio_websocket.WebSocketServer(take, [trio.SocketListener(trio.socket.from_stdlib_socket(made))])
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        yield f"ws://{ADDRESSES[HUB]}:{port}"
        nursery.cancel_scope.cancel()


async def test_a_worker_that_is_cut_off_ends_by_itself_and_the_run_goes_on(tmp_path):
    if why := missing():
        pytest.skip(why)
    (tmp_path / "dask").mkdir()
    options, trusted = certificates(tmp_path, *ADDRESSES.values())
    agent = Crowd(many=6, delay_s=0.4)
    with network(), mother() as parent:
        cluster = DaskCluster(parent, tmp_path / "dask", *options, host=ADDRESSES[HUB], namespace=HUB)
        for name in (FIRST, SECOND):
            cluster.worker(host=ADDRESSES[name], namespace=name)
        async with on_the_hub(agent.take) as endpoint:
            load = {"concurrency": 6, "simulations": 90}
            plan = chat_plan(endpoint, "hello", metadata=QUICK, load=load, generator={})
            (tmp_path / "plan.json").write_text(json.dumps(plan))
            run = [COMMAND, "run", "plan.json", "--out=run", f"--cluster={await cluster.address(2)}"]
            async with trio.open_nursery() as nursery:
                done = []

                async def command():
                    words = ["ip", "netns", "exec", HUB, *run]
                    done.append(
                        await trio.run_process(
                            words,
                            cwd=tmp_path,
                            env=environment(**trusted),
                            check=False,
                            capture_stdout=True,
                            capture_stderr=True,
                        )
                    )

                with trio.fail_after(90):
                    nursery.start_soon(command)
                    await agent.calls_more(18)
                    pids = workers_of(cluster.workers[0])
                    assert len(pids) == 1
                    ip("-n", HUB, "link", "set", end_of(FIRST), "down")
                    before = agent.calls
                    await ended(pids, within_s=30)
                    assert agent.calls > before + 12
                    while not done:  # noqa: ASYNC110 - a process has no event
                        await trio.sleep(0.05)
                    nursery.cancel_scope.cancel()
    (told,) = done
    said = told.stdout.decode() + told.stderr.decode()
    rows, summary = rows_of(tmp_path), summary_of(tmp_path)
    assert told.returncode == 97, said
    assert "Traceback" not in said
    lost = [row for row in rows if row["error"] is not None]
    assert {row["error"]["kind"] for row in lost} == {"worker_lost"}
    assert len(rows) == 90 == summary["counts"]["completed"] + len(lost)
    workers = summary["generator"]["workers"]
    (cut_off,) = [worker for worker in workers if worker["lost"]]
    assert "nothing was heard of it" in cut_off["lost"]
    assert cut_off["simulations_lost"] == len(lost) == 3
    assert {row["worker"] for row in lost} == {workers.index(cut_off)}
    assert any(cut_off["name"] in reason and "was lost at" in reason for reason in summary["generator"]["reasons"])
