"""A conversation in text: a message out, and the messages that answer it until the agent falls quiet."""

import math

import attrs
import trio

from coval_load.actors.line import Line
from coval_load.actors.loss import Loss
from coval_load.actors.persona import Persona, Say, Turn
from coval_load.actors.receiver import ChatReply, CoalescingReceiver
from coval_load.actors.simulation import Simulation
from coval_load.actors.transcript import Entry
from coval_load.codecs.dialects.interface import ChatDialect
from coval_load.codecs.events import AudioReceived, Event, TextReceived
from coval_load.engine import metrics
from coval_load.engine.link import MessageTaker


@attrs.define(eq=False)
class ChatConversation:
    """The caller's side of a chat. `dialect` is the simulation's own."""

    simulation: Simulation
    dialect: ChatDialect
    persona: Persona
    turns: tuple[Turn, ...]
    quiet_s: float
    _receiver: CoalescingReceiver = attrs.field(init=False)
    _due: float = attrs.field(default=0.0, init=False)
    _over_at: float = attrs.field(default=0.0, init=False)
    _has_heard: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        simulation = self.simulation
        self._receiver = CoalescingReceiver(self.quiet_s, simulation.bell, simulation.hearsay.explain)

    def shortcut(self, dialect: ChatDialect, take: MessageTaker) -> MessageTaker:
        """There is none."""
        return take

    def hear(self, event: AudioReceived | TextReceived, at: float) -> None:
        """A text arrived."""
        if isinstance(event, TextReceived):
            self._receiver.text_received(event.text, at)

    def note(self, event: Event, at: float) -> None:
        """Nothing else that may come is of use in a chat."""

    def lost(self, loss: Loss) -> None:
        """No more will come."""
        self._receiver.lost(loss.failure, loss.clean)

    async def hold(self, line: Line, ready_at: float) -> None:
        """Take every turn."""
        self._due = self._over_at = ready_at
        response_s = self.simulation.services.timeouts.response_s
        if self.persona.conversation_initiation == "wait_for_user":
            self.simulation.tell_wait()
            greeting = await self._receiver.hear_greeting(ready_at, response_s)
            entry = self._heard(greeting)
            latency = max(greeting.first_at - ready_at, 0.0)
            self.simulation.measures.turn(entry.metrics, metrics.GREETING_LATENCY, latency)
        for turn in self.turns:
            await self._take(turn, line, response_s)

    async def _take(self, turn: Turn, line: Line, response_s: float) -> None:
        if not isinstance(turn.action, Say):
            if not turn.expects_reply:
                self._due = self._over_at = trio.current_time()
                return
            hear = self._receiver.hear_reply if self._has_heard else self._receiver.hear_greeting
            self._heard(await hear(self._over_at, response_s))
            return
        await self._wait()
        sent_at = trio.current_time()
        self._note_strays(sent_at)
        message = self.dialect.text(turn.action.text or "")
        line.send((message,))
        if self.simulation.narrator is not None:
            self.simulation.tell("sent", message.payload[:500].decode("utf-8", "replace"))
        self.simulation.take_turn()
        self.simulation.transcript.add(Entry("user", turn.action.text, sent_at, sent_at))
        if not turn.expects_reply:
            self._due = self._over_at = sent_at
            await trio.lowlevel.checkpoint()  # the next one may be due at once, and so on
            return
        late = sent_at - self._due
        self.simulation.tell_wait()
        reply = await self._receiver.hear_reply(sent_at, response_s)
        entry = self._heard(reply)
        measure = self.simulation.measures.turn
        measure(entry.metrics, metrics.RESPONSE_LATENCY, reply.first_at - sent_at, late=late)
        measure(entry.metrics, metrics.RESPONSE_TIME, reply.last_at - sent_at, late=late)
        measure(entry.metrics, metrics.TURN_TIME, reply.last_at - sent_at, late=late)

    async def _wait(self) -> None:
        simulation = self.simulation
        if simulation.loss is None and self._due > trio.current_time():
            await simulation.bell.until(lambda: simulation.loss is not None, self._due)
        if simulation.loss is not None:
            raise simulation.loss.failure

    def _heard(self, reply: ChatReply) -> Entry:
        self._has_heard = True
        self.simulation.answered()
        self._over_at = reply.last_at + self.quiet_s
        self._due = self._over_at + self.persona.wait_s
        return self._add(reply)

    def _add(self, reply: ChatReply) -> Entry:
        said = "\n".join(reply.texts)
        self.simulation.tell("the agent said", said)
        return self.simulation.transcript.add(Entry("assistant", said, reply.first_at, reply.last_at, len(reply.texts)))

    def _note_strays(self, before: float) -> None:
        for stray in self._receiver.take_strays(before):
            self._add(stray)

    def finished(self, now: float) -> None:
        """What no turn asked for stands in the transcript too."""
        self._note_strays(math.inf)
