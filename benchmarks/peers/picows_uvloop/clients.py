"""The floor: messages made beforehand and echoes that nobody looks at, with picows on uvloop; no load tester.

    python clients.py WORK ENDPOINT CA_FILE|- SESSIONS SECONDS INTERVAL_SECONDS TURNS

As its documentation's echo client (picows.readthedocs.io, "Getting started", and `examples/echo_client_cython.pyx`,
`benchmarks` in its repository): a `WSListener` that is called back, on uvloop, with aiofastnet installed, which picows
then takes by itself. No coroutine runs for a message; a timer of the loop sends each frame.
"""

import asyncio
import base64
import json
import os
import ssl
import sys
from collections import Counter

import uvloop
from picows import WSCloseCode, WSListener, WSMsgType, ws_connect

FRAME = json.dumps({"type": "audio_chunk", "data": base64.b64encode(os.urandom(640)).decode()}).encode()
MESSAGE = json.dumps({"type": "message", "text": "message 1 of a caller"}).encode()


class Frames(WSListener):
    """Sends a frame each time it is due."""

    def __init__(self, offset_s: float, interval_s: float, turns: int) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self.offset_s, self.interval_s = offset_s, interval_s
        self.timer = None

    def on_ws_connected(self, transport):
        self.transport = transport
        self.due = self.loop.time() + self.offset_s
        self.timer = self.loop.call_at(self.due, self.send)

    def send(self):
        self.transport.send(WSMsgType.TEXT, FRAME)
        self.due += self.interval_s
        self.timer = self.loop.call_at(self.due, self.send)

    def on_ws_disconnected(self, transport):
        if self.timer:
            self.timer.cancel()


class Chat(WSListener):
    """Sends a message for each reply, and closes after the last."""

    def __init__(self, offset_s: float, interval_s: float, turns: int) -> None:
        super().__init__()
        self.left = turns

    def on_ws_connected(self, transport):
        transport.send(WSMsgType.TEXT, MESSAGE)

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.TEXT:
            self.left -= 1
            if self.left:
                transport.send(WSMsgType.TEXT, MESSAGE)
            else:
                transport.send_close(WSCloseCode.OK)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


class Opening(WSListener):
    """Closes at once."""

    def __init__(self, offset_s: float, interval_s: float, turns: int) -> None:
        super().__init__()

    def on_ws_connected(self, transport):
        transport.send_close(WSCloseCode.OK)

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


WORKS = {"frames": Frames, "chat": Chat, "connections": Opening}


async def main(work: str, endpoint: str, ca_file: str, sessions: str, seconds: str, interval: str, turns: str) -> None:
    tls = None if ca_file == "-" else ssl.create_default_context(cafile=ca_file)
    errors: Counter[str] = Counter()

    async def session(number: int) -> None:
        settings = number / int(sessions) * float(interval), float(interval), int(turns)
        while True:
            try:
                transport, _ = await ws_connect(
                    lambda: WORKS[work](*settings), endpoint, ssl_context=tls, websocket_handshake_timeout=60
                )
                await transport.wait_disconnected()
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
    try:
        uvloop.run(main(*sys.argv[1:]))
    except (KeyboardInterrupt, TimeoutError):
        sys.exit(130)
