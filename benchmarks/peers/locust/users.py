"""Locust's users for each work: websocket-client over gevent, and Locust's own fast client for HTTP.

    WORK=... CA_FILE=... INTERVAL=... TURNS=... locust -f users.py --headless --only-summary -H ENDPOINT -u N -r N

As their documentation says: a protocol of one's own is a `User` that fires `request` for each call, with a library that
gevent can patch (docs.locust.io, "Testing other systems/protocols"); `FastHttpUser` over `HttpUser`, and a process for
each core (docs.locust.io, "Increase performance with a more efficient HTTP client"; there is one core here);
`skip_utf8_validation` and wsaccel (pypi.org/project/websocket-client, "Performance"). One TLS context is shared, where
websocket-client would make one for each connection; Locust's own client would not verify certificates by default.
"""

import base64
import json
import os
import ssl
import time
from collections import deque

import gevent
import websocket
from locust import FastHttpUser, User, constant, events, task

WORK, CA_FILE = os.environ["WORK"], os.environ["CA_FILE"]
INTERVAL_S, TURNS = float(os.environ["INTERVAL"]), int(os.environ["TURNS"])
TLS = ssl.create_default_context(cafile=CA_FILE) if CA_FILE else None


class WebSocketUser(User):
    """A user with connections, each call of which Locust hears about."""

    abstract = True
    wait_time = constant(0)

    def connect(self) -> websocket.WebSocket:
        return websocket.create_connection(
            self.host, timeout=60, sslopt={"context": TLS} if TLS else None, skip_utf8_validation=True
        )

    def fire(self, name: str, began: float, length: int, error: Exception | None = None) -> None:
        self.environment.events.request.fire(
            request_type="WebSocket",
            name=name,
            response_time=(time.perf_counter() - began) * 1000,
            response_length=length,
            exception=error,
            context={},
        )

    @task
    def work(self) -> None:
        began = time.perf_counter()
        try:
            self.session()
        except Exception as error:  # noqa: BLE001 - Locust is told
            self.fire("session", began, 0, error)
            gevent.sleep(1)

    def session(self) -> None:
        raise NotImplementedError


if WORK == "frames":

    class Frames(WebSocketUser):
        """A greenlet that sends, another that reads."""

        def session(self) -> None:
            socket = self.connect()
            sent: deque[float] = deque()
            reader = gevent.spawn(self.listen, socket, sent)
            frame = json.dumps({"type": "audio_chunk", "data": base64.b64encode(os.urandom(640)).decode()})
            due = time.perf_counter()
            try:
                while not reader.ready():
                    gevent.sleep(max(due - time.perf_counter(), 0))
                    sent.append(time.perf_counter())
                    socket.send(frame)
                    due += INTERVAL_S
                reader.get()
            finally:
                reader.kill()
                socket.close()

        def listen(self, socket: websocket.WebSocket, sent: deque[float]) -> None:
            while True:
                message = socket.recv()
                base64.b64decode(json.loads(message)["data"])
                self.fire("frame", sent.popleft(), len(message))


if WORK == "chat":

    class Chat(WebSocketUser):
        """A connection for each conversation."""

        def session(self) -> None:
            socket = self.connect()
            for turn in range(TURNS):
                began = time.perf_counter()
                socket.send(json.dumps({"type": "message", "text": f"message {turn} of a caller"}))
                reply = socket.recv()
                if json.loads(reply)["type"] != "message":
                    raise ValueError("not a message")
                self.fire("turn", began, len(reply))
            socket.close()


if WORK == "connections":

    class Connections(WebSocketUser):
        """Opened and closed."""

        def session(self) -> None:
            began = time.perf_counter()
            self.connect().close()
            self.fire("connection", began, 0)


if WORK == "http_chat":

    class HttpChat(FastHttpUser):
        """Posts the whole history in each turn; begins anew after the last."""

        wait_time = constant(0)
        insecure = False
        if TLS:
            ssl_context_factory = staticmethod(lambda: TLS)

        @task
        def converse(self) -> None:
            history = []
            for turn in range(TURNS):
                history.append({"role": "user", "content": f"message {turn} of a caller who wants a pizza"})
                answer = self.client.post("/chat", json={"messages": history})
                text = answer.json()["choices"][0]["message"]["content"]
                history.append({"role": "assistant", "content": text})


@events.test_stop.add_listener
def report(environment, **_) -> None:
    total = environment.stats.total
    print(f"errors: failures={total.num_failures}", flush=True)
