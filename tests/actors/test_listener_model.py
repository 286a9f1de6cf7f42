"""The listener against a model that writes down every sample at the tick at which it is heard.

Time is cut into ticks of one sample, 1/64 s, so that all sums of times are exact.
"""

from itertools import cycle, pairwise

import attrs
import numpy as np
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from coval_load.actors.listener import Listener
from coval_load.engine.doorbell import Doorbell
from coval_load.engine.metronome import FRAME_S
from coval_load.engine.outcome import ErrorKind, SimulationFailed

RATE_HZ = 64
END = 48
YIELD = 16
BRIDGED = 12
# Between two ticks, so that nothing happens just at the deadline.
DEADLINE = 192.5
LOST = SimulationFailed(ErrorKind.CONNECTION_CLOSED, "lost")


class EverySample:
    """A loudness meter without windows: each sample that is not zero is sound."""

    def push(self, pcm):
        runs = []
        for index in np.flatnonzero(np.frombuffer(pcm, "<i2")).tolist():
            if runs and index - runs[-1][1] <= BRIDGED:
                runs[-1] = (runs[-1][0], index)
            else:
                runs.append((index, index))
        return runs

    def last(self, pcm):
        runs = self.push(pcm)
        return runs[-1][1] if runs else None


@attrs.frozen
class Turn:
    before: list
    first_in: int
    length: int
    barge_in: bool
    call_in: int
    after: list


@attrs.frozen
class Clear:
    wait: int
    ahead: float


@attrs.frozen
class Heard:
    """How one `hear_reply` went; times in ticks."""

    anchor: int
    called_at: float
    returned_at: float
    result: object


@attrs.frozen
class Said:
    first: int
    last: int
    messages: range


