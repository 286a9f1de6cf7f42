"""What the tests of chat over HTTP share: values of a simulation, and answers of its agent."""

import json

VALUES = {
    "run_id": "run-1",
    "simulation_output_id": "sim-1",
    "simulation_id": "sim-1",
    "stream_sid": "MZ" + "0" * 32,
    "call_sid": "CA" + "0" * 32,
    "agent": {"region": "eu", "limit": 7},
    "test_case": {"id": "case-1", "account_id": "42", "items": [1, {"a": None}], "quote": 'say "hi"\\'},
    "persona": {"name": "anna", "user_id": "user-9"},
    "run_metadata": {"run_id": "run-1", "plan": "p"},
}
T = [f"2026-01-02T03:04:{second:02}.000Z" for second in range(60)]
URL = "https://agent.example/chat"
SETUP_URL = "https://agent.example/session"


def opened(agent, answer=None, values=VALUES):
    """The dialect of one simulation, initialized with `answer`."""
    chat = agent.open(values)
    body = None if answer is None else json.dumps(answer).encode()
    assert chat.initialized(body) is None
    return chat


def read(chat, answer):
    """What the agent's whole answer means."""
    reading = chat.read("application/json")
    return [*reading.feed(json.dumps(answer).encode()), *reading.end()]


def calling(*calls, text=None):
    """An answer in chat completions that calls tools: each (id, name, arguments)."""
    tool_calls = [
        {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
        for id_, name, arguments in calls
    ]
    message = {"role": "assistant", "content": text, "tool_calls": tool_calls}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
