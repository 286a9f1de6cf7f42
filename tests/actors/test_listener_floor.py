"""Who has the floor: interruptions, barge-in, and an agent that leaves; in virtual time."""

from functools import partial

import pytest
import trio
from listening import GARBAGE, HUNG_UP, SAMPLE_S, at, close_to, hear, listen, loud, quiet, replied, stream

from coval_load.engine.outcome import ErrorKind, SimulationFailed


@pytest.mark.parametrize("ended_at", [0.5, 1.5])
async def test_backchannel_is_no_reply(autojump_clock, ended_at):
    ears = listen()
    ears.caller_speaks(0.0, 2.0)
    reply, _ = await replied(
        ears,
        partial(stream, ears, ended_at - 0.2, loud(0.2)),
        partial(stream, ears, 2.9, loud(1.0)),
        anchor=2.0,
    )
    assert reply.response_latency == close_to(0.9)
    assert ears.interruptions == 1


@pytest.mark.parametrize("call_at", [1.6, 2.1, 3.5])
async def test_interruption_by_the_agent(autojump_clock, call_at):
    ears = listen()
    ears.caller_speaks(0.2, 2.0)
    happening = partial(stream, ears, 1.5, loud(1.5))
    reply, returned_at = await replied(ears, happening, anchor=2.0, call_at=call_at)
    assert reply.onset_at == close_to(1.5)
    assert reply.began_over_caller
    assert (reply.response_latency, reply.ttfb_audio, reply.leading_silence) == (None, None, None)
    assert returned_at == close_to(3.8 - SAMPLE_S)
    assert ears.interruptions == 1
    ears.caller_speaks(5.0, 6.0)
    assert ears.interruptions == 1


async def test_reply_at_the_callers_last_sample_interrupts_no_one(autojump_clock):
    ears = listen()
    ears.caller_speaks(0.0, 1.0)
    reply, _ = await replied(ears, partial(at, 1.0, hear, ears, loud(1.0)), anchor=1.0)
    assert (reply.response_latency, reply.began_over_caller, ears.interruptions) == (0.0, False, 0)


async def test_interruption_that_goes_on_in_a_window_cut_by_messages(autojump_clock):
    # The pause is shorter than one that yields only by what the second message completes.
    ears = listen()
    ears.caller_speaks(0.5, 2.0)
    reply, returned_at = await replied(
        ears,
        partial(at, 1.006, hear, ears, loud(0.744) + quiet(0.248) + loud(0.004)),
        partial(at, 2.001, hear, ears, loud(1.0)),
        anchor=2.0,
    )
    assert reply.onset_at == close_to(1.006)
    assert returned_at == close_to(reply.over_at) == close_to(3.8, within_s=0.01)


async def test_interruption_that_pauses_while_the_caller_finishes(autojump_clock):
    ears = listen()
    ears.caller_speaks(0.2, 2.0)
    reply, _ = await replied(
        ears,
        partial(stream, ears, 1.3, loud(0.3)),
        partial(stream, ears, 2.2, loud(1.0)),
        anchor=2.0,
        call_at=1.7,
    )
    assert (reply.onset_at, reply.ended_at) == (close_to(1.3), close_to(3.2 - SAMPLE_S))


async def test_barge_in_stops_the_agent(autojump_clock):
    ears = listen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream, ears, 0.5, loud(1.8))
        nursery.start_soon(stream, ears, 2.8, loud(1.0))
        begun = await ears.hear_onset(0.0, 30.0)
        assert (trio.current_time(), begun.onset_at) == (0.5, 0.5)
        await trio.sleep_until(2.0)
        ears.caller_speaks(2.0, 2.7, barge_in=True)
        await trio.sleep_until(2.7)
        reply = await ears.hear_reply(2.7, 30.0)
    assert (reply.onset_at, reply.response_latency) == (close_to(2.8), close_to(0.1))
    assert not reply.began_over_caller
    assert ears.interrupted().last_audible_at == close_to(2.3 - SAMPLE_S)
    assert ears.barge_in_stop_latency() == close_to(0.3 - SAMPLE_S)
    assert ears.interruptions == 0


async def test_an_agent_that_stopped_within_the_frame_of_the_onset_was_interrupted(autojump_clock):
    ears = listen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream, ears, 0.5, loud(1.5))
        nursery.start_soon(stream, ears, 2.8, loud(1.0))
        await ears.hear_onset(0.0, 30.0)
        await trio.sleep_until(1.9)
        ears.caller_speaks(2.01, 2.7, barge_in=True)
        await ears.hear_reply(2.7, 30.0)
    assert ears.interrupted().last_audible_at == close_to(2.0 - SAMPLE_S)
    assert ears.barge_in_stop_latency() == 0.0