@attrs.define
class Model:
    """What the documents say, in the dullest way."""

    paced: bool
    messages: list = attrs.field(factory=list)
    clears: list = attrs.field(factory=list)
    cleared_at: list = attrs.field(factory=list)
    caller: list = attrs.field(factory=list)
    loss: tuple | None = None

    def play(self):
        """For each message when it played, until when at most, and how long the player had run dry before it.

        Also where the queue ends, and what was thrown away last.
        """
        played, end, thrown = [], None, 0
        for number in range(len(self.messages) + 1):
            for came, at in self.clears:
                if came == number and self.paced and end is not None:
                    thrown = max(0, end - at)
                    if thrown:
                        played = [(start, min(until, at), dry) for start, until, dry in played]
                        end = at
            if number < len(self.messages):
                at, samples = self.messages[number]
                start = at if end is None or not self.paced else max(at, end)
                played.append((start, float("inf"), max(0, at - end) if end is not None else 0))
                end = max(at, end or 0) + len(samples)
        return played, end or 0, thrown

    def queue_end(self):
        return self.play()[1]

    def cuts(self):
        """The clears that threw something away: how many messages had come, and from when on."""
        for count in range(len(self.clears)):
            came, at = self.clears[count]
            if Model(self.paced, self.messages[:came], self.clears[: count + 1]).play()[2]:
                yield came, at

    def timeline(self):
        """Tick -> numbers of the messages that sounded then."""
        heard = {}
        for number, (start, until, _) in enumerate(self.play()[0]):
            for offset, is_loud in enumerate(self.messages[number][1]):
                if is_loud and start + offset < until:
                    heard.setdefault(start + offset, []).append(number)
        return heard

    def underruns(self, said):
        """The least and the most time for which the player ran dry: it may have, before sound that was cut off."""
        heard, dry, cuts = self.timeline(), [it[2] for it in self.play()[0]], list(self.cuts())
        sounded = sorted((min(heard[tick]), tick) for tick in heard if said.first <= tick <= said.last)
        gaps = [0]
        for (earlier, was), (later, tick) in pairwise(sounded):
            if not any(was < at <= tick for _, at in cuts):
                gaps += dry[earlier + 1 : later + 1]
        came = [count for count, at in cuts if said.last < at]
        after = dry[said.messages[-1] + 1 : came[0]] if came else []
        return max(gaps), max([*gaps, *after])

    def utterances(self):
        heard = self.timeline()
        groups = []
        for tick in sorted(heard):
            if groups and not self.parted(groups[-1][0], groups[-1][-1], tick):
                groups[-1].append(tick)
            else:
                groups.append([tick])
        for group in groups:
            numbers = [number for tick in group for number in heard[tick]]
            yield Said(group[0], group[-1], range(min(numbers), max(numbers) + 1))

    def parted(self, onset, last, tick):
        came_in = any(onset < first < tick for first, _, _ in self.caller)
        cut = any(last < at <= tick for _, at in self.cuts())
        return (came_in and cut) or tick - last >= (YIELD if came_in else END)

    def answer(self, anchor, turn):
        first = self.caller[turn][0]
        for said in self.utterances():
            if said.first >= anchor or (said.first >= first and said.last > anchor - YIELD):
                return said if said.first <= anchor + DEADLINE else None
        return None

    def arrived(self, said, anchor):
        sounded_in = self.timeline()[said.first][0]
        forgotten = max([0, *(came for came, _ in self.cuts() if came <= sounded_in)])
        arrivals = [at for at, _ in self.messages[forgotten:] if at >= anchor]
        return max(anchor, min([*arrivals, self.messages[sounded_in][0]]))

    def interruptions(self, now):
        spans = [(first, last) for first, last, barge_in in self.caller if not barge_in]
        onsets = [said.first for said in self.utterances() if said.first <= now]
        return sum(any(first <= onset < last for first, last in spans) for onset in onsets)

    def stop_latency(self):
        first, _, barge_in = self.caller[-1]
        # The agent has the frame with the caller's onset up to 20 ms early, and may stop at once.
        over = [said.last - first for said in self.utterances() if said.first < first <= said.last + FRAME_S * RATE_HZ]
        return max(over[0], 0) if barge_in and over else None

    def agrees(self, turn, heard):
        """Check one turn against everything that has ever come."""
        anchor, result = heard.anchor, heard.result
        said = self.answer(anchor, turn)
        lost_at, clean = self.loss or (float("inf"), True)
        if said is None:
            if lost_at <= anchor + DEADLINE:
                assert result is LOST
                # What was queued when it was lost may have been thrown away only then.
                assert heard.returned_at in {max(heard.called_at, lost_at), *self.cleared_at}
            else:
                assert result.kind is ErrorKind.NO_RESPONSE
                assert heard.returned_at == anchor + DEADLINE
            return
        over_at = said.last + END
        if lost_at < over_at and not clean:
            assert result is LOST
            assert heard.returned_at == max(heard.called_at, lost_at)
            return
        assert not isinstance(result, SimulationFailed), result
        assert (result.onset_at * RATE_HZ, result.ended_at * RATE_HZ) == (said.first, said.last)
        assert result.over_at * RATE_HZ == over_at
        assert heard.returned_at == max(heard.called_at, over_at)
        assert result.messages == len(said.messages)
        if self.paced:
            least, most = self.underruns(said)
            assert least <= result.underrun_s * RATE_HZ <= most
        if said.first < anchor:
            assert result.began_over_caller
            assert result.response_latency is result.ttfb_audio is result.leading_silence is None
        else:
            arrived = self.arrived(said, anchor)
            assert result.arrived_at * RATE_HZ == arrived
            assert result.response_latency * RATE_HZ == said.first - anchor
            assert result.ttfb_audio * RATE_HZ == arrived - anchor
            assert result.leading_silence * RATE_HZ == said.first - arrived >= 0


def ticks():
    return trio.current_time() * RATE_HZ


