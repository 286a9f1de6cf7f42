"""What agents say beside words and sound, and that whatever they do ends."""

import trio
from agents_on_lines import REFUSED, SAID, Dialect, completed, hold, ready, refuses, renew
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.protocol import State

from coval_load.codecs.dialects.interface import Outgoing
from coval_load.codecs.events import AgentFailed
from coval_load.engine import metrics
from coval_load.engine.outcome import ErrorKind, Stage


def test_an_agent_that_fails_before_it_is_ready_fails_the_simulation_at_once():
    held = hold(renew, refuses)
    assert (held.failure.kind, held.failure.message) == (ErrorKind.AUTHENTICATION_FAILED, "no such session")
    assert held.failure.stage is Stage.HANDSHAKE


def test_complaints_are_counted_and_kept_and_explain_silence():
    async def script(conversation, line):
        (end,) = conversation.agents.ends
        end.say("AgentComplained", reason="buffer too small " + "x" * 1000)
        explained.append(line.simulation.hearsay.explain())

    explained = []
    held = completed(script, ready)
    assert explained[0].startswith("the agent reported an error: buffer too small x")
    assert len(explained[0]) < 400
    assert held.counters[metrics.AGENT_COMPLAINTS] == 1
    (row,) = held.simulation.row()["events"]
    assert row["message_type"] == "error"
    assert row["payload"]["reason"].startswith("buffer too small")
    assert held.conversation.losses == []


def test_rate_limits_are_kept_once_a_minute_and_noted_where_they_run_out():
    async def script(conversation, line):
        await line.renew(SAID)
        end = conversation.agents.ends[-1]
        for second in range(130):
            limits = [("requests", 1000, 100 - second % 2, 1.5), ("tokens", 0, 0, None), (f"odd\x1b{second}", 10, 9)]
            end.say("RateLimitsReceived", limits=limits)
            await trio.sleep(1)

    async def limited(end):
        await ready(end)
        end.say("RateLimitsReceived", limits=[("requests", 1000, 100, 1.5)])

    held = completed(script, limited, ready)
    rows = held.simulation.row()["events"]
    assert [round(row["at"] - rows[0]["at"]) for row in rows] == [0, 60, 120]
    assert rows[0]["payload"][0] == {"name": "requests", "limit": 1000, "remaining": 100, "resets_in_s": 1.5}
    (note,) = held.results.notes
    assert note.startswith("an agent: its rate limit 'requests' was nearly used up: 99 of 1000 were left; ")


def test_names_of_limits_make_only_so_many_notes():
    async def script(conversation, line):
        for number in range(100):
            limits = [(f"{number}\x1b[2J" + "x" * 500, 10, 0)]
            conversation.agents.ends[0].say("RateLimitsReceived", limits=limits)

    notes = completed(script, ready).results.notes
    assert len(notes) == 8
    assert all(len(note) < 300 and "\x1b" not in note for note in notes)


def test_what_a_dialect_has_to_say_once_the_agent_is_ready_comes_first(monkeypatch):
    async def script(conversation, line):
        line.send([Outgoing(b"2", is_text=True)])

    monkeypatch.setattr(Dialect, "when_ready", lambda self: [Outgoing(b"1", is_text=True)])
    held = completed(script, ready)
    assert held.agents.ends[0].got()[1:] == [b"1", b"2"]


def test_an_agent_may_say_by_closing_what_is_wrong(monkeypatch):
    async def used_up(end):
        await ready(end)
        end.close(1000)

    async def script(conversation, line):
        await trio.sleep(1)
        raise line.simulation.loss.failure

    monkeypatch.setattr(Dialect, "closed", lambda self, code, reason: AgentFailed(f"used up: {code}", "rate_limit"))
    held = hold(script, used_up)
    assert (held.failure.kind, held.failure.message) == (ErrorKind.RATE_LIMITED, "used up: 1000")
    assert [loss.clean for loss in held.conversation.losses] == [False]


ACTIONS = st.sampled_from(
    [
        ("ReadyReceived", {"session_id": "s"}),
        ("AudioReceived", {"samples": 1}),
        ("ReplyStarted", {}),
        ("GoingAway", {"time_left_s": 1}),
        ("AgentComplained", {"reason": "no"}),
        ("AgentFailed", {"reason": "no"}),
        ("Violation", {"reason": "no"}),
        ("MessageIgnored", {"reason": "no"}),
        ("wait", 0.7),
        ("wait", 4.0),
        ("close", 1000),
        ("close", 1011),
        ("drop", None),
    ]
)


def behaviour(actions):
    async def behave(end):
        await trio.lowlevel.checkpoint()
        for name, how in actions:
            if end.socket.fileno() == -1 or end.protocol.state is not State.OPEN:
                return
            if name == "wait":
                await trio.sleep(how)
            elif name in ("close", "drop"):
                end.close(how) if name == "close" else end.drop()
            else:
                end.say(name, **how)

    return behave


READY_AND_GOING = [("ReadyReceived", {"session_id": "s"}), ("GoingAway", {"time_left_s": 1})]


@given(
    st.lists(st.just(REFUSED) | st.lists(ACTIONS, max_size=8), min_size=4, max_size=4),
    st.booleans(),
    st.none() | st.floats(0.5, 20),
)
@example([READY_AND_GOING, [("close", 1000)]] * 2, False, None)
def test_whatever_agents_do_it_ends_and_every_socket_is_closed(written, is_first_ready, cut_at):
    behaviours = [REFUSED if one is REFUSED else behaviour(one) for one in written]
    if is_first_ready and written[0] is not REFUSED:
        behaviours[0] = behaviour([("ReadyReceived", {"session_id": "s"}), *written[0]])

    behaviours += [REFUSED] * 4  # each renewal may dial twice

    async def script(conversation, line):
        simulation = line.simulation
        for _ in range(3):
            await simulation.bell.until(lambda: simulation.loss is not None, trio.current_time() + 5)
            if simulation.loss is not None:
                raise simulation.loss.failure
            if line.should_renew:
                await line.renew(SAID)
            line.send([Outgoing(b"1", is_text=True)])

    held = hold(script, *behaviours, cut_at=cut_at)
    if cut_at is None and held.failure is None:
        assert held.simulation.stage is Stage.CLOSE
    assert len(held.conversation.finished_at) == (1 if held.agents.dialled else 0)
