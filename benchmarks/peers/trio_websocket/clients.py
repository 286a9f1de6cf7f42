"""A task that sends and a task that reads for each connection, with trio-websocket's own context manager.

    python clients.py WORK ENDPOINT CA_FILE|- SESSIONS SECONDS INTERVAL_SECONDS TURNS

As its documentation's page for clients has it (trio-websocket.readthedocs.io, "Clients": `open_websocket_url`,
`send_message`, `get_message`). One TLS context is shared. `message_queue_size` is raised from 1, so that the reader of
the socket does not wait for the reader of the messages. It has no compression by itself.
"""

import base64
import json
import os
import ssl
import sys
from collections import Counter
from collections.abc import Awaitable, Callable

import trio
from trio_websocket import open_websocket_url

QUEUE = 16


async def frames(open_socket, number: int, sessions: int, interval_s: float, turns: int) -> None:
    async def listen() -> None:
        while True:
            base64.b64decode(json.loads(await socket.get_message())["data"])

    frame = json.dumps({"type": "audio_chunk", "data": base64.b64encode(os.urandom(640)).decode()})
    async with open_socket() as socket, trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        due = trio.current_time() + number / sessions * interval_s
        while True:
            await trio.sleep_until(due)
            await socket.send_message(frame)
            due += interval_s


async def chat(open_socket, number: int, sessions: int, interval_s: float, turns: int) -> None:
    while True:
        async with open_socket() as socket:
            for turn in range(turns):
                await socket.send_message(json.dumps({"type": "message", "text": f"message {turn} of a caller"}))
                if json.loads(await socket.get_message())["type"] != "message":
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
        return open_websocket_url(endpoint, ssl_context=tls, message_queue_size=QUEUE)

    async def session(number: int) -> None:
        while True:
            try:
                await WORKS[work](open_socket, number, int(sessions), float(interval), int(turns))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted, and the caller tries again
                errors[type(error).__name__] += 1
                await trio.sleep(1)

    try:
        with trio.move_on_after(float(seconds)):
            async with trio.open_nursery() as nursery:
                for number in range(int(sessions)):
                    nursery.start_soon(session, number)
    finally:
        print("errors:", *(f"{kind}={times}" for kind, times in errors.items()), flush=True)


if __name__ == "__main__":
    try:
        trio.run(main, *sys.argv[1:])
    except (KeyboardInterrupt, BaseExceptionGroup):
        sys.exit(130)
