"""Callers of the reference agents over HTTP: httpx, which shares nothing with the agents but h11."""

import json
from contextlib import asynccontextmanager

import httpx
from reference_callers import PATIENCE_S

HTTP_CHAT = "--model-type=MODEL_TYPE_CHAT"
A2A = "--model-type=MODEL_TYPE_CHAT_A2A"
SIMULATION = {"X-Simulation-Id": "sim-1"}
AT_ONCE = "--delay=0ms"


@asynccontextmanager
async def client_of(agent, headers=SIMULATION):
    """An HTTP client that keeps connections alive; relative URLs are on the agent's port."""
    base = httpx.URL(agent.process.endpoint).copy_with(path="/")
    verify = agent.trust or False
    async with httpx.AsyncClient(base_url=base, verify=verify, headers=headers, timeout=PATIENCE_S) as client:
        yield client


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def events_in(text):
    """The data of server-sent events, `[DONE]` as it is, else from JSON."""
    blocks = [block for block in text.split("\n\n") if block]
    data = [line.removeprefix("data: ") for block in blocks for line in block.split("\n") if line.startswith("data: ")]
    assert len(data) == len(blocks)
    return [each if each == "[DONE]" else json.loads(each) for each in data]


async def stream(client, path, body):
    """The events of a streamed answer."""
    answer = await client.post(path, json=body)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"
    return events_in(answer.text)


def rpc(method, params, call_id=1):
    return {"jsonrpc": "2.0", "id": call_id, "method": method, "params": params}


def message_03(text, **more):
    parts = [{"kind": "text", "text": text}]
    return {"message": {"kind": "message", "messageId": "m-1", "role": "user", "parts": parts, **more}}


def message_10(text, **more):
    return {"message": {"messageId": "m-1", "role": "ROLE_USER", "parts": [{"text": text}], **more}}
