"""A spoken conversation: the caller is a live microphone, the agent is heard on a playout clock."""

from itertools import chain, pairwise
from math import inf

import attrs
import trio

from coval_load.actors.agent_replies import written_turn
from coval_load.actors.agent_side import AgentSide
from coval_load.actors.line import Line
from coval_load.actors.listener import Reply
from coval_load.actors.loss import Loss
from coval_load.actors.pacer import Pacer
from coval_load.actors.persona import Persona, Press, Say, Show, Skip, TestCase, Turn
from coval_load.actors.simulation import Simulation, failure_in
from coval_load.actors.spooled_recording import VoiceRecording
from coval_load.actors.transcript import Entry
from coval_load.codecs.dialects.interface import Said, VoiceDialect, VoiceFormat
from coval_load.codecs.events import AgentFailed, AudioReceived, Event, TextReceived
from coval_load.engine import metrics
from coval_load.engine.link import MessageTaker
from coval_load.engine.outcome import ErrorKind, SimulationFailed

DIGIT_GAP_S = 0.1
"""Between two keypad digits."""


@attrs.frozen
class Taken:
    """A turn of the caller that has been taken: what latencies are counted from.

    `anchor` is when the last audible sample was due, `start` when the turn began, `late` how long after it
    was due that was. `speaks` is false for a turn that says nothing, which the agent does not answer.
    """

    anchor: float
    start: float
    late: float = 0.0
    speaks: bool = True