async def test_barge_in_parts_what_was_queued_already(autojump_clock):
    ears = listen()
    hear(ears, loud(2.3) + quiet(0.5) + loud(1.0))
    assert (await ears.hear_onset(0.0, 30.0)).last_audible_at == close_to(3.8 - SAMPLE_S)
    await trio.sleep_until(1.5)
    ears.caller_speaks(2.0, 2.5, barge_in=True)
    reply = await ears.hear_reply(2.5, 30.0)
    assert reply.onset_at == close_to(2.8)
    assert ears.barge_in_stop_latency() == close_to(0.3 - SAMPLE_S)


async def test_pause_is_no_end_where_no_one_came_in(autojump_clock):
    ears = listen()
    hear(ears, loud(2.3) + quiet(0.5) + loud(1.0))
    assert (await ears.hear_reply(0.0, 30.0)).ended_at == close_to(3.8 - SAMPLE_S)


async def test_barge_in_ignored(autojump_clock):
    ears = listen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream, ears, 0.5, loud(4.0))
        nursery.start_soon(stream, ears, 6.0, loud(1.0))
        await ears.hear_onset(0.0, 30.0)
        ears.caller_speaks(2.0, 2.7, barge_in=True)
        await trio.sleep_until(2.7)
        reply = await ears.hear_reply(2.7, 30.0)
    assert reply.response_latency == close_to(3.3)
    assert ears.barge_in_stop_latency() == close_to(2.5 - SAMPLE_S)


async def test_barge_in_on_silence_stops_nothing(autojump_clock):
    ears = listen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream, ears, 0.5, loud(1.0))
        nursery.start_soon(stream, ears, 3.0, loud(1.0))
        await ears.hear_onset(0.0, 30.0)
        ears.caller_speaks(1.8, 2.7, barge_in=True)
        assert (await ears.hear_reply(2.7, 30.0)).response_latency == close_to(0.3)
    assert ears.interrupted() is None
    assert ears.barge_in_stop_latency() is None


async def test_hang_up_after_what_is_queued_leaves_the_reply_whole(autojump_clock):
    ears = listen()
    reply, returned_at = await replied(
        ears, partial(at, 0.5, hear, ears, quiet(0.5) + loud(2.0)), partial(at, 0.6, ears.lost, HUNG_UP, True)
    )
    assert (reply.onset_at, returned_at) == (close_to(1.0), close_to(3.8 - SAMPLE_S))
    with pytest.raises(SimulationFailed) as raised:
        await ears.hear_reply(returned_at, 30.0)
    assert raised.value is HUNG_UP


@pytest.mark.parametrize("lost_at", [0.6, 1.5, 3.0])
async def test_drop_mid_reply(autojump_clock, lost_at):
    ears = listen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(at, 0.5, hear, ears, quiet(0.5) + loud(2.0))
        nursery.start_soon(at, lost_at, ears.lost, HUNG_UP, False)
        with pytest.raises(SimulationFailed) as raised:
            await ears.hear_reply(0.0, 30.0)
    assert raised.value is HUNG_UP
    assert trio.current_time() == lost_at


async def test_drop_once_the_reply_is_over_is_the_next_turns(autojump_clock):
    first, second = listen(), listen()
    for ears in (first, second):
        hear(ears, loud(1.0))
    over_at = (await first.hear_reply(0.0, 30.0)).over_at
    second.lost(HUNG_UP, clean=False)
    assert trio.current_time() == over_at
    assert (await second.hear_reply(0.0, 30.0)).over_at == over_at
    with pytest.raises(SimulationFailed):
        await second.hear_reply(over_at, 30.0)


async def test_hang_up_with_nothing_to_be_heard_in_time_is_raised_at_once(autojump_clock):
    ears = listen()
    hear(ears, quiet(3.0) + loud(1.0))
    ears.lost(HUNG_UP, clean=True)
    with pytest.raises(SimulationFailed) as raised:
        await ears.hear_reply(0.0, 2.0)
    assert raised.value is HUNG_UP
    assert trio.current_time() == 0.0


async def test_the_most_telling_loss_is_raised(autojump_clock):
    ears = listen()
    ears.lost(HUNG_UP, True)
    ears.lost(GARBAGE, False)
    ears.lost(SimulationFailed(ErrorKind.CONNECTION_CLOSED, "again"), True)
    with pytest.raises(SimulationFailed) as raised:
        await ears.hear_reply(0.0, 30.0)
    assert raised.value is GARBAGE
