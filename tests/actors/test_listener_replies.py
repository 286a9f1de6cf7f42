"""What the agent's protocol says of its replies, beside what is heard of them; in virtual time."""

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from listening import GARBAGE, HUNG_UP, SAMPLE_S, at, close_to, hear, listen, loud, quiet, replied
from trio.testing import MockClock

from coval_load.engine.outcome import ErrorKind, SimulationFailed


@attrs.define
class Told:
    """What the agent said of its replies so far."""

    silent: bool = False
    more: bool = False

    def ended_silently(self):
        return self.silent

    def going_on(self):
        return self.more


def told_ears(**options):
    told = Told()
    return listen(replies=told, **options), told


def tell(ears, told, **what):
    for name, value in what.items():
        setattr(told, name, value)
    ears.told()


def then(time, act, *arguments, **options):
    return lambda: at(time, lambda: act(*arguments, **options))


@pytest.mark.parametrize("way", ["hear_reply", "hear_greeting", "hear_onset"])
async def test_a_reply_that_ended_without_sound_is_none_at_once(autojump_clock, way):
    ears, told = told_ears()
    reply, returned_at = await replied(ears, then(1.5, tell, ears, told, silent=True), hearing=getattr(ears, way))
    assert (reply, returned_at) == (None, 1.5)


async def test_one_that_has_sound_after_all_is_heard(autojump_clock):
    ears, told = told_ears()
    hear(ears, quiet(1.0) + loud(1.0))
    tell(ears, told, silent=True)
    assert (await ears.hear_reply(0.0, 30.0)).onset_at == close_to(1.0)


async def test_one_whose_sound_was_all_thrown_away_is_none(autojump_clock):
    ears, told = told_ears()
    hear(ears, quiet(1.0) + loud(1.0))
    tell(ears, told, silent=True)
    reply, returned_at = await replied(ears, then(0.5, ears.clear, 0.5))
    assert (reply, returned_at) == (None, 0.5)


@pytest.mark.parametrize(("clean", "is_heard"), [(True, True), (False, False)])
async def test_a_hang_up_after_a_silent_reply(autojump_clock, clean, is_heard):
    ears, told = told_ears()
    tell(ears, told, silent=True)
    ears.lost(HUNG_UP if clean else GARBAGE, clean)
    if is_heard:
        assert await ears.hear_reply(0.0, 30.0) is None
    else:
        with pytest.raises(SimulationFailed, match="not base64"):
            await ears.hear_reply(0.0, 30.0)


async def test_a_turn_goes_on_over_any_silence_while_the_agent_says_so(autojump_clock):
    ears, told = told_ears()
    told.more = True
    reply, returned_at = await replied(
        ears,
        then(0.5, hear, ears, loud(1.0)),
        then(4.5, hear, ears, loud(1.0)),
        then(5.0, tell, ears, told, more=False),
    )
    assert (reply.onset_at, reply.ended_at) == (0.5, close_to(5.5 - SAMPLE_S))
    assert returned_at == reply.over_at == close_to(6.3 - SAMPLE_S)
    assert (reply.messages, reply.underrun_s, reply.response_latency) == (2, close_to(3.0), 0.5)


async def test_a_turn_is_over_when_the_agent_says_so_if_its_silence_was_long_enough(autojump_clock):
    ears, told = told_ears()
    told.more = True
    reply, returned_at = await replied(
        ears, then(0.5, hear, ears, loud(1.0)), then(4.0, tell, ears, told, more=False), then(4.5, hear, ears, loud(1))
    )
    assert (reply.ended_at, reply.over_at, returned_at) == (close_to(1.5 - SAMPLE_S), 4.0, 4.0)
    assert (reply.messages, reply.underrun_s) == (1, 0.0)


async def test_word_that_the_turn_is_over_does_not_shorten_the_silence_that_ends_it(autojump_clock):
    ears, told = told_ears()
    told.more = True
    reply, returned_at = await replied(ears, then(0.5, hear, ears, loud(1.0)), then(0.6, tell, ears, told, more=False))
    assert returned_at == reply.over_at == close_to(2.3 - SAMPLE_S)


async def test_an_agent_that_only_says_that_it_goes_on_is_not_waited_for_forever(autojump_clock):
    ears, told = told_ears()
    told.more = True
    hear(ears, loud(1.0))
    reply = await ears.hear_reply(0.0, 5.0)
    assert trio.current_time() == reply.over_at == close_to(6.0 - SAMPLE_S)


