"""A chat agent over HTTP: the standard protocol, OpenAI's two, and an endpoint that sets sessions up."""

import itertools
from typing import Any

import attrs
import orjson

from coval_load.reference.chat_reply import reply_to
from coval_load.reference.chat_request import COMPLETIONS, RESPONSES, STANDARD, ChatRequest, read_chat_request
from coval_load.reference.completions import in_template, streamed_completion, whole_completion
from coval_load.reference.http_line import HttpLine, Request
from coval_load.reference.http_spoiling import deliver, fail_at_once
from coval_load.reference.http_turn import Answer, HttpTurn, Turns
from coval_load.reference.memory import Memory
from coval_load.reference.options import AgentOptions
from coval_load.reference.responses import streamed_response, whole_response
from coval_load.reference.stamps import Stamps

ENDPOINTS = {"standard": STANDARD, "openai": COMPLETIONS, "responses": RESPONSES}
SETUP = "/sessions"
TOKEN = "reference-token"
SIMULATION_HEADER = "X-Simulation-Id"
SESSION_HEADER = "X-Session-Id"
CONVERSATION_HEADER = "X-Conversation-Id"


@attrs.frozen
class Session:
    """What a caller was told when it set a conversation up, and which simulation that was for."""

    conversation_id: str
    simulation_output_id: str | None


class HttpChatAgent:
    """Answers each request by itself: what was said before stands in the request."""

    def __init__(self, options: AgentOptions, stamps: Stamps) -> None:
        self._options = options
        self._chat = options.http_chat
        self._turns = Turns(options, stamps)
        self._sessions = Memory[Session]()
        self._numbers = itertools.count(1)

    async def answer(self, line: HttpLine, request: Request) -> None:
        """Answers one request."""
        if request.method == "POST" and request.path in ENDPOINTS.values():
            await self._chat_with(line, request)
        elif request.method == "POST" and request.path == SETUP:
            await self._set_up(line, request)
        else:
            known = ", ".join((*ENDPOINTS.values(), SETUP))
            await _refuse(line, 404, f"expected POST to one of {known}; got {request.method} {request.path}")

    async def _set_up(self, line: HttpLine, request: Request) -> None:
        if await self._turns.fails_to_set_up(line):
            return
        try:
            payload = orjson.loads(request.body)
        except ValueError as wrong:
            await _refuse(line, 400, str(wrong))
            return
        simulation = payload.get("simulation_output_id") if isinstance(payload, dict) else None
        number = next(self._numbers)
        session = Session(f"conversation-{number}", simulation if isinstance(simulation, str) else None)
        self._sessions.put(f"session-{number}", session)
        self._turns.stamp("set_up", line, request.read_at, simulation_output_id=session.simulation_output_id)
        await line.respond_json(
            200, {"sessionId": f"session-{number}", "conversation": {"id": session.conversation_id, "turns": 0}}
        )

    async def _chat_with(self, line: HttpLine, request: Request) -> None:
        session = self._sessions.get(request.headers.get(SESSION_HEADER.lower()))
        wrong = self._refusal(request, session)
        if wrong:
            self._turns.stamp("rejected", line, status=wrong[0])
            await _refuse(line, *wrong)
            return
        try:
            asked = read_chat_request(request.path, request.body, self._chat.template)
        except ValueError as unreadable:
            self._turns.stamp("unreadable", line, request.read_at, reason=str(unreadable))
            await _refuse(line, 400, str(unreadable))
            return
        simulation = request.headers.get(SIMULATION_HEADER.lower())
        if simulation is None and session:
            simulation = session.simulation_output_id
        await self._take_turn(self._turns.begin(line, request, simulation, asked.history.turn), asked)

    def _refusal(self, request: Request, session: Session | None) -> tuple[int, str] | None:
        if self._chat.api != "standard" and request.headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, "expected the Bearer token of the agent file"
        if self._chat.initialization:
            if session is None:
                return 400, f"expected {SESSION_HEADER} with a sessionId that POST {SETUP} answered"
            if request.headers.get(CONVERSATION_HEADER.lower()) != session.conversation_id:
                return 400, f"expected {CONVERSATION_HEADER} with the conversation.id of the session"
        return None

    async def _take_turn(self, turn: HttpTurn, asked: ChatRequest) -> None:
        history = asked.history
        if history.rounds:
            turn.stamp("tool_result_in", turn.request.read_at, round=history.rounds)
        else:
            turn.stamp("message_in", turn.request.read_at, text=history.text)
        if await fail_at_once(turn):
            return
        await turn.wait()
        await deliver(turn, self._answer(turn, asked))

    def _answer(self, turn: HttpTurn, asked: ChatRequest) -> Answer:
        endless = turn.misbehaves("endless-tool-call")
        said = reply_to(asked, turn.number, self._chat, endless)
        what = "tool_call_out" if said.call else "message_out"
        chunks = self._options.streaming.chunks
        if turn.request.path == STANDARD and self._chat.template:
            return Answer(in_template(said), what=what)
        if turn.request.path == RESPONSES:
            if asked.stream:
                return Answer(pieces=streamed_response(said, chunks), what=what)
            return Answer(whole_response(said), what=what)
        if asked.stream:
            return Answer(pieces=streamed_completion(said, chunks, asked.wants_usage), what=what)
        return Answer(whole_completion(said), what=what)


async def _refuse(line: HttpLine, status: int, message: str) -> None:
    error: dict[str, Any] = {"message": message, "type": "invalid_request_error"}
    await line.respond_json(status, {"error": error})