@attrs.define(eq=False)
class VoiceConversation:
    """The caller's side of a spoken conversation with an agent of `form`, which follows the script of `case`.

    `silence_body` is one frame of silence.
    """

    simulation: Simulation
    form: VoiceFormat
    persona: Persona
    case: TestCase
    silence_body: bytes
    recording: VoiceRecording | None = None
    _agent: AgentSide = attrs.field(init=False)
    _line: Line | None = attrs.field(default=None, init=False)
    _pacer: Pacer | None = attrs.field(default=None, init=False)
    _due: float = attrs.field(default=0.0, init=False)
    _over_at: float = attrs.field(default=0.0, init=False)
    _has_heard: bool = attrs.field(default=False, init=False)
    _interrupted: Entry | None = attrs.field(default=None, init=False)
    _noted: dict[float, Entry] = attrs.field(factory=dict, init=False)
    _unwritten: list[Entry] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._agent = AgentSide(self.simulation, self.form, self.persona, self.case, self.recording)

    def shortcut(self, dialect: VoiceDialect, take: MessageTaker) -> MessageTaker:
        """Plain audio goes to the agent's side at once."""
        return self._agent.shortcut(dialect, take)

    def hear(self, event: AudioReceived | TextReceived, at: float) -> None:
        """Audio arrived."""
        if type(event) is AudioReceived:
            self._agent.hear(event.pcm, at)

    def note(self, event: Event, at: float) -> None:
        """The agent's protocol said something."""
        self._agent.note(event, at)

    def lost(self, loss: Loss) -> None:
        """No more will come."""
        self._agent.lost(loss)

    async def hold(self, line: Line, ready_at: float) -> None:
        """Take every turn, and let the agent finish."""
        self._line = self._agent.line = line
        self._pacer = self._microphone(line)
        self._pacer.start()
        self._due = self._over_at = ready_at
        turns = tuple(self.case.turns)
        if self.persona.conversation_initiation == "wait_for_user":
            line.send(line.dialect.go_on())
            after_s = turns[0].barge_in_after_s if turns else None
            if after_s is None:
                await self._hear_greeting()
            else:
                await self._hear_onset(Taken(ready_at, ready_at, speaks=False), after_s)
        for turn, following in pairwise(chain(turns, (None,))):
            assert turn is not None
            taken = await self._take(turn, line)
            if not turn.expects_reply:
                self._due = self._over_at = trio.current_time()
            elif following is not None and following.barge_in_after_s is not None:
                await self._hear_onset(taken, following.barge_in_after_s)
            else:
                await self._hear_reply(taken)

    def _microphone(self, line: Line) -> Pacer:
        return Pacer(
            line.link,
            line.dialect,
            self.simulation.services.metronome,
            self.simulation.bell,
            self.silence_body,
            self.persona.send_silence and self.form.hears_silence,
        )

    # Speaking

    async def _take(self, turn: Turn, line: Line) -> Taken:
        barge_in = turn.barge_in_after_s is not None
        if isinstance(turn.action, Skip):
            if line.should_renew and not self._agent.replies.going_on():
                await self._renew(line)
            self._agent.replies.wait_on()
            line.send(line.dialect.go_on())
            taken = Taken(self._over_at, self._over_at, speaks=False)
        else:
            await self._wait(self._due, barge_in=barge_in)
            match turn.action:
                case Say():
                    taken = await self._say(turn.action, barge_in=barge_in)
                case Press():
                    taken = await self._press(turn.action, line, barge_in=barge_in)
                case Show():
                    taken = self._show(turn.action, line, barge_in=barge_in)
        self.simulation.take_turn()
        return taken

    async def _say(self, say: Say, *, barge_in: bool) -> Taken:
        assert say.clip is not None
        assert self._pacer is not None
        pacer, simulation = self._pacer, self.simulation
        speech = pacer.speak(say.clip)
        entry = Entry("user", say.text, speech.start_at, speech.end_at)
        self._come_in(entry, speech.first_audible_at, speech.last_audible_at, barge_in=barge_in)
        if self.recording is not None:
            self.recording.caller(say.clip.pcm16k, speech.start_at)
        simulation.tell("the caller speaks", say.text or "")
        simulation.transcript.add(entry)
        await simulation.bell.until(lambda: not pacer.speaking or simulation.loss is not None)
        if pacer.speaking and simulation.loss is not None:
            raise simulation.loss.failure
        return Taken(speech.last_audible_at, speech.start_at, late=max(speech.start_at - self._due, 0.0))

    async def _press(self, press: Press, line: Line, *, barge_in: bool) -> Taken:
        start = due = self._due
        entry = Entry("user", press.digits, start, kind="dtmf")
        for number, digit in enumerate(press.digits):
            await self._wait(due, barge_in=barge_in)
            if barge_in and number == 0:
                now = trio.current_time()
                self._come_in(entry, now, now + DIGIT_GAP_S * (len(press.digits) - 1), barge_in=True)
            line.send((line.dialect.digit(digit),))
            anchor, due = trio.current_time(), due + DIGIT_GAP_S
        self.simulation.tell("the caller pressed", press.digits)
        entry.end = anchor
        self.simulation.transcript.add(entry)
        late = max(anchor - (due - DIGIT_GAP_S), 0.0)
        if not barge_in:
            self._come_in(entry, anchor, anchor, barge_in=False)  # what comes between digits interrupts no one
        return Taken(anchor, start, late)

    def _show(self, show: Show, line: Line, *, barge_in: bool) -> Taken:
        sent_at = trio.current_time()
        entry = self.simulation.transcript.add(Entry("user", show.name, sent_at, sent_at, kind="media"))
        # Before the image goes out: what the caller interrupts is cut off, not the answer to it.
        self._come_in(entry, sent_at, sent_at, barge_in=barge_in)
        line.send(line.dialect.media(show.name, show.mime_type, show.data))
        self.simulation.tell("the caller sent an image", f"{show.name}, {len(show.data)} bytes")
        return Taken(sent_at, sent_at, sent_at - self._due)

    def _come_in(self, entry: Entry, first_at: float, last_at: float, *, barge_in: bool) -> None:
        self._note_end()  # what is over by now the listener is about to forget
        self._note_unasked()
        self._write_words()
        self._agent.caller_comes_in(first_at, last_at, barge_in=barge_in, entry=entry)

    async def _wait(self, due: float, *, barge_in: bool) -> None:
        simulation, line = self.simulation, self._line
        assert line is not None

        def must_renew() -> bool:
            # Whoever is to be interrupted still speaks over this connection.
            return line.has_ended if barge_in else line.should_renew

        while True:
            await simulation.bell.until(lambda: simulation.loss is not None or must_renew(), due)
            if simulation.loss is not None:
                raise simulation.loss.failure
            if not must_renew():
                return
            await self._renew(line)

    async def _renew(self, line: Line) -> None:
        assert self._pacer is not None
        self._note_unasked()
        self._write_words()
        await line.renew(self._said())
        self._pacer.switch(line.link, line.dialect)
        self._agent.renewed()

    def _said(self) -> list[Said]:
        entries = sorted(self.simulation.transcript.entries, key=lambda entry: entry.start)
        words = ((entry.role, entry.transcribed or entry.content) for entry in entries if entry.is_said)
        return [Said(role, text) for role, text in words if text and role != "tool"]

    # Listening

    async def _hear_greeting(self) -> None:
        ready_at = self._over_at
        self.simulation.tell_wait()
        reply = await self._agent.listener.hear_greeting(ready_at, self.simulation.services.timeouts.response_s)
        if reply is None:
            self._heard_nothing(Taken(ready_at, ready_at, speaks=False))
            return
        entry = self._heard(reply)
        self.simulation.measures.turn(entry.metrics, metrics.GREETING_LATENCY, reply.response_latency or 0.0)

    async def _hear_reply(self, taken: Taken) -> None:
        if not taken.speaks and not self._has_heard:
            await self._hear_greeting()
            return
        self._agent.pace.listen_from(trio.current_time(), self._agent.listener.bytes_received())
        self.simulation.tell_wait()
        reply = await self._agent.listener.hear_reply(taken.anchor, self.simulation.services.timeouts.response_s)
        self._note_interrupted()
        if reply is None:
            self._heard_nothing(taken)
            return
        entry = self._heard(reply)
        if not taken.speaks:
            return
        measure = self.simulation.measures.turn
        if reply.response_latency is not None and reply.ttfb_audio is not None:
            measure(entry.metrics, metrics.RESPONSE_LATENCY, reply.response_latency, late=self._twin_late(taken))
            measure(entry.metrics, metrics.TTFB_AUDIO, reply.ttfb_audio, late=self._twin_late(taken))
            measure(entry.metrics, metrics.LEADING_SILENCE, reply.leading_silence or 0.0)
            self._measure_endpointing(entry, taken, reply.arrived_at)
        measure(entry.metrics, metrics.TURN_TIME, reply.ended_at - taken.start, late=taken.late)

    async def _hear_onset(self, taken: Taken, after_s: float) -> None:
        response_s = self.simulation.services.timeouts.response_s
        early = not (self._has_heard or taken.speaks)
        utterance = await self._agent.listener.hear_onset(taken.anchor, response_s, early=early)
        self._note_interrupted()
        if utterance is None:
            self._heard_nothing(taken)
            return
        self._has_heard = True
        self.simulation.tell("the agent speaks", "the caller is going to interrupt")
        entry = self._entry(utterance.onset_at)
        if early:
            latency = max(utterance.onset_at - taken.anchor, 0.0)
            self.simulation.measures.turn(entry.metrics, metrics.GREETING_LATENCY, latency)
        if taken.speaks and utterance.onset_at >= taken.anchor:
            latency = utterance.onset_at - taken.anchor
            self.simulation.measures.turn(entry.metrics, metrics.RESPONSE_LATENCY, latency, late=self._twin_late(taken))
            arrived_at = self._agent.listener.arrived_at(utterance, taken.anchor)
            self._measure_endpointing(entry, taken, arrived_at)
        self._interrupted = entry
        self._due = utterance.onset_at + after_s

    def _measure_endpointing(self, entry: Entry, taken: Taken, audio_at: float) -> None:
        stopped_at = self._agent.stopped_before(audio_at)
        if stopped_at is None or stopped_at < taken.anchor:
            return
        measure = self.simulation.measures.turn
        measure(entry.metrics, metrics.ENDPOINTING_TIME, stopped_at - taken.anchor, late=self._twin_late(taken))
        measure(entry.metrics, metrics.FIRST_AUDIO_TIME, audio_at - stopped_at)

    @staticmethod
    def _twin_late(taken: Taken) -> float:
        """Speech is anchored to when its last sample was due already; other turns to when they were sent."""
        return 0.0 if taken.anchor > taken.start else taken.late

    def _heard(self, reply: Reply) -> Entry:
        self._has_heard = True
        self.simulation.answered()
        self._over_at = reply.over_at
        self._due = reply.over_at + self.persona.wait_s
        simulation = self.simulation
        entry = self._entry(reply.onset_at)
        entry.end, entry.messages, entry.interrupted_caller = reply.ended_at, reply.messages, reply.began_over_caller
        simulation.measures.turn(entry.metrics, metrics.AUDIO_UNDERRUN, reply.underrun_s)
        simulation.tell("the agent spoke", f"for {reply.ended_at - reply.onset_at:.2f} s")
        for note in self._agent.pace.on(reply, self._agent.listener.bytes_received()):
            simulation.services.results.note(f"{simulation.identity.agent}: {note}")
        if self.recording is not None:
            self.recording.flush(trio.current_time())
        failed = self._agent.replies.of_kind("failed")
        if failed is not None:
            raise failure_in(AgentFailed(f"the agent's reply failed: {failed.reason}", failed.cause))
        return entry

    def _heard_nothing(self, taken: Taken) -> None:
        """The agent's turn ended without audio: in text, or in what is no answer. Raises SimulationFailed for that."""
        answers = self._agent.replies.answers()
        failed = self._agent.replies.of_kind("failed")
        if failed is not None:
            raise failure_in(AgentFailed(f"the agent's reply failed: {failed.reason}", failed.cause))
        entry = written_turn(answers)
        if entry is None:
            raise SimulationFailed(ErrorKind.NO_RESPONSE, f"No response received: {self._why_nothing()}")
        ended_at = answers[-1].ended_at
        self._has_heard = True
        self.simulation.answered()
        self._over_at = max(ended_at, taken.anchor)
        self._due = self._over_at + self.persona.wait_s
        self.simulation.transcript.add(entry)
        self.simulation.tell("the agent wrote", entry.content or "")
        if taken.speaks:
            self.simulation.measures.turn(entry.metrics, metrics.TURN_TIME, ended_at - taken.start, late=taken.late)

    def _why_nothing(self) -> str:
        replies = self._agent.replies
        calls = [call for reply in replies.answers() for call in reply.calls]
        missing = self._agent.tools.missing(calls) if calls else None
        if missing is not None:
            return missing
        incomplete = replies.of_kind("incomplete")
        if incomplete is not None:
            return f"the agent's reply was incomplete ({incomplete.reason}) before any audio or text came"
        return (
            "the agent's reply is complete and holds no audio, no text and no call: set expects_reply to false on a "
            "turn that it need not answer"
        )

    def _entry(self, onset_at: float) -> Entry:
        """What the transcript has of the utterance that began then; it may have been noted before it was waited for."""
        if onset_at not in self._noted:
            entry = self.simulation.transcript.add(Entry("assistant", None, onset_at))
            self._noted[onset_at] = entry
            self._unwritten.append(entry)
        return self._noted[onset_at]

    def _write_words(self) -> None:
        self._agent.replies.put_words(self._unwritten, trio.current_time())
        del self._unwritten[:-1]
        self._agent.replies.forget_written(self._unwritten[-1].start if self._unwritten else -inf)

    def _note_end(self) -> None:
        entry = self._interrupted
        utterance = None if entry is None else self._agent.listener.said(entry.start)
        if entry is not None and utterance is not None:
            entry.end, entry.messages = utterance.last_audible_at, utterance.messages

    def _note_unasked(self) -> None:
        """What the agent said that no turn waited for stands in the transcript too."""
        for utterance in self._agent.listener.heard():
            if not any(entry.holds(utterance.onset_at) for entry in self._noted.values()):
                entry = self._entry(utterance.onset_at)
                entry.end, entry.messages = utterance.last_audible_at, utterance.messages
                entry.interrupted_caller = utterance.began_over_caller

    def _note_interrupted(self) -> None:
        self._note_end()
        entry, self._interrupted = self._interrupted, None
        if entry is None:
            return
        stopped_after = self._agent.listener.barge_in_stop_latency()
        entry.interrupted = self._agent.listener.interrupted() is not None
        if stopped_after is not None:
            self.simulation.measures.turn(entry.metrics, metrics.BARGE_IN_STOP_LATENCY, stopped_after)
            self._agent.note_interruption(entry)

    def finished(self, now: float) -> None:
        """Stop the microphone, close the recording, and count."""
        self._note_unasked()
        self._write_words()
        count = self.simulation.account.count
        count(metrics.AGENT_INTERRUPTIONS, self._agent.listener.interruptions)
        if self._pacer is not None:
            self._pacer.stop()
            count(metrics.FRAMES_SENT, self._pacer.frames_sent)
            count(metrics.FRAMES_SKIPPED, self._pacer.frames_skipped)
        if self.recording is not None:
            self.recording.close(now)
        self._line = self._agent.line = None
        self._agent.listener.let_go()