@attrs.define
class Conversation:
    """Does to a listener and to its model the same."""

    model: Model
    ears: Listener

    async def run(self, turns):
        results = []
        for turn in turns:
            results.append(await self.take(turn))
        now = ticks()
        for number, heard in enumerate(results):
            self.model.agrees(number, heard)
        assert self.ears.interruptions == self.model.interruptions(now)
        latency = self.ears.barge_in_stop_latency()
        assert (None if latency is None else latency * RATE_HZ) == self.model.stop_latency()
        speaking = any(said.first <= now < said.last + YIELD for said in self.model.utterances())
        assert self.ears.agent_speaking(now / RATE_HZ) == speaking

    async def take(self, turn):
        await self.happen(turn.before)
        first = int(ticks()) + 1 + turn.first_in
        anchor = first + turn.length
        self.model.caller.append((first, anchor, turn.barge_in))
        self.ears.caller_speaks(first / RATE_HZ, anchor / RATE_HZ, barge_in=turn.barge_in)
        results = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.hear, anchor, turn.call_in, results)
            await self.happen(turn.after)
        # Back on a tick after a deadline.
        await trio.sleep_until(-(-ticks() // 1) / RATE_HZ)
        return results[0]

    async def hear(self, anchor, call_in, results):
        await trio.sleep_until(max(ticks(), anchor + call_in) / RATE_HZ)
        called_at = ticks()
        try:
            result = await self.ears.hear_reply(anchor / RATE_HZ, DEADLINE / RATE_HZ)
        except SimulationFailed as failure:
            result = failure
        results.append(Heard(anchor, called_at, ticks(), result))

    async def happen(self, happenings):
        for happening in happenings:
            if isinstance(happening, Clear):
                await self.clear(happening)
                continue
            wait, after_queue, samples, lost = happening
            await trio.sleep_until(max(ticks(), self.model.queue_end() if after_queue else 0) / RATE_HZ)
            await trio.sleep(wait / RATE_HZ)
            await trio.sleep_until(-(-ticks() // 1) / RATE_HZ)
            if self.model.loss:
                return
            now = int(ticks())
            self.model.messages.append((now, samples))
            self.ears.audio_received(np.array(samples, "<i2").tobytes(), now / RATE_HZ)
            if lost is not None:
                self.model.loss = (now, lost)
                self.ears.lost(LOST, lost)

    async def clear(self, clear):
        """Between two ticks, so that nothing else happens just then."""
        await trio.sleep_until((ticks() // 1 + clear.wait + 0.5) / RATE_HZ)
        at = ticks() + clear.ahead
        self.model.cleared_at.append(ticks())
        self.model.clears.append((len(self.model.messages), at))
        assert self.ears.clear(at / RATE_HZ) * RATE_HZ == self.model.play()[2]


def samples(lengths, is_loud):
    return [sound for length, sound in zip(lengths, cycle([is_loud, not is_loud]), strict=False) for _ in range(length)]


chunks = st.builds(samples, st.lists(st.integers(1, 60), min_size=1, max_size=4), st.booleans())
losses = st.one_of(*[st.none()] * 12, st.booleans())
waits = st.one_of(
    st.tuples(st.integers(0, 60), st.just(False)),
    st.tuples(st.integers(0, 20), st.just(True)),
)
messages = st.builds(lambda wait, *what: (*wait, *what), waits, chunks, losses)
clears = st.builds(Clear, st.integers(0, 60), st.sampled_from([0, 0, 0.25, 0.25, 1, 7.25, 30]))
happenings = st.lists(st.one_of(messages, messages, messages, messages, clears), max_size=6)
turn_strategy = st.builds(
    Turn,
    before=happenings,
    first_in=st.integers(0, 30),
    length=st.integers(1, 80),
    barge_in=st.booleans(),
    call_in=st.integers(-20, 20),
    after=happenings,
)


@settings(deadline=None)
@given(paced=st.booleans(), turns=st.lists(turn_strategy, min_size=1, max_size=4))
def test_the_listener_hears_what_the_timeline_holds(paced, turns):
    ears = Listener(
        rate_hz=RATE_HZ,
        paced=paced,
        loudness=EverySample(),
        bell=Doorbell(),
        end_silence_s=END / RATE_HZ,
        yield_silence_s=YIELD / RATE_HZ,
    )
    trio.run(Conversation(Model(paced), ears).run, turns, clock=MockClock(autojump_threshold=0))
