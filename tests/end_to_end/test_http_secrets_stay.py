"""Secrets of agents over HTTP go on the wire and nowhere else, whatever the agent says back, wherever it came from."""

import base64
import json
import uuid
from urllib.parse import parse_qs

import pytest
from command import side_by_side
from http_agent import A2A, HTTP_CHAT, on_http
from in_process import plan_for

from coval_load.engine.run_folder import read_rows

TOKEN = "tok-4f1d9c7be2"
SECRET = "cs-/5e0c+77f1a9"
HEADER = "hdr-77aa31c05d"
ENVIRONMENT = {"AGENT_TOKEN": TOKEN, "CLIENT_SECRET": SECRET}
OAUTH = {
    "initialization_endpoint": "URL/token",
    "initialization_payload": {"grant_type": "client_credentials", "client_secret": "${CLIENT_SECRET}"},
    "custom_headers": {"X-Load": HEADER},
}
SESSION = {
    "authorization_header": "Bearer ${AGENT_TOKEN}",
    "initialization_endpoint": "URL/session",
    "custom_headers": {"X-Load": HEADER, "X-Key": "key {{init_response.conversation.key}}"},
}
NOT_SAID_BACK = {"Content-Type", "content-type", "accept", "user-agent", "host", "content-length", "accept-encoding"}


class Agent:
    """Gives each caller a token or a key of its own, and says back all it knows of the caller, in all these ways."""

    def __init__(self, ways):
        self.ways = ways
        self.given = []

    async def __call__(self, asked):
        if asked.method == "GET":
            await asked.answer({}, status=404)
        elif asked.path == "/token":
            assert parse_qs(asked.body.decode())["client_secret"] == [SECRET]
            await self._give(asked, lambda given: {"access_token": given, "token_type": "Bearer"})
        elif asked.path == "/session":
            assert asked.headers["authorization"] == f"Bearer {TOKEN}"
            await self._give(asked, lambda given: {"conversation": {"key": given, "turns": 0}})
        else:
            said = [value for name, value in asked.headers.items() if name not in NOT_SAID_BACK]
            assert HEADER in said
            number = next(n for n, given in enumerate(self.given) if any(given in value for value in said))
            configured = SECRET if "jsonrpc" in asked.json else TOKEN
            await self._say_back(asked, number, " ".join([*said, configured, self.given[number]]))

    async def _give(self, asked, document):
        number = len(self.given)
        self.given.append(f"{number:05}-{uuid.uuid5(uuid.NAMESPACE_OID, str(number))}")
        match self.ways[number % len(self.ways)]:
            case "refused set-up":
                said = document(self.given[-1]) | {"asked": asked.body.decode()}
                await asked.answer(said, status=500)
            case "unreadable set-up":
                await asked.answer(b"x" * 130 + self.given[-1].encode() + SECRET.encode())
            case _:
                await asked.answer(document(self.given[-1]))

    async def _say_back(self, asked, number, everything):
        match self.ways[number % len(self.ways)]:
            case "reply":
                await self._reply(asked, f"Hello, {everything}")
            case "stream":
                await asked.begin(content_type="text/event-stream")
                for letter in everything:
                    await asked.piece(letter)
                await asked.event("[DONE]")
                await asked.end()
            case "tool call":
                await asked.call_tool(everything, {everything: [everything]}, call_id=everything)
            case "error":
                await asked.answer({"error": {"message": everything, "code": -32000}, "jsonrpc": "2.0", "id": 1})
            case "status":
                await asked.answer(b"x" * (80 + number % 80) + everything.encode(), status=500)
            case "garbage":
                await asked.answer(b"x" * (number % 50) + everything.encode())
            case "not HTTP":
                await asked.stream.send_all(everything.encode())

    async def _reply(self, asked, text):
        if "jsonrpc" in asked.json:
            message = {"kind": "message", "role": "agent", "messageId": "m", "parts": [{"kind": "text", "text": text}]}
            await asked.answer({"jsonrpc": "2.0", "id": asked.json["id"], "result": message})
        else:
            await asked.say(text)


def forms(secret):
    """Beginnings from which the rest could be guessed."""
    return {secret[:8], base64.b64encode(secret.encode()).decode()[:8], json.dumps(secret)[1:-1][:8]}


A2A_WAYS = {
    "reply": None,
    "error": "agent_error",
    "status": "agent_error",
    "garbage": "invalid_message",
    "refused set-up": "setup_failed",
    "unreadable set-up": "setup_failed",
}
CHAT_WAYS = {
    "reply": None,
    "stream": None,
    "tool call": "no_response",
    "error": "agent_error",
    "status": "agent_error",
    "not HTTP": "invalid_message",
}
EACH = 10


@pytest.mark.parametrize(
    ("model_type", "metadata", "ways"), [(A2A, OAUTH, A2A_WAYS), (HTTP_CHAT, SESSION, CHAT_WAYS)], ids=["a2a", "chat"]
)
async def test_an_agent_that_says_them_back(tmp_path, monkeypatch, model_type, metadata, ways):
    agent, count = Agent(list(ways)), EACH * len(ways)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    dials = [("check", "plan.json", "--dial")] * 2
    async with on_http(agent) as here:
        filled = json.loads(json.dumps({"chat_endpoint": "URL/chat", **metadata}).replace("URL", here.url))
        plan = plan_for(model_type, filled, ["hello"], load={"simulations": count, "concurrency": 3})
        (tmp_path / "plan.json").write_text(json.dumps(plan))
        run = ("run", "plan.json", "--json", "--out=run")
        done = await side_by_side(run, *dials, cwd=tmp_path)
    texts = {f"what {number} said": ended.both for number, ended in enumerate(done)}
    texts |= {path.name: path.read_text() for path in (tmp_path / "run").iterdir()}
    assert {"run.json", "summary.json", "simulations.jsonl"} <= texts.keys()
    assert len(agent.given) == count + len(dials)
    secrets = {form for secret in (TOKEN, SECRET, HEADER, *agent.given) for form in forms(secret)}
    for name, text in texts.items():
        for form in secrets:
            assert form not in text, f"{form} in {name}: {text}"
        assert "Traceback" not in text
    rows = list(read_rows(tmp_path / "run" / "simulations.jsonl"))
    assert {row["error"] and row["error"]["kind"] for row in rows} == set(ways.values())
    assert len({row["simulation_output_id"] for row in rows}) == count
    replies = [row["transcript"][1]["content"] for row in rows if row["outcome"] == "completed"]
    assert len(replies) >= EACH - len(dials)
    assert all("***" in reply for reply in replies)
