"""Audio that waits to be judged together is heard as if each message had been judged when it came."""

import math

import attrs
import numpy as np
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from listening import GARBAGE, HUNG_UP
from trio.testing import MockClock

from coval_load.actors.listener import Listener
from coval_load.codecs.audio.onset import LoudnessMeter
from coval_load.engine.doorbell import Doorbell
from coval_load.engine.outcome import SimulationFailed

RATE_HZ = 1000  # windows of 10 samples
FRAME_S = 0.02
# What the caller does comes between the milliseconds of the audio, so that nothing happens at one instant.
CALLER_S = 0.00037
LOSS_S = 0.00013
DEADLINE_S = 1.50051


def pcm(samples):
    return np.array(samples, "<i2").tobytes()


@attrs.define
class CountingMeter:
    meter: LoudnessMeter
    pushes: list = attrs.field(factory=list)

    def push(self, pcm):
        self.pushes.append(pcm)
        return self.meter.push(pcm)

    def last(self, pcm):
        self.pushes.append(pcm)
        return self.meter.last(pcm)


@attrs.define
class WritingBell:
    """Writes down when it rang."""

    bell: Doorbell = attrs.field(factory=Doorbell)
    rang_at: list = attrs.field(factory=list)

    def ring(self):
        self.rang_at.append(trio.current_time())
        self.bell.ring()

    async def until(self, condition, deadline):
        return await self.bell.until(condition, deadline)


@attrs.define
class Ears:
    """One listener and all that it ever said."""

    listener: Listener
    meter: CountingMeter
    bell: WritingBell
    said: list = attrs.field(factory=list)
    hearing: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def start_hearing(self, nursery, anchor, early):
        """What was awaited before no longer is: two at once would forget arrivals for each other."""
        self.hearing.cancel()
        self.hearing = trio.CancelScope()
        nursery.start_soon(self.hear, self.hearing, anchor, early)

    async def hear(self, scope, anchor, early):
        with scope:
            await self.hear_out(anchor, early)

    async def hear_out(self, anchor, early):
        hear = self.listener.hear_greeting if early else self.listener.hear_reply
        try:
            onset = await self.listener.hear_onset(anchor, DEADLINE_S, early=early)
            result = (onset, self.listener.said(onset.onset_at), await hear(anchor, DEADLINE_S))
        except SimulationFailed as failure:
            result = str(failure)
        self.said.append((anchor, trio.current_time(), result))

    def tell(self):
        listener = self.listener
        self.said.append(
            (
                listener.interruptions,
                listener.interrupted(),
                listener.barge_in_stop_latency(),
                listener.agent_speaking(trio.current_time()),
            )
        )

    def all(self):
        floor, playout = self.listener._heard(), self.listener._playout
        return sorted(map(repr, self.said)), self.bell.rang_at, floor, playout._dry_s, arrivals(playout)


def arrivals(playout):
    """Of those that were not forgotten, when each came; and how many were."""
    playout.judge()
    times = [playout.first_arrival(-math.inf, number) for number in range(playout._forgotten, playout._received)]
    assert playout.arrivals_since(-math.inf) == len(times)
    return playout._forgotten, times


def ears(paced=True, waits=True, rate_hz=RATE_HZ, **options):
    meter, bell = CountingMeter(LoudnessMeter(rate_hz, gap_s=0.05)), WritingBell()
    listener = Listener(rate_hz=rate_hz, paced=paced, loudness=meter, bell=bell, **options)
    if not waits:
        listener._playout._certain_s = float("-inf")
    return Ears(listener, meter, bell)


@attrs.frozen
class Message:
    """`late_s`: how long after what came before it has played; None if it comes together with that."""

    late_s: float | None
    pcm: bytes

    async def happen(self, conversation):
        if self.late_s is not None:
            await trio.sleep_until(max(conversation.due, trio.current_time()) + self.late_s)
            # Back on a millisecond after what the caller did.
            await trio.sleep_until(math.ceil(trio.current_time() * RATE_HZ - 1e-6) / RATE_HZ)
        now = trio.current_time()
        pcm = conversation.at_its_rate(self.pcm)
        conversation.due = now + len(pcm) / 2 / conversation.rate_hz
        conversation.bytes_sent += len(pcm)
        for each in conversation.twins:
            each.listener.audio_received(pcm, now)
            assert each.listener._playout.bytes_received() == conversation.bytes_sent


