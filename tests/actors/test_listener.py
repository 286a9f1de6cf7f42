"""One example of each thing that makes a reply's times, with the real loudness meter, in virtual time."""

from functools import partial

import pytest
import trio
from listening import FRAME_S, SAMPLE_S, CountingBell, at, close_to, hear, listen, loud, quiet, replied, stream

from coval_load.engine.outcome import ErrorKind, SimulationFailed


async def test_real_time_stream(autojump_clock):
    ears = listen()
    reply, returned_at = await replied(ears, partial(stream, ears, 0.5, quiet(0.1) + loud(1.0) + quiet(0.3)))
    assert reply.onset_at == close_to(0.6)
    assert reply.ended_at == close_to(1.6 - SAMPLE_S)
    assert returned_at == reply.over_at == close_to(2.4 - SAMPLE_S)
    assert (reply.response_latency, reply.ttfb_audio) == (close_to(0.6), close_to(0.5))
    assert reply.leading_silence == close_to(0.1)
    assert (reply.messages, reply.underrun_s) == (50, close_to(0.0))
    assert not reply.began_over_caller


async def test_burst_faster_than_real_time_is_heard_as_it_plays(autojump_clock):
    ears = listen()
    reply, returned_at = await replied(
        ears,
        partial(at, 0.5, hear, ears, quiet(0.2) + loud(3.0)),
        partial(at, 0.6, hear, ears, loud(2.0) + quiet(4.0)),
    )
    assert (reply.onset_at, reply.ended_at) == (close_to(0.7), close_to(5.7 - SAMPLE_S))
    assert returned_at == reply.over_at == close_to(6.5 - SAMPLE_S)
    assert (reply.ttfb_audio, reply.leading_silence) == (close_to(0.5), close_to(0.2))
    assert (reply.messages, reply.underrun_s) == (2, 0.0)


async def test_unpaced_burst_is_heard_as_it_arrives(autojump_clock):
    ears = listen(paced=False)
    happenings = [partial(at, 0.5 + number / 100, hear, ears, loud(0.5)) for number in range(10)]
    reply, returned_at = await replied(ears, *happenings)
    assert (reply.onset_at, reply.ended_at) == (0.5, close_to(0.59 + 0.5 - SAMPLE_S))
    assert returned_at == close_to(1.89 - SAMPLE_S)
    assert (reply.messages, reply.underrun_s) == (10, 0.0)


async def test_unpaced_sound_that_plays_before_what_came_earlier(autojump_clock):
    ears = listen(paced=False)
    reply, _ = await replied(
        ears,
        partial(at, 0.5, hear, ears, quiet(0.6) + loud(0.1)),
        partial(at, 0.6, hear, ears, loud(0.1)),
    )
    assert (reply.onset_at, reply.ended_at) == (0.6, close_to(1.2 - SAMPLE_S))
    assert (reply.ttfb_audio, reply.leading_silence) == (close_to(0.5), close_to(0.1))


async def test_what_comes_earlier_than_known_sound_did_not_run_dry_before_it(autojump_clock):
    ears = listen(paced=False)
    hear(ears, loud(0.1))
    reply, _ = await replied(
        ears,
        partial(at, 2.0, hear, ears, quiet(0.3) + loud(0.1)),
        partial(at, 2.1, hear, ears, loud(0.2)),
        anchor=1.0,
    )
    assert (reply.onset_at, reply.messages, reply.underrun_s) == (2.1, 2, 0.0)


async def test_silence_all_around(autojump_clock):
    ears = listen()
    ears.caller_speaks(0.2, 1.0)
    pcm = quiet(1.5) + loud(0.5) + quiet(10)
    reply, returned_at = await replied(ears, partial(stream, ears, 0.0, pcm), anchor=1.0)
    assert (reply.onset_at, reply.ended_at) == (close_to(1.5), close_to(2.0 - SAMPLE_S))
    assert returned_at == close_to(2.8 - SAMPLE_S)
    assert 0 <= reply.ttfb_audio < FRAME_S
    assert reply.response_latency == close_to(reply.ttfb_audio + reply.leading_silence) == close_to(0.5)


async def test_audio_queued_before_the_caller_finished(autojump_clock):
    ears = listen()
    ears.caller_speaks(0.0, 1.0)
    reply, _ = await replied(ears, partial(at, 0.5, hear, ears, quiet(0.7) + loud(0.5)), anchor=1.0)
    assert reply.response_latency == close_to(0.2)
    assert (reply.ttfb_audio, reply.leading_silence) == (0.0, close_to(0.2))


