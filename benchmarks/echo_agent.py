"""An agent that echoes every message, as cheaply as Python allows (picows on uvloop), so that it is not the limit.

    python benchmarks/echo_agent.py FOLDER [--tls]

Writes `endpoint` into FOLDER (and `ca.pem` with --tls), then runs until it is terminated.
"""

import asyncio
import ssl
import sys
from pathlib import Path

import trustme
import uvloop
from picows import WSListener, WSMsgType, ws_create_server


class Echo(WSListener):
    def on_ws_connected(self, transport):
        self.transport = transport

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        else:
            transport.send(frame.msg_type, frame.get_payload_as_bytes())


async def main(folder: Path, use_tls: bool) -> None:
    tls = None
    if use_tls:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(tls)
    server = await ws_create_server(lambda _: Echo(), "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    ready = folder / "endpoint.part"
    ready.write_text(f"{'wss' if use_tls else 'ws'}://127.0.0.1:{port}/")
    ready.rename(folder / "endpoint")
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(main(Path(sys.argv[1]), "--tls" in sys.argv))