async def test_what_it_says_once_the_turn_was_over_bridges_nothing(autojump_clock):
    """However late the listener's task gets to run."""
    ears, told = told_ears()
    hear(ears, loud(1.0))
    await trio.sleep_until(2.0)
    tell(ears, told, more=True)
    await trio.sleep_until(3.0)
    hear(ears, loud(1.0))
    assert (await ears.hear_reply(0.0, 30.0)).over_at == close_to(1.8 - SAMPLE_S)


async def test_a_hang_up_ends_a_turn_that_goes_on(autojump_clock):
    ears, told = told_ears()
    told.more = True
    reply, returned_at = await replied(
        ears, then(0.5, hear, ears, loud(1.0)), then(3.0, ears.lost, HUNG_UP, clean=True)
    )
    assert reply.over_at == returned_at == 3.0


async def test_garbage_in_the_silence_of_a_turn_that_goes_on_is_raised(autojump_clock):
    ears, told = told_ears()
    told.more = True
    hear(ears, loud(1.0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(then(3.0, ears.lost, GARBAGE, clean=False))
        with pytest.raises(SimulationFailed, match="not base64"):
            await ears.hear_reply(0.0, 30.0)
    assert trio.current_time() == 3.0


async def test_word_that_is_taken_back_at_once_still_ended_the_turn_then(autojump_clock):
    ears, told = told_ears()
    told.more = True

    def flip():
        tell(ears, told, more=False)
        tell(ears, told, more=True)

    reply, returned_at = await replied(ears, then(0.5, hear, ears, loud(1.0)), then(4.0, flip))
    assert reply.over_at == returned_at == 4.0


async def test_a_loss_is_forgotten_once_connected_again(autojump_clock):
    ears, _ = told_ears()
    ears.lost(GARBAGE, False)
    ears.resume()
    reply, _ = await replied(ears, then(0.5, hear, ears, loud(1.0)))
    assert reply.onset_at == 0.5


@pytest.mark.parametrize(("advice", "message"), [("look there", "no audio came; look there"), ("", "no audio came")])
async def test_advice_where_no_audio_came(autojump_clock, advice, message):
    ears, _ = told_ears(advice_if_deaf=advice)
    with pytest.raises(SimulationFailed) as raised:
        await ears.hear_reply(0.0, 1.0)
    assert raised.value.kind is ErrorKind.NO_RESPONSE
    assert str(raised.value).endswith(f": {message}")


END, DEADLINE = 0.8, 3.0
sounds = st.lists(st.tuples(st.sampled_from([0.1, 0.5, 1.5, 2.5, 4.5]), st.sampled_from([0.1, 1.0])), max_size=4)
words = st.lists(st.sampled_from([0.07, 0.37, 0.93, 1.77]), max_size=6)


def expected(spans, flips):
    """Last sample and end of the turn that begins with the first of `spans`; it went on between flips, by pairs."""
    edges = [*flips, float("inf")] if len(flips) % 2 else flips
    last, over = spans[0][1], None
    for start, end in [*spans[1:], (float("inf"), 0.0)]:
        over = last + END
        for since, until in zip(edges[::2], edges[1::2], strict=True):
            if since <= over < until:
                over = max(over, min(until, last + DEADLINE))
                break
        if start > over:
            return last, over
        last = max(last, end)
    raise AssertionError


@given(sounds=sounds, words=words, late=st.sampled_from([0.0, 0.0, 0.4]))
def test_a_turn_ends_as_what_was_heard_and_said_has_it(sounds, words, late):
    async def talk():
        ears, told = told_ears()
        spans, now, happenings = [(0.0103, 0.5103 - SAMPLE_S)], 0.5103, [then(0.0103, hear, ears, loud(0.5))]
        for gap_s, seconds in sounds:
            now += gap_s
            spans.append((now, now + seconds - SAMPLE_S))
            happenings.append(then(now, hear, ears, loud(seconds)))
            now += seconds
        flips = [sum(words[: count + 1]) for count in range(len(words))]
        happenings += [then(time, tell, ears, told, more=not n % 2) for n, time in enumerate(flips)]
        reply, returned_at = await replied(ears, *happenings, deadline_s=DEADLINE, call_at=late)
        last, over_at = expected(spans, flips)
        assert (reply.onset_at, reply.ended_at) == (close_to(0.0103), close_to(last))
        assert returned_at == close_to(reply.over_at) == close_to(over_at)

    trio.run(talk, clock=MockClock(autojump_threshold=0))
