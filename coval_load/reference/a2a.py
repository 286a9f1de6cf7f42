"""An A2A agent: JSON-RPC over HTTP, its agent card, and tokens where it asks for them."""

from typing import Any

import attrs
import orjson

from coval_load.reference.a2a_reply import ReplyPlace
from coval_load.reference.a2a_tasks import Context, Task, TaskBook
from coval_load.reference.a2a_wording import INVALID_PARAMS, Incoming, RpcError, Wording
from coval_load.reference.http_line import HttpLine, Request
from coval_load.reference.http_spoiling import deliver, fail_at_once
from coval_load.reference.http_turn import Answer, HttpTurn, Turns
from coval_load.reference.oauth import TOKEN_PATH, Tokens
from coval_load.reference.options import AgentOptions
from coval_load.reference.stamps import Stamps

ENDPOINT = "/a2a"
CARD = "/.well-known/agent-card.json"
VERSION_HEADER = "A2A-Version"
SIMULATION_HEADER = "x-simulation-id"
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INTERNAL_ERROR = -32603
VERSION_NOT_SUPPORTED = -32009


@attrs.frozen
class Call:
    """A JSON-RPC request; `what` is `send`, `stream` or `get`."""

    call_id: Any
    what: str
    params: Any


class A2AAgent:
    """Keeps contexts and tasks between requests, whichever connections they come by."""

    def __init__(self, options: AgentOptions, stamps: Stamps, endpoint: str) -> None:
        self._options = options
        self._a2a = options.a2a
        self._wording = Wording(options.a2a.protocol_version)
        self._place = ReplyPlace(self._wording, options.a2a.reply_in)
        self._endpoint = endpoint
        self._turns = Turns(options, stamps)
        self._book = TaskBook()
        self._tokens = Tokens()

    async def answer(self, line: HttpLine, request: Request) -> None:
        """Answers one request."""
        match request.method, request.path:
            case "GET", path if path == CARD:
                await line.respond_json(200, self._wording.card(self._endpoint))
            case "POST", path if path == TOKEN_PATH:
                if not await self._turns.fails_to_set_up(line):
                    await self._tokens.give(line, request)
            case "POST", path if path == ENDPOINT:
                await self._take_call(line, request)
            case method, path:
                await line.respond_json(404, {"error": f"expected POST {ENDPOINT} or GET {CARD}; got {method} {path}"})

    async def _take_call(self, line: HttpLine, request: Request) -> None:
        if self._a2a.oauth and not self._tokens.allow(request):
            self._turns.stamp("rejected", line, status=401)
            await line.respond_json(401, {"error": "invalid_token"}, [("WWW-Authenticate", "Bearer")])
            return
        call_id = None
        try:
            asked = read_json_rpc(request.body)
            call_id = asked["id"]
            call = self._understand(request, asked)
            if call.what == "get":
                await self._give_task(line, request, call)
            else:
                await self._take_message(line, request, call)
        except RpcError as error:
            self._turns.stamp("unreadable", line, request.read_at, reason=error.message)
            await line.respond_json(200, error_object(call_id, error.code, error.message))

    def _understand(self, request: Request, asked: dict[str, Any]) -> Call:
        version = request.headers.get(VERSION_HEADER.lower(), "")
        if self._wording.version == "1.0" and version.split(".")[:2] != ["1", "0"]:
            raise RpcError(VERSION_NOT_SUPPORTED, f"expected {VERSION_HEADER} 1.0; got {version or 'none'}")
        what = self._wording.methods.get(str(asked.get("method")))
        if what is None:
            known = ", ".join(self._wording.methods)
            raise RpcError(METHOD_NOT_FOUND, f"expected one of {known}; got {asked.get('method')!r}")
        return Call(asked["id"], what, asked.get("params"))

    async def _take_message(self, line: HttpLine, request: Request, call: Call) -> None:
        incoming = self._wording.read_message(call.params)
        context, task = self._book.context_of(incoming)
        context.simulation_output_id = _simulation_named_in(request, incoming) or context.simulation_output_id
        turn = self._turns.begin(line, request, context.simulation_output_id, context.turn + 1)
        turn.stamp("message_in", request.read_at, text=incoming.text)
        if await fail_at_once(turn):
            return
        context.turn += 1
        self._book.keep(context)
        await turn.wait()
        await deliver(turn, self._reply(turn, call, incoming, context, task))

    def _reply(self, turn: HttpTurn, call: Call, incoming: Incoming, context: Context, task: Task | None) -> Answer:
        streamed = call.what == "stream"
        if turn.misbehaves("rpc-error"):
            return _failure(call, streamed)
        fails = turn.misbehaves("task-failed")
        text = "told to fail" if fails else f"You said: {incoming.text}"
        if self._a2a.reply_in == "message" and not fails:
            result = self._place.message(text, turn.number, context.context_id)
            return _results(call, [[result]]) if streamed else _result(call, result)
        task = task or self._book.new_task(context)
        task.question, task.reply, task.turn, task.asked_for = incoming.text, text, turn.turn, 0
        task.state = "failed" if fails else self._a2a.final_state
        if streamed:
            return _results(call, self._place.streamed(task, self._a2a.pending, self._options.streaming.chunks))
        waits = bool(self._a2a.pending) and not fails
        task.state = "working" if waits else task.state
        result = self._wording.sent("task", self._place.task(task))
        return _result(call, result, "working_out" if waits else "message_out")

    async def _give_task(self, line: HttpLine, request: Request, call: Call) -> None:
        task_id = call.params.get("id") if isinstance(call.params, dict) else None
        if not isinstance(task_id, str):
            raise RpcError(INVALID_PARAMS, "expected params.id, the id of a task")
        task = self._book.task(task_id)
        turn = self._turns.begin(line, request, task.context.simulation_output_id, task.turn)
        turn.stamp("asked_again", request.read_at)
        if await fail_at_once(turn):
            return
        await deliver(turn, self._task(turn, call, task))

    def _task(self, turn: HttpTurn, call: Call, task: Task) -> Answer:
        if turn.misbehaves("rpc-error"):
            return _failure(call, False)
        task.asked_for += 1
        what = "working_out"
        if task.state == "working" and turn.misbehaves("task-failed"):
            task.state, task.reply, what = "failed", "told to fail", "message_out"
        elif task.state == "working" and task.asked_for >= self._a2a.pending:
            task.state, what = self._a2a.final_state, "message_out"
        return _result(call, self._place.task(task), what)


