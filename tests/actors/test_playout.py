"""What is thrown away was never heard, by the real loudness meter: to 10 ms, however messages cut the sound."""

import attrs
import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from listening import FRAME_S, RATE_HZ, at, hear, listen, loud, quiet, replied
from trio.testing import MockClock

from coval_load.actors.playout import MOST_KEPT_S

WITHIN_S = 0.0102


@attrs.define
class EverySample:
    """When each loud sample that came is heard."""

    times: np.ndarray = attrs.field(factory=lambda: np.zeros(0))
    queue_end: float = 0.0

    def hear(self, pcm, now):
        start = max(now, self.queue_end)
        self.times = np.append(self.times, start + np.flatnonzero(np.frombuffer(pcm, "<i2")) / RATE_HZ)
        self.queue_end = start + len(pcm) / 2 / RATE_HZ

    def clear(self, time):
        self.times = self.times[self.times < time - 1e-9]
        self.queue_end = min(self.queue_end, time)

    def agrees(self, utterances):
        last = max([-1.0, *(it.last_audible_at for it in utterances)])
        judged = self.times[self.times < self.queue_end - WITHIN_S]
        assert last <= max([-1.0, *self.times[-1:]]) + 1e-9
        assert last >= max([-1.0, *judged[-1:]]) - WITHIN_S


parts = st.tuples(st.booleans(), st.sampled_from([0.03, 0.05, 0.1, 0.2, 0.3, 1.0, 3.0]))
cuts = st.sampled_from([0.002, 0.007, 0.02, 0.02, 0.033, 0.1, 0.25, 1.0])
speed = st.sampled_from([1.0, 1.0, 3.0, 1000.0])
clears = st.lists(st.tuples(st.integers(0, 60), st.sampled_from([0.0, 0.0, 0.013, 0.2, 0.7, 2.0])), max_size=3)


@given(parts=st.lists(parts, min_size=1, max_size=8), cut_s=cuts, speed=speed, clears=clears)
def test_what_is_left_is_what_was_heard_before_the_cut(parts, cut_s, speed, clears):
    async def talk():
        ears, model = listen(), EverySample()
        pcm = b"".join((loud if is_loud else quiet)(seconds) for is_loud, seconds in parts)
        size = 2 * round(cut_s * RATE_HZ)
        for number, start in enumerate(range(0, len(pcm), size)):
            now = trio.current_time()
            hear(ears, pcm[start : start + size])
            model.hear(pcm[start : start + size], now)
            for after, ahead_s in clears:
                if after == number % 61:
                    thrown_s = max(model.queue_end - now - ahead_s, 0.0)
                    assert ears.clear(now + ahead_s) == pytest.approx(thrown_s, abs=1e-9)
                    model.clear(now + ahead_s)
                    model.agrees(list(ears._heard().utterances(now)))
            await trio.sleep(cut_s / speed)
        await trio.sleep(60)
        model.agrees(ears.heard())

    trio.run(talk, clock=MockClock(autojump_threshold=0))


async def test_of_an_agent_that_speaks_in_real_time_next_to_nothing_is_kept(autojump_clock):
    ears = listen()
    for _ in range(1000):
        hear(ears, loud(FRAME_S))
        await trio.sleep(FRAME_S)
    assert sum(len(pcm) for judged in ears._playout._kept for pcm, *_ in judged.messages) <= 2 * RATE_HZ


async def test_of_hours_in_one_burst_a_bounded_part_is_kept_and_the_rest_cut_within_a_pause(autojump_clock):
    ears = listen()
    for _ in range(600):
        hear(ears, loud(0.9) + quiet(0.1))
    kept = sum(len(pcm) for judged in ears._playout._kept for pcm, *_ in judged.messages)
    assert kept <= 2 * RATE_HZ * (MOST_KEPT_S + 1)
    assert ears.clear(300.95) == pytest.approx(299.05)
    await trio.sleep(400)
    assert ears.heard()[-1].last_audible_at == pytest.approx(300.95, abs=0.11)


async def test_what_comes_after_shares_no_window_with_what_was_thrown_away(autojump_clock):
    ears = listen()
    hear(ears, loud(1.0) + quiet(0.005) + loud(0.004))
    assert ears.clear(0.5) == pytest.approx(0.509)
    await trio.sleep(2.0)
    hear(ears, quiet(1.0))
    await trio.sleep(2.0)
    assert len(ears.heard()) == 1


