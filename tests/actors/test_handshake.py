import pytest
import trio

from coval_load.actors.handshake import Handshake
from coval_load.actors.loss import Loss
from coval_load.codecs.dialects.interface import Handshaking
from coval_load.codecs.dialects.placeholders import handshaking
from coval_load.codecs.events import ReadyReceived
from coval_load.engine.doorbell import Doorbell
from coval_load.engine.outcome import ErrorKind, SimulationFailed

GONE = Loss(SimulationFailed(ErrorKind.CONNECTION_CLOSED, "gone"), clean=True, at=0.0)


def handshake(ready_type="ready", requires_session_id=False):
    return Handshake(handshaking(ready_type, requires_session_id, 10), Doorbell())


async def complete(shaking, lost=lambda: None):
    return await shaking.complete(trio.current_time() + 10, lost, lambda: "3 other messages came")


async def failure_of(shaking, lost=lambda: None):
    with pytest.raises(SimulationFailed) as caught:
        await complete(shaking, lost)
    return caught.value


async def say_later(shaking, *session_ids):
    for session_id in session_ids:
        await trio.sleep(2)
        shaking.ready(ReadyReceived(session_id))


async def test_nothing_is_awaited_where_no_type_is_named(autojump_clock):
    assert await complete(handshake("")) is None


async def test_the_first_ready_message_counts(autojump_clock, nursery):
    shaking, start = handshake(), trio.current_time()
    nursery.start_soon(say_later, shaking, "s1", "s2")
    assert await complete(shaking) == "s1"
    assert trio.current_time() == pytest.approx(start + 2)
    await trio.sleep(5)
    assert await complete(shaking) == "s1"


async def test_a_ready_message_that_came_early(autojump_clock):
    shaking = handshake()
    shaking.ready(ReadyReceived(None))
    assert await complete(shaking) is None


async def test_one_that_never_comes(autojump_clock):
    start = trio.current_time()
    failure = await failure_of(handshake())
    assert failure.kind is ErrorKind.HANDSHAKE_TIMEOUT
    assert trio.current_time() == pytest.approx(start + 10)
    assert failure.message == (
        "expected a message of type 'ready' within 10 s of the upgrade; 3 other messages came: set "
        "handshake_ready_message_type to what the agent sends, or to an empty string to wait for nothing"
    )


async def test_where_there_is_nothing_to_set_nothing_is_advised(autojump_clock):
    failure = await failure_of(Handshake(Handshaking("session.updated", timeout_s=10), Doorbell()))
    assert failure.message == ("expected session.updated within 10 s of the upgrade; 3 other messages came")


async def test_one_without_the_session_id_it_needs(autojump_clock):
    shaking = handshake(requires_session_id=True)
    shaking.ready(ReadyReceived(None))
    failure = await failure_of(shaking)
    assert failure.kind is ErrorKind.HANDSHAKE_INVALID
    assert failure.message == (
        "expected session_id in the message of type 'ready'; it has none: send one, or set "
        "handshake_requires_session_id to false"
    )


async def test_an_empty_session_id_is_one(autojump_clock):
    shaking = handshake(requires_session_id=True)
    shaking.ready(ReadyReceived(""))
    assert await complete(shaking) == ""


async def test_the_connection_is_lost_meanwhile(autojump_clock):
    assert await failure_of(handshake(), lambda: GONE) is GONE.failure


async def test_ready_and_then_gone_is_ready(autojump_clock):
    shaking = handshake()
    shaking.ready(ReadyReceived("s1"))
    assert await complete(shaking, lambda: GONE) == "s1"