async def test_late_audio_is_an_underrun_and_not_the_end(autojump_clock):
    ears = listen()
    reply, _ = await replied(
        ears,
        partial(at, 0.1, hear, ears, loud(0.2)),
        partial(at, 0.35, hear, ears, loud(0.2)),
        partial(at, 1.05, hear, ears, loud(0.2)),
        partial(at, 3.0, hear, ears, loud(0.2)),
    )
    assert reply.underrun_s == close_to(0.5)
    assert (reply.messages, reply.ended_at) == (3, close_to(1.25 - SAMPLE_S))


async def test_jitter_is_an_underrun_too(autojump_clock):
    ears = listen()
    happenings = [partial(at, time, hear, ears, loud(0.2)) for time in (0.1, 0.34, 0.56)]
    reply, _ = await replied(ears, *happenings)
    assert (reply.underrun_s, reply.messages) == (close_to(0.04), 3)


async def test_window_cut_by_a_pause_is_not_heard_before_its_message(autojump_clock):
    ears = listen()
    reply, _ = await replied(ears, partial(at, 0.5, hear, ears, loud(0.005)), partial(at, 1.0, hear, ears, loud(0.015)))
    assert reply.onset_at == 1.0


async def test_nothing_audible_is_no_response(autojump_clock):
    ears = listen(explain=lambda: "3 messages ignored")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream, ears, 0.0, quiet(1.0))
        with pytest.raises(SimulationFailed) as raised:
            await ears.hear_reply(0.0, 30.0)
    assert trio.current_time() == 30.0
    assert raised.value.kind is ErrorKind.NO_RESPONSE
    assert str(raised.value).startswith("No response received within 30 s: 50 audio messages came")
    assert str(raised.value).endswith("; 3 messages ignored")


@pytest.mark.parametrize(("silence_s", "is_in_time"), [(1.9, True), (2.1, False)])
async def test_the_deadline_is_for_hearing_and_not_for_arrival(autojump_clock, silence_s, is_in_time):
    ears = listen()
    hear(ears, quiet(silence_s) + loud(1.0))
    if is_in_time:
        assert (await ears.hear_reply(0.0, 2.0)).response_latency == close_to(1.9)
    else:
        with pytest.raises(SimulationFailed, match="No response received within 2 s"):
            await ears.hear_reply(0.0, 2.0)
        assert trio.current_time() == 2.0


async def test_greeting_that_began_too_early_kept_no_one_waiting(autojump_clock):
    ears = listen()
    hear(ears, loud(2.0))
    reply, _ = await replied(ears, anchor=1.0, hearing=ears.hear_greeting)
    assert (reply.onset_at, reply.response_latency, reply.ttfb_audio) == (0.0, 0.0, 0.0)
    late = listen()
    reply, _ = await replied(late, partial(at, 4.0, hear, late, loud(1.0)), anchor=3.0, hearing=late.hear_greeting)
    assert reply.response_latency == close_to(1.0)


async def test_a_turn_wakes_its_task_and_a_frame_does_not(autojump_clock):
    bell = CountingBell()
    ears = listen(bell=bell)
    reply, _ = await replied(ears, partial(stream, ears, 0.5, loud(8.0) + quiet(1.0)))
    assert reply.messages == 400
    assert bell.waits < 20


async def test_agent_speaking_outlasts_jitter(autojump_clock):
    ears = listen()
    hear(ears, quiet(0.5) + loud(1.0))
    speaking = [ears.agent_speaking(now) for now in (0.4, 0.5, 1.4, 1.7, 1.8)]
    assert speaking == [False, True, True, True, False]


async def test_an_endless_talker_takes_no_more_memory(autojump_clock):
    ears = listen()
    with trio.move_on_after(600.0):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ears.hear_reply, 0.0, 30.0)
            while True:
                hear(ears, loud(0.1))
                await trio.sleep(0.5)
    assert len(ears._floor._stretches) <= 4


async def test_no_silence_is_too_long_to_end_a_turn_for_being_too_short_to_yield(autojump_clock):
    ears = listen(end_silence_s=0.3, yield_silence_s=5.0)
    hear(ears, loud(1.0) + quiet(0.5) + loud(1.0))
    assert (await ears.hear_reply(0.0, 30.0)).over_at == close_to(1.3 - SAMPLE_S)
    assert (await ears.hear_reply(1.3, 30.0)).onset_at == close_to(1.5)


async def test_onset_of_a_greeting_that_began_too_early(autojump_clock):
    ears = listen()
    hear(ears, loud(2.0))
    await trio.sleep(1.0)
    assert (await ears.hear_onset(1.0, 30.0, early=True)).onset_at == 0.0