@attrs.frozen
class Caller:
    wait_s: float
    first_in_s: float
    length_s: float
    barge_in: bool
    early: bool

    async def happen(self, conversation):
        await trio.sleep(self.wait_s + CALLER_S)
        first = trio.current_time() + self.first_in_s
        for each in conversation.twins:
            each.listener.caller_speaks(first, first + self.length_s, barge_in=self.barge_in)
            each.start_hearing(conversation.nursery, first + self.length_s, self.early)


@attrs.frozen
class Greeting:
    async def happen(self, conversation):
        for each in conversation.twins:
            each.start_hearing(conversation.nursery, trio.current_time() + CALLER_S, True)


@attrs.frozen
class Question:
    async def happen(self, conversation):
        for each in conversation.twins:
            each.tell()


@attrs.frozen
class Clearing:
    """Playback is thrown away, from now on or a little later."""

    ahead_s: float

    async def happen(self, conversation):
        now = trio.current_time()
        unheard = {each.listener.clear(now + self.ahead_s) for each in conversation.twins}
        assert len(unheard) == 1
        for each in conversation.twins:
            assert each.listener._playout.bytes_received() == conversation.bytes_sent
        conversation.due = min(conversation.due, max(conversation.due - unheard.pop(), now))


@attrs.frozen
class Lost:
    clean: bool

    async def happen(self, conversation):
        await trio.sleep(LOSS_S)
        for each in conversation.twins:
            each.listener.lost(HUNG_UP if self.clean else GARBAGE, self.clean)