async def test_messages_thrown_away_are_no_part_of_what_is_left(autojump_clock):
    ears = listen()
    for _ in range(10):
        hear(ears, loud(0.1))
    ears.clear(0.35)
    await trio.sleep(1.0)
    (utterance,) = ears.heard()
    assert (utterance.messages, utterance.last_audible_at) == (4, pytest.approx(0.35, abs=0.001))


async def test_what_was_thrown_away_was_not_the_first_to_arrive(autojump_clock):
    ears = listen()
    reply, _ = await replied(
        ears,
        partial_hear(0.5, ears, quiet(2.0) + loud(1.0)),
        lambda: at(1.0, ears.clear, 1.0),
        partial_hear(2.0, ears, quiet(0.1) + loud(1.0)),
    )
    assert (reply.ttfb_audio, reply.leading_silence) == (pytest.approx(2.0), pytest.approx(0.1))
    assert (reply.messages, reply.underrun_s) == (1, 0.0)


def partial_hear(time, ears, pcm):
    return lambda: at(time, hear, ears, pcm)


async def test_a_player_that_was_cleared_did_not_run_dry(autojump_clock):
    ears = listen()
    reply, _ = await replied(
        ears,
        partial_hear(0.5, ears, loud(3.0)),
        lambda: at(1.0, ears.clear, 1.0),
        partial_hear(1.5, ears, loud(1.0)),
    )
    assert (reply.onset_at, reply.ended_at) == (0.5, pytest.approx(2.5, abs=0.001))
    assert (reply.messages, reply.underrun_s) == (2, 0.0)


async def test_an_answer_at_once_is_another_utterance_than_the_one_that_was_cut(autojump_clock):
    ears = listen()
    hear(ears, loud(5.0))
    await trio.sleep(1.0)
    ears.caller_speaks(1.0, 1.1, barge_in=True)
    await trio.sleep(0.1)
    ears.clear(1.1)
    await trio.sleep(0.05)
    assert ears.agent_speaking(1.15)
    hear(ears, loud(0.5))
    reply = await ears.hear_reply(1.1, 30.0)
    assert reply.response_latency == pytest.approx(0.05)
    assert ears.barge_in_stop_latency() == pytest.approx(0.1, abs=0.001)


async def test_unpaced_nothing_is_queued(autojump_clock):
    ears = listen(paced=False)
    hear(ears, loud(3.0))
    assert ears.clear(1.0) == 0.0
    assert (await ears.hear_reply(0.0, 30.0)).ended_at == pytest.approx(3.0, abs=0.001)


async def test_where_nothing_is_queued_nothing_happens(autojump_clock):
    ears = listen()
    assert ears.clear(0.0) == 0.0
    hear(ears, loud(0.5))
    assert ears.clear(1.0) == 0.0
    hear(ears, loud(0.5))
    assert (await ears.hear_reply(0.0, 30.0)).ended_at == pytest.approx(1.0, abs=0.001)
    assert ears._playout._queue_end == 1.0


async def test_the_end_of_a_turn_comes_sooner_for_what_was_thrown_away(autojump_clock):
    ears = listen()
    reply, returned_at = await replied(ears, partial_hear(0.0, ears, loud(20.0)), lambda: at(2.0, ears.clear, 2.0))
    assert returned_at == reply.over_at == pytest.approx(2.8, abs=0.001)


async def test_of_messages_judged_together_those_after_the_cut_are_not_heard(autojump_clock):
    ears = listen()
    for _ in range(50):
        hear(ears, loud(FRAME_S))
    ears.clear(0.095)
    await trio.sleep(1.0)
    (utterance,) = ears.heard()
    assert (utterance.messages, utterance.last_audible_at) == (5, pytest.approx(0.095, abs=0.0002))


async def test_what_is_left_of_a_reply_may_answer_no_one(autojump_clock):
    ears = listen()
    ears.caller_speaks(0.2, 2.0)
    reply, _ = await replied(
        ears,
        partial_hear(1.0, ears, loud(4.0)),
        lambda: at(1.5, ears.clear, 1.5),
        partial_hear(3.0, ears, loud(1.0)),
        anchor=2.0,
        call_at=1.2,
    )
    assert reply.onset_at == 3.0


async def test_what_follows_a_caller_who_came_in_is_another_turn(autojump_clock):
    ears = listen()
    reply, _ = await replied(
        ears,
        partial_hear(0.0, ears, loud(1.0)),
        lambda: at(1.05, ears.caller_speaks, 1.1, 1.2),
        partial_hear(1.5, ears, loud(1.0)),
        hearing=ears.hear_greeting,
    )
    assert reply.ended_at == pytest.approx(1.0, abs=0.001)
