"""A task that sends and a task that reads for each connection, with the asyncio client of `websockets`.

    python clients.py WORK ENDPOINT CA_FILE|- SESSIONS SECONDS INTERVAL_SECONDS TURNS [--uvloop]

As its documentation says: `connect` as a context manager and `async for` over what comes (websockets.readthedocs.io,
"Client (asyncio)"), compression off, which is what costs most memory ("Memory and buffers", "Compression"), and once
with uvloop ("Performance"). Wheels have its C extension for masking. One TLS context is shared; `max_queue` is left at
its default of 16 messages; keepalive pings stay on; no proxy is
looked for.
"""

import asyncio
import base64
import json
import os
import ssl
import sys
from collections import Counter
from collections.abc import Awaitable, Callable

from websockets.asyncio.client import connect


async def frames(open_socket, number: int, sessions: int, interval_s: float, turns: int) -> None:
    async def listen() -> None:
        async for message in socket:
            base64.b64decode(json.loads(message)["data"])

    loop = asyncio.get_running_loop()
    frame = json.dumps({"type": "audio_chunk", "data": base64.b64encode(os.urandom(640)).decode()})
    async with open_socket() as socket, asyncio.TaskGroup() as group:
        group.create_task(listen())
        due = loop.time() + number / sessions * interval_s
        while True:
            await asyncio.sleep(due - loop.time())
            await socket.send(frame)
            due += interval_s


async def chat(open_socket, number: int, sessions: int, interval_s: float, turns: int) -> None:
    while True:
        async with open_socket() as socket:
            for turn in range(turns):
                await socket.send(json.dumps({"type": "message", "text": f"message {turn} of a caller"}))
                if json.loads(await socket.recv())["type"] != "message":
                    raise ValueError("not a message")


async def connections(open_socket, number: int, sessions: int, interval_s: float, turns: int) -> None:
    while True:
        async with open_socket():
            pass


WORKS: dict[str, Callable[..., Awaitable[None]]] = {"frames": frames, "chat": chat, "connections": connections}


async def main(work: str, endpoint: str, ca_file: str, sessions: str, seconds: str, interval: str, turns: str) -> None:
    tls = None if ca_file == "-" else ssl.create_default_context(cafile=ca_file)
    errors: Counter[str] = Counter()

    def open_socket():
        return connect(endpoint, ssl=tls, compression=None, open_timeout=60, proxy=None)

    async def session(number: int) -> None:
        while True:
            try:
                await WORKS[work](open_socket, number, int(sessions), float(interval), int(turns))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted, and the caller tries again
                errors[type(error).__name__] += 1
                await asyncio.sleep(1)

    try:
        async with asyncio.timeout(float(seconds)), asyncio.TaskGroup() as group:
            for number in range(int(sessions)):
                group.create_task(session(number))
    finally:
        print("errors:", *(f"{kind}={times}" for kind, times in errors.items()), flush=True)


if __name__ == "__main__":
    run = asyncio.run
    if sys.argv[-1] == "--uvloop":
        from uvloop import run
    try:
        run(main(*sys.argv[1:8]))
    except (KeyboardInterrupt, TimeoutError):
        sys.exit(130)
