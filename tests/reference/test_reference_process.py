"""The agent as a process of its own: how it starts, what it says, how it ends."""

import os
import signal
import subprocess
import sys
import time

import httpx
import pytest
import trio
from reference_callers import CHAT, PATIENCE_S

from coval_load.reference.process import ReferenceAgentFailed, start_reference_agent


async def test_a_voice_turn_is_answered_after_the_delay(agent_process):
    async with agent_process("--delay=250ms", "--end-silence=100ms") as agent, agent.call() as caller:
        assert await caller.hear() == {"type": "session_ready", "session_id": "reference-0"}
        await caller.say({"type": "start", "simulation_output_id": "sim-1"})
        await caller.sound(0.2)
        await caller.hear_seconds(1)
    (began,), (ended,), (replied,) = (agent.stamped(w) for w in ("heard_start", "heard_end", "reply_start"))
    assert ended["at"] - began["at"] == pytest.approx(0.2, abs=0.01)
    assert 0.25 <= replied["at"] - ended["at"] < 5
    assert replied["simulation_output_id"] == "sim-1"


async def test_stamps_are_on_the_clock_that_all_processes_share(agent_process):
    async with agent_process(CHAT, "--delay=0ms") as agent:
        offset_s = time.perf_counter() - trio.current_time()
        before = trio.current_time() + offset_s
        async with agent.call() as caller:
            await caller.say({"type": "message", "text": "hello"})
            await caller.hear()
        after = trio.current_time() + offset_s
    assert before < agent.stamped("message_in")[0]["at"] <= agent.stamped("message_out")[0]["at"] < after


async def test_it_ends_with_the_block_and_leaves_no_folder():
    with trio.fail_after(PATIENCE_S):
        async with start_reference_agent([CHAT]) as process:
            os.kill(process.pid, 0)
            folder = process.agent_file.parent
            assert {path.name for path in folder.iterdir()} >= {"agent.json", "plan.yaml", "ca.pem"}
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
    assert not folder.exists()


async def test_it_is_killed_if_it_does_not_end_by_itself(monkeypatch):
    monkeypatch.setattr("coval_load.reference.process.STOP_TIMEOUT_S", 0.05)
    async with start_reference_agent([CHAT, "--no-tls"]) as process:
        os.kill(process.pid, signal.SIGSTOP)
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--delay=100ms"], "raise --delay or lower --end-silence"),
        (["--host=192.0.2.1"], "choose another --host"),
        (["--misbehave=nonsense"], "expected one of"),
    ],
)
async def test_what_keeps_it_from_starting_is_told(arguments, message):
    with pytest.raises(ReferenceAgentFailed, match=message):
        async with start_reference_agent(arguments):
            pass


@pytest.mark.parametrize("tls", ["--tls", "--no-tls"])
async def test_http_first(agent_process, tls):
    async with agent_process(CHAT, "--http-first", "--delay=0ms", tls) as agent:
        wanted = agent.metadata
        async with httpx.AsyncClient(verify=agent.trust or False) as client:
            answer = await client.post(wanted["http_url"], json=wanted["http_request_body"])
            lost = await client.get(wanted["http_url"])
        assert (answer.status_code, lost.status_code) == (200, 404)
        assert wanted["websocket_url_response_path"] == "data.websocket_url"
        async with agent.call(answer.json()["data"]["websocket_url"]) as caller:
            await caller.say({"type": "message", "text": "hello"})
            assert (await caller.hear())["text"] == "You said: hello"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="processes can't be tied to a processor here")
async def test_it_can_be_tied_to_a_processor(agent_process):
    mine = max(os.sched_getaffinity(0))
    async with agent_process(CHAT, f"--cpu={mine}") as agent:
        assert os.sched_getaffinity(agent.process.pid) == {mine}


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_in_good_order(tmp_path, told):
    command = [sys.executable, "-m", "coval_load.reference", "--no-tls", f"--out={tmp_path}"]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    with trio.fail_after(PATIENCE_S):
        said = b""
        while b"coval-load run" not in said:
            said += await process.stdout.receive_some()
        process.send_signal(told)
        assert await process.wait() == 0
    assert str(tmp_path / "plan.yaml").encode() in said


async def test_there_is_something_to_do_while_it_starts():
    done = []
    async with start_reference_agent([CHAT, "--no-tls"], meanwhile=lambda: done.append("loaded")):
        assert done == ["loaded"]


async def test_it_is_ended_where_what_is_done_meanwhile_fails():
    with trio.fail_after(PATIENCE_S), pytest.raises(KeyboardInterrupt):
        async with start_reference_agent([CHAT, "--no-tls"], meanwhile=_pressed_ctrl_c):
            raise AssertionError("expected the block not to be entered")


def _pressed_ctrl_c():
    raise KeyboardInterrupt
