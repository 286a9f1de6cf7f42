"""One example of each thing that a chatting agent does to a receiver, in virtual time."""

import pytest
import trio

from coval_load.actors.receiver import MOST_CHARACTERS, MOST_TEXTS, ChatReply, CoalescingReceiver
from coval_load.engine.doorbell import Doorbell
from coval_load.engine.outcome import ErrorKind, SimulationFailed

HUNG_UP = SimulationFailed(ErrorKind.CONNECTION_CLOSED, "the agent hung up")
GARBAGE = SimulationFailed(ErrorKind.INVALID_MESSAGE, "not JSON")


async def say(ears, *texts):
    for at, text in texts:
        await trio.sleep_until(at)
        ears.text_received(text, at)


async def lose(ears, at, clean):
    await trio.sleep_until(at)
    ears.lost(HUNG_UP, clean)


async def test_messages_are_coalesced_until_the_agent_is_quiet(autojump_clock):
    ears = CoalescingReceiver(2.0, Doorbell())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(say, ears, (1.0, "What"), (2.5, "size?"), (4.5, "Hello?"))
        reply = await ears.hear_reply(0.0, 30.0)
        assert trio.current_time() == 4.5
    assert reply == ChatReply(("What", "size?"), 1.0, 2.5)
    assert ears.take_strays(10.0) == [ChatReply(("Hello?",), 4.5, 4.5)]
    assert ears.take_strays(10.0) == []


async def test_without_a_quiet_period_each_message_is_a_reply(autojump_clock):
    ears = CoalescingReceiver(0.0, Doorbell())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(say, ears, (1.0, "one"), (1.0, "two"), (1.0, "three"), (2.0, "four"))
        assert (await ears.hear_reply(0.5, 30.0)).texts == ("one",)
        assert trio.current_time() == 1.0
        await trio.sleep_until(2.0)
        assert (await ears.hear_reply(2.0, 30.0)).texts == ("four",)
    assert [stray.texts for stray in ears.take_strays(3.0)] == [("two",), ("three",)]


async def test_what_came_before_is_no_answer(autojump_clock):
    ears = CoalescingReceiver(1.0, Doorbell())
    ears.text_received("still there?", 0.0)
    await trio.sleep(0.5)
    ears.text_received("yes", 0.5)
    assert (await ears.hear_reply(0.5, 30.0)).texts == ("yes",)
    assert [stray.texts for stray in ears.take_strays(0.5)] == [("still there?",)]


async def test_greeting_that_came_early_counts(autojump_clock):
    ears = CoalescingReceiver(1.0, Doorbell())
    ears.text_received("Hello", 0.0)
    await trio.sleep(0.5)
    ears.text_received("there", 0.5)
    assert await ears.hear_greeting(0.25, 30.0) == ChatReply(("Hello", "there"), 0.0, 0.5)
    assert trio.current_time() == 1.5


async def test_silence_is_no_response(autojump_clock):
    ears = CoalescingReceiver(2.0, Doorbell(), lambda: "4 messages of type ping were ignored")
    ears.text_received("early", 0.0)
    await trio.sleep(1.0)
    with pytest.raises(SimulationFailed) as raised:
        await ears.hear_reply(1.0, 30.0)
    assert trio.current_time() == 31.0
    assert raised.value.kind is ErrorKind.NO_RESPONSE
    expected = "No response received within 30 s: 4 messages of type ping were ignored"
    assert raised.value.message == expected


async def test_hang_up_in_good_order_completes_the_reply(autojump_clock):
    ears = CoalescingReceiver(2.0, Doorbell())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(say, ears, (1.0, "bye"))
        nursery.start_soon(lose, ears, 1.5, True)
        assert (await ears.hear_reply(0.0, 30.0)).texts == ("bye",)
        assert trio.current_time() == 1.5
    with pytest.raises(SimulationFailed, match="the agent hung up"):
        await ears.hear_reply(1.5, 30.0)
    assert trio.current_time() == 1.5


@pytest.mark.parametrize(("texts", "clean"), [([(1.0, "I th")], False), ([], False), ([], True)])
async def test_drop_is_raised_at_once(autojump_clock, texts, clean):
    ears = CoalescingReceiver(2.0, Doorbell())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(say, ears, *texts)
        nursery.start_soon(lose, ears, 1.5, clean)
        with pytest.raises(SimulationFailed, match="the agent hung up"):
            await ears.hear_reply(0.0, 30.0)
        assert trio.current_time() == 1.5


async def test_the_most_telling_loss_is_raised(autojump_clock):
    ears = CoalescingReceiver(2.0, Doorbell())
    ears.lost(GARBAGE, False)
    ears.lost(HUNG_UP, True)
    with pytest.raises(SimulationFailed, match="not JSON"):
        await ears.hear_reply(0.0, 30.0)


@pytest.mark.parametrize(
    ("text", "count"), [("x", MOST_TEXTS + 1), ("x" * (MOST_CHARACTERS // 4), 5)], ids=["texts", "characters"]
)
async def test_what_is_kept_is_bounded(autojump_clock, text, count):
    ears = CoalescingReceiver(2.0, Doorbell())
    for sent_at in (0.0, 2.0):
        for _ in range(count - 1):
            ears.text_received(text, sent_at)
        assert len((await ears.hear_reply(sent_at, 30.0)).texts) == count - 1
    for _ in range(count):
        ears.text_received(text, 4.0)
    with pytest.raises(SimulationFailed) as raised:
        await ears.hear_reply(4.0, 30.0)
    assert raised.value.kind is ErrorKind.INVALID_MESSAGE
    assert trio.current_time() == 4.0


async def test_text_after_the_deadline_is_too_late_whenever_it_is_looked_at(autojump_clock):
    ears = CoalescingReceiver(2.0, Doorbell())
    await say(ears, (35.0, "sorry"))
    with pytest.raises(SimulationFailed, match="No response received within 30 s: no text came in time"):
        await ears.hear_reply(0.0, 30.0)
