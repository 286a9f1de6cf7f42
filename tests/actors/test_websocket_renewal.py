"""A conversation goes on over another connection, whatever becomes of the one before."""

import gc
import json
import weakref

import pytest
import trio
from agents_on_lines import REFUSED, SAID, completed, hold, ready, refuses, renew, silent

from coval_load.actors.redialling import Redialling
from coval_load.codecs.dialects.interface import Handshaking, Outgoing
from coval_load.codecs.events import ReplyStarted
from coval_load.engine import metrics
from coval_load.engine.back_off import BackOff
from coval_load.engine.outcome import ErrorKind, NotReached, Stage

PREFIX = "the conversation could not go on over a new connection: "


def test_the_conversation_goes_on_where_the_dialect_says():
    async def script(conversation, line):
        first, link = line.dialect, line.link
        await line.renew(SAID)
        assert line.dialect is not first
        assert line.link is not link
        line.send([Outgoing(b"1", is_text=True), Outgoing(b"2", is_text=True)])
        old, new = conversation.agents.ends
        assert old.got() == [b'{"open": 0, "said": 0}']
        assert new.got() == [b'{"open": 1, "said": 2}', b"1", b"2"]
        assert old.was_told_goodbye
        assert not new.was_told_goodbye

    held = completed(script, ready, ready)
    assert held.counters[metrics.RENEWALS] == 1
    assert held.durations(metrics.RENEWAL_TIME) == (1, pytest.approx(3, rel=1e-3))
    assert held.durations(metrics.CONNECT_TIME) == (1, pytest.approx(1, rel=1e-3))
    assert held.durations(metrics.HANDSHAKE_TIME) == (1, pytest.approx(2, rel=1e-3))
    assert held.agents.ends[1].was_told_goodbye


def test_what_still_comes_over_the_old_connection_is_counted_and_not_heard():
    async def late(end):
        await ready(end)
        end.say("AudioReceived", samples=1)
        await trio.sleep(1)
        for _ in range(3):
            end.say("AudioReceived", samples=2)
            end.say("Violation", reason="not JSON")
            end.say("ReplyStarted")
            await trio.sleep(1)
        end.close(1011)

    async def script(conversation, line):
        await line.renew(SAID)
        conversation.agents.ends[1].say("AudioReceived", samples=3)
        await trio.sleep(10)

    held = completed(script, late, ready)
    assert held.conversation.heard == [1, 3]
    assert held.conversation.losses == []
    assert held.conversation.noted == []
    assert held.counters[metrics.MESSAGES_RECEIVED] == 2 + 9 + 2
    assert held.counters[metrics.BYTES_RECEIVED] > 13 * 20
    assert held.counters[metrics.MESSAGES_SENT] == 2
    assert held.simulation.close_code is None


@pytest.mark.parametrize("ends", ["close", "drop"])
def test_one_that_ends_while_it_is_renewed_is_no_loss(ends):
    async def expires(end):
        await ready(end)
        await trio.sleep(1.5)
        getattr(end, ends)()

    held = completed(renew, expires, ready)
    assert held.conversation.losses == []
    assert held.counters[metrics.RENEWALS] == 1


@pytest.mark.parametrize(("hangs_up_after_s", "opens_after_s"), [(0.1, 0.25), (0.5, 0.5), (100, 1)])
def test_the_new_one_opens_when_the_old_one_is_over_unless_that_takes_long(hangs_up_after_s, opens_after_s):
    begun = []

    async def hangs_up(end):
        await ready(end)
        await trio.sleep(hangs_up_after_s)
        assert end.was_told_goodbye
        end.drop()

    async def eager(end):
        while not end.got():  # noqa: ASYNC110, nothing tells when it has come
            await trio.sleep(0.01)
        begun.append(trio.current_time())
        await ready(end)

    async def script(conversation, line):
        begun.append(trio.current_time())
        await line.renew(SAID)

    completed(script, hangs_up, eager, dial_s=0.25)
    assert begun[1] - begun[0] == pytest.approx(opens_after_s, abs=0.02)


def test_only_the_connection_in_use_is_pinged():
    async def script(conversation, line):
        await line.renew(SAID)
        assert line.simulation.services.keepalive._links == {line.link}

    completed(script, ready, ready)


def test_what_the_new_one_says_before_it_is_ready_is_heard():
    async def eager(end):
        await trio.lowlevel.checkpoint()
        end.say("AudioReceived", samples=7)
        end.say("ReplyStarted")
        await ready(end)

    held = completed(renew, ready, eager)
    assert held.conversation.heard == [7]
    assert held.conversation.noted == [ReplyStarted()]


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1008, 1011])
def test_a_connection_that_ends_as_the_agent_said_is_no_loss_of_the_simulation(code):
    async def script(conversation, line):
        (end,) = conversation.agents.ends
        assert not line.should_renew
        end.say("GoingAway", time_left_s=5)
        assert line.should_renew
        end.drop() if code == 1006 else end.close(code)
        (loss,) = conversation.losses
        assert loss.clean
        assert loss.failure.kind is ErrorKind.CONNECTION_CLOSED
        assert line.should_renew
        await line.renew(SAID)
        assert not line.should_renew
        await trio.sleep(5)

    held = completed(script, ready, ready)
    assert held.simulation.close_code is None  # that of the second, to which nobody answered


def test_what_else_goes_wrong_before_that_end_is_one():
    async def script(conversation, line):
        (end,) = conversation.agents.ends
        end.say("GoingAway")
        end.say("Violation", reason="not JSON")
        await line.renew(SAID)

    held = hold(script, ready)
    assert (held.failure.kind, held.failure.message) == (ErrorKind.INVALID_MESSAGE, "not JSON")
    assert len(held.agents.dialled) == 1


