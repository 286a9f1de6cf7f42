"""A chat agent over HTTP in a thread of the test's process, for tests that block: they watch, or drive a browser."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import attrs
from http_agent import HTTP_CHAT
from in_process import plan_for

HOSTILE = "<img src=x onerror=alert(1)>\x1b[31mred\u202edesrever"
"""Markup, an escape sequence, and a letter that turns the direction of what follows around."""

REPLY = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}}]}).encode()


@attrs.define
class ThreadedAgent:
    """Where it is, and how often it was asked. Each request that `fails` names by its number gets a 500."""

    url: str = ""
    asked: int = 0
    delay_s: float = 0.1
    fails: frozenset = frozenset()
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def next(self):
        with self._lock:
            self.asked += 1
            return self.asked

    def plan(self, folder, **sections):
        """The file of a plan of two turns with it."""
        persona = {"wait_seconds": 0}
        endpoint = {"chat_endpoint": f"{self.url}/chat"}
        plan = plan_for(HTTP_CHAT, endpoint, ("hello", "bye"), persona=persona, **sections)
        (folder / "plan.json").write_text(json.dumps(plan))
        return folder / "plan.json"


@contextmanager
def threaded_agent(**how):
    agent = ThreadedAgent(**how)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            number = agent.next()
            over.wait(agent.delay_s)
            failed = number in agent.fails
            body = HOSTILE.encode() if failed else REPLY
            self.send_response(500 if failed else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    over = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    agent.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield agent
    finally:
        over.set()
        server.shutdown()
        serving.join()
        server.server_close()
