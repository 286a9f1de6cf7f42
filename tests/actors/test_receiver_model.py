"""The receiver against a model that looks back at a list of everything that came, in ticks of 1/64 s."""

import attrs
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from coval_load.actors.receiver import ChatReply, CoalescingReceiver
from coval_load.engine.doorbell import Doorbell
from coval_load.engine.outcome import ErrorKind, SimulationFailed

TICKS = 64
# Between two ticks, so that nothing happens just at the deadline.
DEADLINE = 100.5
LOST = SimulationFailed(ErrorKind.CONNECTION_CLOSED, "lost")


@attrs.define
class Model:
    """Every text that no one has taken, with its tick."""

    quiet: int
    texts: list = attrs.field(factory=list)
    loss: tuple | None = None

    def groups(self, texts):
        groups = []
        for text, at in texts:
            if groups and at - groups[-1][-1][1] < self.quiet:
                groups[-1].append((text, at))
            else:
                groups.append([(text, at)])
        return groups

    def hear(self, since, sent_at, called_at):
        """What comes of a turn and when, and the texts taken by it."""
        lost_at, clean = self.loss or (float("inf"), True)
        groups = self.groups([entry for entry in self.texts if entry[1] >= since])
        if not groups or groups[0][0][1] > sent_at + DEADLINE:
            if lost_at <= sent_at + DEADLINE:
                return LOST, max(called_at, lost_at), []
            return ErrorKind.NO_RESPONSE, sent_at + DEADLINE, []
        group = groups[0]
        complete_at = group[-1][1] + self.quiet
        if lost_at < complete_at:
            return (group if clean else LOST), max(called_at, lost_at), group if clean else []
        return group, max(called_at, complete_at), group

    def take_strays(self, before):
        strays = [entry for entry in self.texts if entry[1] < before]
        self.texts = self.texts[len(strays) :]
        return self.groups(strays)


def as_reply(group):
    return ChatReply(tuple(text for text, _ in group), group[0][1] / TICKS, group[-1][1] / TICKS)


def ticks():
    return trio.current_time() * TICKS


@attrs.define
class Conversation:
    model: Model
    ears: CoalescingReceiver
    said: int = 0

    async def run(self, turns):
        for early, before, wait, after in turns:
            await self.happen(before)
            await trio.sleep(wait / TICKS)
            sent_at = int(ticks())
            if not early:
                strays = self.ears.take_strays(sent_at / TICKS)
                assert strays == [as_reply(group) for group in self.model.take_strays(sent_at)]
            results = []
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.hear, early, sent_at, results)
                await self.happen(after)
            result, returned_at = results[0]
            expected, expected_at, taken = self.model.hear(-1 if early else sent_at, sent_at, sent_at)
            assert returned_at == expected_at
            if taken:
                assert result == as_reply(taken)
                self.model.texts = [entry for entry in self.model.texts if entry not in taken]
            else:
                assert expected in (result, getattr(result, "kind", None))
            # Back on a tick after a deadline.
            await trio.sleep_until(-(-ticks() // 1) / TICKS)
        end = ticks() + 1
        assert self.ears.take_strays(end) == [as_reply(group) for group in self.model.take_strays(end)]

    async def hear(self, early, sent_at, results):
        listen = self.ears.hear_greeting if early else self.ears.hear_reply
        try:
            result = await listen(sent_at / TICKS, DEADLINE / TICKS)
        except SimulationFailed as failure:
            result = failure
        results.append((result, ticks()))

    async def happen(self, happenings):
        for wait, lost in happenings:
            await trio.sleep(wait / TICKS)
            if self.model.loss:
                return
            now = int(ticks())
            text = str(self.said)
            self.said += 1
            self.model.texts.append((text, now))
            self.ears.text_received(text, now / TICKS)
            if lost is not None:
                self.model.loss = (now, lost)
                self.ears.lost(LOST, lost)


losses = st.one_of(*[st.none()] * 12, st.booleans())
happenings = st.lists(st.tuples(st.integers(0, 40) | st.just(0) | st.integers(80, 140), losses), max_size=6)
turn_strategy = st.tuples(st.booleans(), happenings, st.integers(0, 50), happenings)


@settings(deadline=None)
@given(quiet=st.sampled_from([0, 1, 20, 60]), turns=st.lists(turn_strategy, min_size=1, max_size=4))
def test_the_receiver_coalesces_as_the_list_says(quiet, turns):
    ears = CoalescingReceiver(quiet / TICKS, Doorbell())
    trio.run(Conversation(Model(quiet), ears).run, turns, clock=MockClock(autojump_threshold=0))
