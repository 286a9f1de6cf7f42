"""A2A, against the server of a2a-sdk: 0.3 as its last release for it speaks it, 1.0, and 1.0 that takes 0.3 too."""

from contextlib import contextmanager

import attrs
import pytest

from driving import dial, plan_of, run
from peers import HERE, free_port, installed, serving


@attrs.frozen
class Speaker:
    """An agent, and the version that it is to be spoken to in: `asked` in the metadata, None to ask its card."""

    url: str
    sdk: str
    asked: str | None


@contextmanager
def agent(log, requirements, script, *options):
    programs, port = installed(requirements), free_port()
    command = [programs / "python", HERE / script, port, *options]
    with serving(command, port, log, ready="/.well-known/agent-card.json") as peer:
        yield peer.url


@pytest.fixture(scope="module")
def agents(tmp_path_factory):
    """The endpoint of each, by what it speaks."""
    logs = tmp_path_factory.mktemp("a2a")
    with (
        agent(logs / "0.3", "a2a-0.3", "a2a_agent_03.py") as old,
        agent(logs / "1.0", "a2a-1.0", "a2a_agent_10.py") as new,
        agent(logs / "both", "a2a-1.0", "a2a_agent_10.py", "--speak-03-too") as both,
    ):
        yield {"0.3": old, "1.0": new, "both": both}


WAYS = {
    "0.3": ("0.3", "0.3"),
    "0.3-by-its-card": ("0.3", None),
    "1.0": ("1.0", "1.0"),
    "1.0-by-its-card": ("1.0", None),
    "both-in-0.3": ("both", "0.3"),
    "both-in-1.0": ("both", "1.0"),
    "both-by-its-card": ("both", None),
}


@pytest.fixture(params=WAYS)
def speaker(request, agents):
    sdk, asked = WAYS[request.param]
    return Speaker(agents[sdk], sdk, asked)


@pytest.fixture(params=[True, False], ids=["streamed", "whole"])
def stream(request):
    return request.param


def talk_to(speaker, *turns, stream=False, **more):
    metadata = {"chat_endpoint": f"{speaker.url}/", "stream": stream, **more}
    if speaker.asked is not None:
        metadata["a2a_version"] = speaker.asked
    return plan_of("MODEL_TYPE_CHAT_A2A", metadata, *turns)


def completes(done, *said):
    assert (done.exit_code, done.row["outcome"], done.row["error"]) == (0, "completed", None), done.said
    assert done.agent_said == list(said)


def fails(done, kind, *told):
    assert (done.exit_code, done.row["outcome"]) == (3, "failed"), done.said
    assert done.row["error"]["kind"] == kind, done.row["error"]
    for words in told:
        assert words in done.row["error"]["message"]


def test_messages(speaker, tmp_path, stream):
    """`turn 2` shows that the context was kept; a task that a message names does not exist, and is not asked for."""
    done = run(talk_to(speaker, "message a", "message b", "message c", stream=stream), tmp_path)
    completes(done, "turn 1: message a", "turn 2: message b", "turn 3: message c")
    assert done.measured("response_latency") == 3


def test_tasks_that_are_completed(speaker, tmp_path, stream):
    """Each turn is a task of its own in one context: to a task that is over nothing may be sent."""
    done = run(talk_to(speaker, "artifact a", "done b", "artifact c", stream=stream), tmp_path)
    completes(done, "turn 1: artifact a", "turn 2: done b", "turn 3: artifact c")


def test_a_task_that_asks_back(speaker, tmp_path, stream):
    done = run(talk_to(speaker, "ask a", "ask b", "done c", "ask d", stream=stream), tmp_path)
    completes(done, "turn 1: ask a", "turn 2: ask b", "turn 3: done c", "turn 4: ask d")