@attrs.define
class Conversation:
    twins: list
    nursery: object = None
    due: float = 0.0
    bytes_sent: int = 0
    rate_hz: int = RATE_HZ

    def at_its_rate(self, pcm):
        """As long at a rate that is a multiple; what is less than a sample stays."""
        samples = np.frombuffer(pcm, "<i2", len(pcm) // 2)
        return samples.repeat(self.rate_hz // RATE_HZ).tobytes() + pcm[2 * len(samples) :]

    async def run(self, happenings):
        async with trio.open_nursery() as self.nursery:
            for happening in happenings:
                await happening.happen(self)
            for each in self.twins:
                each.tell()


levels = st.sampled_from([3000, 3000, 3000, 0, 100])
lengths = st.sampled_from([20, 20, 20, 20, 0, 1, 3, 7, 10, 13, 40, 150])
steady = st.builds(lambda level, length: pcm([level] * length), levels, lengths)
mixed = st.lists(st.tuples(levels, st.integers(1, 12)), max_size=4).map(
    lambda parts: pcm([level for level, length in parts for _ in range(length)])
)
odd = st.binary(max_size=45)
messages = st.builds(
    Message,
    st.sampled_from([0.0, 0.0, 0.0, None, None, 0.001, 0.004, 0.06, 0.13, 0.4]),
    st.one_of(steady, steady, steady, mixed, odd),
)
stretches = st.lists(messages, min_size=1, max_size=12) | st.builds(
    lambda message, count: [message] * count, messages, st.integers(2, 25)
)
callers = st.builds(
    Caller,
    st.sampled_from([0.0, 0.0, 0.08, 0.2, 0.5]),
    st.sampled_from([0.0, 0.01, 0.2]),
    st.sampled_from([0.0, 0.05, 0.3]),
    st.booleans(),
    st.booleans(),
)
acts = st.one_of(
    stretches,
    stretches,
    stretches,
    *(st.builds(lambda it: [it], it) for it in (callers, st.just(Question()), st.just(Greeting()))),
)


def converse(happenings, paced=True, end_s=0.8, yield_s=0.25, rate_hz=RATE_HZ, clears=True):
    """Twins: what came to one of them waited where it could, to the other it did not."""
    options = {"end_silence_s": end_s, "yield_silence_s": yield_s, "rate_hz": rate_hz, "clears": clears}
    twins = [ears(paced, waits, **options) for waits in (True, False)]
    conversation = Conversation(twins, rate_hz=rate_hz)
    trio.run(conversation.run, happenings, clock=MockClock(autojump_threshold=0))
    return twins


def agree(happenings, *silences, **options):
    told, expected = (each.all() for each in converse(happenings, *silences, **options))
    assert told == expected


@settings(deadline=None)
@given(
    paced=st.sampled_from([True, True, True, False]),
    silences=st.sampled_from([(0.8, 0.25), (0.3, 0.1), (0.1, 0.5), (0.2, 0.0), (2.0, 1.0)]),
    acts=st.lists(acts, max_size=10),
    loss=st.none() | st.builds(Lost, st.booleans()),
    rate_hz=st.sampled_from([RATE_HZ, RATE_HZ, 8000, 16000, 24000, 48000]),
    clears=st.booleans(),
)
def test_what_waits_is_heard_as_what_is_judged_at_once(paced, silences, acts, loss, rate_hz, clears):
    happenings = [happening for act in acts for happening in act] + ([loss] if loss else [])
    agree(happenings, paced, *silences, rate_hz=rate_hz, clears=clears)


clearings = st.builds(lambda ahead_s: [Clearing(ahead_s)], st.sampled_from([0.0, 0.013, 0.2]))


@given(acts=st.lists(stretches | stretches | clearings, max_size=12), rate_hz=st.sampled_from([RATE_HZ, 16000]))
def test_what_came_is_counted_whatever_waited_and_whatever_was_thrown_away(acts, rate_hz):
    twins = converse([happening for act in acts for happening in act], rate_hz=rate_hz)
    waited, judged = (arrivals(each.listener._playout) for each in twins)
    assert waited == judged


LOUD_FRAME = pcm([3000] * 20)
QUIET_FRAME = pcm([100] * 20)
LOUD, QUIET = Message(0.0, LOUD_FRAME), Message(0.0, QUIET_FRAME)


@pytest.mark.parametrize(
    "happenings",
    [
        pytest.param([LOUD] * 30 + [QUIET] * 30, id="speech"),
        pytest.param([LOUD] * 2 + [QUIET] * 4 + [LOUD, QUIET], id="a pause that parts stretches"),
        pytest.param(
            [LOUD, Message(0.0, pcm([3000] * 5)), Message(0.004, pcm([0] * 25))], id="a window cut by a break"
        ),
        pytest.param([LOUD, Message(0.0, pcm([3000] * 5)), Message(0.0, pcm([0] * 25))], id="a window cut"),
        pytest.param([*[LOUD] * 8, Caller(0.75, 0.2, 0.2, False, False), Question()], id="the caller comes in"),
    ],
)
def test_what_waited_counts(happenings):
    agree(happenings)


@pytest.mark.parametrize("late_s", [0.0, 0.001], ids=["at real time", "later and later"])
async def test_speech_is_judged_some_messages_at_a_time(late_s):
    one = ears()
    for number in range(500):
        one.listener.audio_received(LOUD_FRAME, number * (FRAME_S + late_s))
    assert len(one.meter.pushes) < 500 / 7
    assert max(map(len, one.meter.pushes)) <= 0.2 * 2 * RATE_HZ


async def test_onset_is_judged_at_once():
    one = ears()
    for number in range(50):
        one.listener.audio_received(QUIET_FRAME, number * FRAME_S)
    assert len(one.meter.pushes) == 50
    assert not one.bell.rang_at


async def test_onset_rings_before_another_message_comes(autojump_clock):
    one = ears()
    one.listener.audio_received(LOUD_FRAME, trio.current_time())
    assert one.bell.rang_at == [0.0]


async def test_unpaced_audio_never_waits():
    one = ears(paced=False)
    for number in range(50):
        one.listener.audio_received(LOUD_FRAME, number * FRAME_S)
    assert len(one.meter.pushes) == 50


async def test_empty_messages_do_not_pile_up():
    one = ears()
    for pcm_received in (LOUD_FRAME, *[b""] * 1000):
        one.listener.audio_received(pcm_received, 0.0)
    assert not one.listener._playout._pending