def read_json_rpc(body: bytes) -> dict[str, Any]:
    """A JSON-RPC request. Raises `RpcError` where it is none (JSON-RPC 2.0, section 4)."""
    try:
        asked = orjson.loads(body)
    except ValueError as wrong:
        raise RpcError(PARSE_ERROR, str(wrong)) from None
    if not isinstance(asked, dict) or asked.get("jsonrpc") != "2.0" or "id" not in asked:
        raise RpcError(INVALID_REQUEST, "expected a JSON-RPC 2.0 request with an id")
    return asked


def error_object(call_id: Any, code: int, message: str) -> dict[str, Any]:
    """A JSON-RPC response with an error (JSON-RPC 2.0, section 5.1)."""
    return {"jsonrpc": "2.0", "id": call_id, "error": {"code": code, "message": message}}


def _result(call: Call, result: Any, what: str = "message_out") -> Answer:
    return Answer({"jsonrpc": "2.0", "id": call.call_id, "result": result}, what=what)


def _results(call: Call, pieces: list[list[dict[str, Any]]]) -> Answer:
    wrapped = [[{"jsonrpc": "2.0", "id": call.call_id, "result": event} for event in piece] for piece in pieces]
    return Answer(pieces=wrapped)


def _failure(call: Call, streamed: bool) -> Answer:
    error = error_object(call.call_id, INTERNAL_ERROR, "told to fail")
    return Answer(pieces=[[error]], what="error_out") if streamed else Answer(error, what="error_out")


def _simulation_named_in(request: Request, incoming: Incoming) -> str | None:
    named = request.headers.get(SIMULATION_HEADER) or incoming.metadata.get("simulation_output_id")
    return named if isinstance(named, str) else None