def test_pieces_of_a_streamed_reply(speaker, tmp_path):
    done = run(talk_to(speaker, "chunks of a reply", "chunks again", stream=True), tmp_path)
    completes(done, "turn 1: chunks of a reply", "turn 2: chunks again")
    assert [entry["chunks"] for entry in done.agent_turns] == [6, 4]
    assert done.measured("ttft") == 2
    assert done.measured("inter_chunk_latency") == 5 + 3
    gap_s = done.summary["metrics"]["inter_chunk_latency"]["p50"]
    assert 0.04 < gap_s < 0.5  # the agent waits 0.05 s before each


def test_pieces_that_are_not_streamed(speaker, tmp_path):
    """The artifact comes whole, or in parts that were appended to each other."""
    done = run(talk_to(speaker, "chunks of a reply", stream=False), tmp_path)
    completes(done, "turn 1: chunks of a reply")
    assert done.measured("ttft") == 0


@pytest.mark.parametrize("manner", ["fail", "reject"])
def test_tasks_that_fail(speaker, tmp_path, stream, manner):
    """The agent's own words are the reason."""
    done = run(talk_to(speaker, f"{manner} a", "message b", stream=stream), tmp_path)
    fails(done, "agent_error", f"{manner}ed", f"turn 1: {manner} a")
    assert done.counted("turns") == 1


def test_a_task_that_the_agent_cancels(speaker, tmp_path, stream):
    done = run(talk_to(speaker, "quit a", "message b", stream=stream), tmp_path)
    completes(done, "turn 1: quit a")
    assert done.counted("ended_by_agent") == 1
    assert done.counted("turns") == 1


def test_states_that_end_it_as_asked(speaker, tmp_path, stream):
    plan = talk_to(speaker, "message a", "done b", "message c", stream=stream, terminal_states=["completed"])
    completes(run(plan, tmp_path), "turn 1: message a", "turn 2: done b")


def test_an_agent_that_breaks(speaker, tmp_path):
    fails(run(talk_to(speaker, "message a", "raise b"), tmp_path), "agent_error", "-32603", "the agent broke")


def test_an_agent_that_breaks_while_it_streams(speaker, tmp_path):
    """The old server drops the connection in the midst of the body; the new one says why."""
    done = run(talk_to(speaker, "message a", "raise b", stream=True), tmp_path)
    if speaker.sdk == "0.3":
        fails(done, "connection_closed")
    else:
        fails(done, "agent_error", "-32603", "the agent broke")


def test_a_task_that_is_over(speaker, tmp_path, stream):
    """As one sees it who leaves `completed` out of the states that begin a new task."""
    plan = talk_to(speaker, "done a", "done b", stream=stream, new_task_states=[])
    fails(run(plan, tmp_path), "agent_error", "-32602" if speaker.sdk == "0.3" else "-32004", "terminal state")


def test_a_version_that_the_agent_does_not_speak(agents, tmp_path, stream):
    done = run(talk_to(Speaker(agents["1.0"], "1.0", "0.3"), "message a", stream=stream), tmp_path)
    fails(done, "agent_error", "-32601", "Method not found")


def test_custom_data_goes_with_each_message(speaker, tmp_path):
    done = run(talk_to(speaker, "metadata a", custom_data={"tier": "gold"}), tmp_path)
    completes(done, '{"tier": "gold"}')


def test_many_at_once(speaker, tmp_path, stream):
    """Each simulation is a context of its own: all begin with turn 1."""
    plan = talk_to(speaker, "message a", "artifact b", stream=stream)
    plan["load"] = {"concurrency": 6, "simulations": 24}
    done = run(plan, tmp_path)
    assert done.exit_code in (0, 98), done.said  # 98: the machine that runs the tests may be too slow
    assert done.summary["counts"]["completed"] == 24
    said = {tuple(entry["content"] for entry in row["transcript"][1::2]) for row in done.rows}
    assert said == {("turn 1: message a", "turn 2: artifact b")}


def test_dialling_once(speaker, tmp_path):
    exit_code, said = dial(talk_to(speaker, "ask a", "done b"), tmp_path)
    assert exit_code == 0, said
    assert "turn 2: done b" in said
