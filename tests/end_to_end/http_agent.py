"""An agent over HTTP written in the test: keep-alive on h11, each request given to a function of the test."""

import json
from contextlib import asynccontextmanager

import attrs
import h11
import trio
from in_process import on_the_port, plan_for, run

HTTP_CHAT = "MODEL_TYPE_CHAT"
A2A = "MODEL_TYPE_CHAT_A2A"


@attrs.define
class Asked:
    """One request, and the ways to answer it."""

    stream: trio.abc.Stream
    parser: h11.Connection
    connection: int
    method: str
    path: str
    headers: dict
    body: bytes
    at: float

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def said(self):
        """The last message of the history."""
        return self.json["messages"][-1]["content"]

    async def begin(self, status=200, content_type="application/json", **headers):
        """The head of an answer; without a length it is sent in chunks."""
        named = [("content-type", content_type)] + [(key.replace("_", "-"), value) for key, value in headers.items()]
        await self.stream.send_all(self.parser.send(h11.Response(status_code=status, headers=named)))

    async def send(self, data):
        await self.stream.send_all(self.parser.send(h11.Data(data=data if isinstance(data, bytes) else data.encode())))

    async def end(self):
        await self.stream.send_all(self.parser.send(h11.EndOfMessage()))

    async def answer(self, document, status=200, content_type="application/json", **headers):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        await self.begin(status, content_type, content_length=str(len(body)), **headers)
        await self.send(body)
        await self.end()

    async def say(self, text, **more):
        """A whole reply in the chat-completions format."""
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        await self.answer({"choices": [choice], **more})

    async def call_tool(self, name, arguments, call_id="call_1", text=None):
        function = {"name": name, "arguments": json.dumps(arguments)}
        calls = [{"id": call_id, "type": "function", "function": function}]
        message = {"role": "assistant", "content": text, "tool_calls": calls}
        await self.answer({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})

    async def event(self, document):
        """One server-sent event."""
        data = document if isinstance(document, str) else json.dumps(document)
        await self.send(f"data: {data}\n\n")

    async def piece(self, text):
        """One chunk of a streamed reply in the chat-completions format."""
        await self.event({"choices": [{"index": 0, "delta": {"content": text}}]})


@attrs.define
class HttpAgent:
    """Where it is, and all that was asked of it in order."""

    url: str
    asked: list[Asked]

    @property
    def chats(self):
        return [asked for asked in self.asked if asked.path.startswith("/chat")]


@asynccontextmanager
async def on_http(handle):
    """An agent that gives each request to `handle(asked)`; returning without an answer drops the connection."""
    agent = HttpAgent("", [])
    connections = iter(range(1_000_000))

    async def serve(stream):
        parser = h11.Connection(h11.SERVER)
        number = next(connections)
        while True:
            asked = await _next(stream, parser, number)
            if asked is None:
                return
            agent.asked.append(asked)
            await handle(asked)
            if parser.our_state is not h11.DONE:
                return
            parser.start_next_cycle()

    async with on_the_port(serve) as port:
        agent.url = f"http://{port}"
        yield agent


async def _next(stream, parser, number):
    head, body = None, b""
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            data = bytes(await stream.receive_some(65_536))
            if not data and head is None:
                return None
            parser.receive_data(data)
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            headers = {name.decode(): value.decode() for name, value in head.headers}
            method, path = head.method.decode(), head.target.decode()
            return Asked(stream, parser, number, method, path, headers, body, trio.current_time())
        else:
            return None


async def converse(tmp_path, handle, *turns, metadata=None, model_type=HTTP_CHAT, path="/chat", case=None, **sections):
    """A run of one conversation with an agent that is `handle`; gives what ran and the agent."""
    async with on_http(handle) as agent:
        filled = json.loads(json.dumps(metadata or {}).replace("URL", agent.url))
        plan = plan_for(model_type, {"chat_endpoint": agent.url + path, **filled}, turns, **sections)
        plan["test_set"][0].update(case or {})
        ran = await run(plan, tmp_path / "run")
    return ran, agent
