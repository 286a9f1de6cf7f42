"""A coordinator of two echoing workers, in a process of its own: says which processes there are, awaits signals."""

import signal
import sys
from pathlib import Path

import psutil
import trio

from coval_load.cluster.dask_post import open_dask_post
from coval_load.cluster.post import Arrived
from coval_load.cluster.where import Local

ECHO = (sys.executable, str(Path(__file__).with_name("echo_worker.py")))


async def main():
    with trio.open_signal_receiver(signal.SIGINT) as interrupts:
        async with open_dask_post(Local(2), ECHO) as post:
            for _ in range(2):
                while not isinstance(await post.receive(), Arrived):
                    pass
            print(*(one.pid for one in psutil.Process().children(recursive=True)), flush=True)
            async for _ in interrupts:
                break
            for worker in ("worker-1", "worker-2"):
                post.send(worker, b"still there")
            heard = [await post.receive() for _ in range(2)]
            assert all(isinstance(news, Arrived) for news in heard), heard
            print("well", flush=True)


if __name__ == "__main__":
    trio.run(main)
