"""What one would write first: trio-websocket, a task that sends and a task that reads for each connection.

    python benchmarks/frames_trio_websocket.py ENDPOINT CA_FILE|- CONNECTIONS SECONDS

It sends the same frames and reads the echoes without looking at them. Prints one line of JSON.
"""

import base64
import json
import math
import os
import ssl
import sys
import time
from pathlib import Path

import numpy as np
import trio
from trio_websocket import open_websocket_url

FRAME_S = 0.02
SETTLE_S = 2.0


def resident_kib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


async def main(endpoint: str, ca_file: str, connections: int, seconds: float) -> None:
    message = json.dumps({"type": "audio_chunk", "data": base64.b64encode(os.urandom(640)).decode()})
    tls = None if ca_file == "-" else ssl.create_default_context(cafile=ca_file)
    lateness: list[float] = []
    counts = {"sent": 0, "received": 0}
    window = [math.inf, math.inf]
    connected = 0
    all_connected = trio.Event()

    async def talk(number: int) -> None:
        nonlocal connected
        async with open_websocket_url(endpoint, ssl_context=tls) as socket, trio.open_nursery() as nursery:
            connected += 1
            if connected == connections:
                all_connected.set()
            nursery.start_soon(listen, socket)
            due = trio.current_time() + number / connections * FRAME_S
            while trio.current_time() < window[1]:
                await trio.sleep_until(due)
                await socket.send_message(message)
                now = trio.current_time()
                if window[0] <= now < window[1]:
                    lateness.append(now - due)
                    counts["sent"] += 1
                due += FRAME_S
            nursery.cancel_scope.cancel()

    async def listen(socket) -> None:
        while True:
            await socket.get_message()
            counts["received"] += 1

    before = resident_kib()
    figures = {}
    with trio.move_on_after(120):
        async with trio.open_nursery() as nursery:
            for number in range(connections):
                nursery.start_soon(talk, number)
                await trio.sleep(0.004)
            await all_connected.wait()
            await trio.sleep(SETTLE_S)
            figures["kib_each"] = (resident_kib() - before) / connections
            window[0] = trio.current_time()
            cpu, wall, received = time.process_time(), time.perf_counter(), counts["received"]
            await trio.sleep(seconds)
            used, took = time.process_time() - cpu, time.perf_counter() - wall
            window[1] = trio.current_time()
            pairs = len(lateness)
            figures["echoed"] = (counts["received"] - received) / max(pairs, 1)
            nursery.cancel_scope.cancel()
    late_ms = np.array(lateness or [math.nan]) * 1000
    figures |= {
        "pairs": pairs,
        "expected_pairs": round(connections * took / FRAME_S),
        "us_a_pair": used / max(pairs, 1) * 1e6,
        "cpu": used / took,
        "late_p50_ms": float(np.percentile(late_ms, 50)),
        "late_p99_ms": float(np.percentile(late_ms, 99)),
        "late_max_ms": float(late_ms.max()),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    trio.run(main, sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
