"""An agent that answers every message at once, as cheaply as Python allows (picows on uvloop): it is not the limit.

    python benchmarks/echo_agent.py FOLDER [--tls] [--protocol websocket|openai_realtime|gemini_realtime]

Writes `endpoint` into FOLDER (and `ca.pem` with --tls), then runs until it is terminated. Over WebSocket a message
comes back as it is; the realtime protocols give 20 ms of speech at 24 kHz for each frame, in messages as the providers
send them.
"""

import asyncio
import base64
import ssl
import sys
from itertools import count
from pathlib import Path

import trustme
import uvloop
from picows import WSListener, WSMsgType, ws_create_server

from coval_load.codecs.audio.files import read_audio
from coval_load.codecs.audio.packaged import read_clip
from coval_load.codecs.audio.pcm import from_float
from coval_load.codecs.audio.resampling import resample_best

FRAME_BYTES = 960


def speech() -> list[bytes]:
    """Frames of 20 ms at 24 kHz, in base64."""
    clip = read_audio(read_clip("pizza-order"), "clip:pizza-order")
    pcm = from_float(resample_best(clip.samples, clip.rate_hz, 24_000))
    return [base64.b64encode(pcm[at : at + FRAME_BYTES]) for at in range(0, len(pcm) - FRAME_BYTES, FRAME_BYTES)]


class Echo(WSListener):
    """Each message comes back."""

    def on_ws_connected(self, transport):
        self.transport = transport

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        else:
            self.answer(transport, frame)

    def answer(self, transport, frame):
        transport.send(frame.msg_type, frame.get_payload_as_bytes())


class OpenAIRealtime(Echo):
    """A reply that never ends, 20 ms of it for each frame appended."""

    frames = ()
    ids = count()

    def on_ws_connected(self, transport):
        super().on_ws_connected(transport)
        self.numbers = count()
        transport.send(WSMsgType.TEXT, b'{"type":"session.created","event_id":"event_0","session":{"type":"realtime"}}')

    def answer(self, transport, frame):
        message = frame.get_payload_as_bytes()
        if message.startswith(b'{"type":"input_audio_buffer.append"'):
            number = next(self.numbers)
            transport.send(
                WSMsgType.TEXT,
                b'{"type":"response.output_audio.delta","event_id":"event_%021d","response_id":"resp_%021d",'
                b'"item_id":"item_%021d","output_index":0,"content_index":0,"delta":"%b"}'
                % (number, self.id, self.id, self.frames[number % len(self.frames)]),
            )
        elif b"session.update" in message[:40]:
            self.id = next(self.ids)
            transport.send(
                WSMsgType.TEXT, b'{"type":"session.updated","event_id":"event_1","session":{"type":"realtime"}}'
            )
            transport.send(
                WSMsgType.TEXT,
                b'{"type":"response.created","event_id":"event_2","response":{"id":"resp_%021d","status":"in_progress"}}'
                % self.id,
            )


class GeminiLive(Echo):
    """A turn that never ends, 20 ms of it for each frame; JSON in binary messages, as Google's servers send it."""

    frames = ()

    def on_ws_connected(self, transport):
        super().on_ws_connected(transport)
        self.numbers = count()

    def answer(self, transport, frame):
        message = frame.get_payload_as_bytes()
        if message.startswith(b'{"setup"'):
            transport.send(WSMsgType.BINARY, b'{"setupComplete":{}}')
            return
        transport.send(
            WSMsgType.BINARY,
            b'{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"%b"}}]}}}'
            % self.frames[next(self.numbers) % len(self.frames)],
        )


PROTOCOLS = {"websocket": Echo, "openai_realtime": OpenAIRealtime, "gemini_realtime": GeminiLive}


async def main(folder: Path, use_tls: bool, protocol: str) -> None:
    OpenAIRealtime.frames = GeminiLive.frames = speech() if protocol != "websocket" else ()
    tls = None
    if use_tls:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(tls)
    server = await ws_create_server(lambda _: PROTOCOLS[protocol](), "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    ready = folder / "endpoint.part"
    ready.write_text(f"{'wss' if use_tls else 'ws'}://127.0.0.1:{port}/")
    ready.rename(folder / "endpoint")
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.install()
    chosen = sys.argv[sys.argv.index("--protocol") + 1] if "--protocol" in sys.argv else "websocket"
    asyncio.run(main(Path(sys.argv[1]), "--tls" in sys.argv, chosen))