def test_an_end_that_nobody_spoke_of_is_one():
    async def script(conversation, line):
        conversation.agents.ends[0].close(1001)
        assert not line.should_renew
        raise conversation.line.simulation.loss.failure

    assert hold(script, ready).failure.kind is ErrorKind.CONNECTION_CLOSED


def test_a_connection_is_renewed_for_its_age():
    async def script(conversation, line):
        for _ in range(3):
            await trio.sleep(57.9)
            assert not line.should_renew
            await trio.sleep(0.2)
            assert line.should_renew
            await line.renew(SAID)
            assert not line.should_renew

    held = completed(script, *[ready] * 4, most_session_s=60)
    assert held.counters[metrics.RENEWALS] == 3
    assert [dialect["open"] for dialect in openings(held)] == [0, 1, 2, 3]


def openings(held):
    return [json.loads(end.got()[0]) for end in held.agents.ends]


def test_no_more_than_one_old_connection_is_kept_for_its_goodbye():
    async def script(conversation, line):
        ends = conversation.agents.ends
        for number in range(1, 6):
            await line.renew(SAID)
            assert [end.is_closed for end in ends] == [True] * (number - 1) + [False] * 2

    completed(script, *[ready] * 6)


async def leaves(end):
    await trio.sleep(2)
    end.close(1011)


async def leaves_as_announced(end):
    end.say("GoingAway")
    await leaves(end)


async def comes_and_goes(end):
    await trio.sleep(2)
    end.protocol.send_text(b'{"type": "ReadyReceived", "session_id": null}')
    end.close(1000)


@pytest.mark.parametrize(
    ("then", "kind", "message", "after_s"),
    [
        (REFUSED, ErrorKind.CONNECTION_REFUSED, "Connection refused", 1),
        (silent, ErrorKind.HANDSHAKE_TIMEOUT, "expected a message of type 'ready' within 10 s of the upgrade;", 11),
        (refuses, ErrorKind.AUTHENTICATION_FAILED, "no such session", 3),
        (leaves, ErrorKind.CONNECTION_CLOSED, "expected the conversation to go on; the agent closed", 6),
        (leaves_as_announced, ErrorKind.CONNECTION_CLOSED, "expected the conversation to go on; the agent closed", 6),
        (comes_and_goes, ErrorKind.CONNECTION_CLOSED, "expected the conversation to go on; the agent closed", 6),
    ],
)
def test_a_renewal_that_fails_says_so(then, kind, message, after_s):
    begun = []

    async def script(conversation, line):
        line.simulation.take_turn()
        begun.append(trio.current_time())
        try:
            await line.renew(SAID)
        finally:
            begun.append(trio.current_time())

    held = hold(script, ready, then, then)
    assert held.failure.kind is kind
    assert held.failure.message.startswith(PREFIX + message)
    assert (held.failure.stage, held.failure.turn) == (Stage.CONVERSATION, 1)
    assert begun[1] - begun[0] == pytest.approx(after_s)
    assert metrics.RENEWALS not in held.counters or held.counters[metrics.RENEWALS] == 0
    assert held.conversation.losses == []


def test_an_agent_that_knows_the_session_no_more_is_told_what_was_said():
    held = completed(renew, ready, leaves, ready)
    assert held.counters[metrics.RENEWALS] == 1
    assert held.durations(metrics.RENEWAL_TIME) == (1, pytest.approx(6, rel=1e-3))
    assert [end.got()[0] for end in held.agents.ends[1:]] == [b'{"open": 1, "said": 2}', b'{"open": 2, "said": 2}']


def test_a_renewal_is_dialled_again_as_the_first_dial_is():
    busy = [NotReached(ErrorKind.RATE_LIMITED, "429", 0.0) for _ in range(3)]
    held = completed(renew, busy[0], ready, *busy[1:], ready, redialling=Redialling(BackOff(2)))
    assert held.counters[metrics.RECONNECTS] == 3
    assert len(held.agents.dialled) == 5


@pytest.mark.parametrize("cut_at", [3.5, 5.0, 6.5])
def test_cut_off_while_it_is_renewed_every_socket_is_closed(cut_at):
    held = hold(renew, ready, ready, cut_at=cut_at)
    assert held.failure is None
    assert len(held.agents.ends) == (1 if cut_at < 4 else 2)
    assert held.counters[metrics.MESSAGES_SENT] == len(held.agents.ends)
    assert len(held.conversation.finished_at) == 1


def test_nothing_awaited_is_renewed_as_soon_as_the_connection_is_up():
    async def script(conversation, line):
        await line.renew(SAID)
        assert trio.current_time() == pytest.approx(began_at[0] + 2)

    began_at = []

    async def begun(end):
        began_at.append(trio.current_time() - 1)

    held = completed(script, begun, silent, handshake=Handshaking())
    assert held.durations(metrics.RENEWAL_TIME) == (1, pytest.approx(1, rel=1e-3))
    assert held.durations(metrics.HANDSHAKE_TIME) == (0, None)


def test_nothing_leads_back_to_a_call_that_is_over():
    left = []

    async def script(conversation, line):
        await line.renew(SAID)
        left.append(weakref.ref(line))

    gc.disable()
    try:
        held = completed(script, ready, ready)
        held.conversation.line = None
        for end in held.agents.ends:
            end.link = None
        assert left[0]() is None
    finally:
        gc.enable()
