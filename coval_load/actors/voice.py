"""A spoken conversation: the caller is a live microphone, the agent is heard on a playout clock."""

import attrs
import trio

from coval_load.actors.line import Line
from coval_load.actors.listener import Listener, Reply
from coval_load.actors.loss import Loss
from coval_load.actors.pacer import Pacer
from coval_load.actors.persona import Persona, Press, Say, Show, Skip, Turn
from coval_load.actors.placing import PlayoutClock
from coval_load.actors.simulation import Simulation
from coval_load.actors.spooled_recording import VoiceRecording
from coval_load.actors.transcript import Entry
from coval_load.codecs.audio.onset import LoudnessMeter
from coval_load.codecs.dialects.interface import VoiceDialect
from coval_load.codecs.events import AudioReceived, Event, TextReceived
from coval_load.engine import metrics
from coval_load.engine.link import Link

DIGIT_GAP_S = 0.1
"""Between two keypad digits."""

_BURST_FACTOR = 2.0
_BURST_AUDIO_S = 1.0
# So much less audio than speech is told, from so long a turn on. Half is what a doubled rate leaves.
_GAPS_FACTOR = 2 / 3
_GAPS_SPEECH_S = 1.0
_BYTES_A_SAMPLE = 2


def _gap(persona: Persona) -> float:
    """Pauses longer than this within one message are told apart: somewhat below the silences that mean something."""
    return 0.8 * min(persona.yield_silence_s, persona.end_of_turn_silence_s)


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
    """The caller's side of a spoken conversation. `dialect` is the simulation's own.

    `rate_hz` is that of the audio received; `silence_body` is one frame of silence.
    """

    simulation: Simulation
    dialect: VoiceDialect
    persona: Persona
    turns: tuple[Turn, ...]
    rate_hz: int
    paced: bool
    silence_body: bytes
    recording: VoiceRecording | None = None
    _listener: Listener = attrs.field(init=False)
    _pacer: Pacer | None = attrs.field(default=None, init=False)
    _playout: PlayoutClock = attrs.field(init=False)
    _due: float = attrs.field(default=0.0, init=False)
    _over_at: float = attrs.field(default=0.0, init=False)
    _has_heard: bool = attrs.field(default=False, init=False)
    _interrupted: Entry | None = attrs.field(default=None, init=False)
    _noted: dict[float, Entry] = attrs.field(factory=dict, init=False)
    _bytes_heard: int = attrs.field(default=0, init=False)
    _bytes_since: float = attrs.field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        persona, simulation = self.persona, self.simulation
        self._listener = Listener(
            rate_hz=self.rate_hz,
            paced=self.paced,
            loudness=LoudnessMeter(self.rate_hz, persona.onset_threshold_dbfs, gap_s=_gap(persona)),
            bell=simulation.bell,
            end_silence_s=persona.end_of_turn_silence_s,
            yield_silence_s=persona.yield_silence_s,
            explain=simulation.hearsay.explain,
        )
        self._playout = PlayoutClock(self.rate_hz, self.paced)

    def hear(self, event: AudioReceived | TextReceived, at: float) -> None:
        """Audio arrived: the hot path."""
        if type(event) is not AudioReceived:
            return
        pcm = event.pcm
        self._bytes_heard += len(pcm)
        self._listener.audio_received(pcm, at)
        if self.recording is not None:
            self.recording.agent(pcm, self._playout.heard_at(pcm, at), self.rate_hz)
            self.recording.flush(at)

    def note(self, event: Event, at: float) -> None:
        """Nothing of it is of use yet."""

    def lost(self, loss: Loss) -> None:
        """No more will come."""
        self._listener.lost(loss.failure, loss.clean)

    async def hold(self, line: Line, ready_at: float) -> None:
        """Take every turn, and let the agent finish."""
        simulation, link = self.simulation, line.link
        self._pacer = Pacer(
            link,
            self.dialect,
            simulation.services.metronome,
            simulation.bell,
            self.silence_body,
            self.persona.send_silence,
        )
        self._pacer.start()
        self._due = self._over_at = ready_at
        if self.persona.conversation_initiation == "wait_for_user":
            after_s = self.turns[0].barge_in_after_s if self.turns else None
            if after_s is None:
                await self._hear_greeting()
            else:
                await self._hear_onset(Taken(ready_at, ready_at, speaks=False), after_s)
        for turn, following in zip(self.turns, (*self.turns[1:], None), strict=True):
            taken = await self._take(turn, link)
            if not turn.expects_reply:
                self._due = self._over_at = trio.current_time()
            elif following is not None and following.barge_in_after_s is not None:
                await self._hear_onset(taken, following.barge_in_after_s)
            else:
                await self._hear_reply(taken)

    # Speaking

    async def _take(self, turn: Turn, link: Link) -> Taken:
        barge_in = turn.barge_in_after_s is not None
        match turn.action:
            case Skip():
                return Taken(self._over_at, self._over_at, speaks=False)
            case Say():
                await self._wait(self._due)
                taken = await self._say(turn.action, barge_in=barge_in)
            case Press():
                await self._wait(self._due)
                taken = await self._press(turn.action, link, barge_in=barge_in)
            case Show():
                await self._wait(self._due)
                taken = self._show(turn.action, link, barge_in=barge_in)
        self.simulation.take_turn()
        return taken

    async def _say(self, say: Say, *, barge_in: bool) -> Taken:
        assert say.clip is not None
        assert self._pacer is not None
        pacer, simulation = self._pacer, self.simulation
        speech = pacer.speak(say.clip)
        self._come_in(speech.first_audible_at, speech.last_audible_at, barge_in=barge_in)
        if self.recording is not None:
            self.recording.caller(say.clip.pcm16k, speech.start_at)
        simulation.tell("the caller speaks", say.text or "")
        simulation.transcript.add(Entry("user", say.text, speech.start_at, speech.end_at))
        await simulation.bell.until(lambda: not pacer.speaking or simulation.loss is not None)
        if pacer.speaking and simulation.loss is not None:
            raise simulation.loss.failure
        return Taken(speech.last_audible_at, speech.start_at, late=max(speech.start_at - self._due, 0.0))

    async def _press(self, press: Press, link: Link, *, barge_in: bool) -> Taken:
        start = due = self._due
        for number, digit in enumerate(press.digits):
            await self._wait(due)
            if barge_in and number == 0:
                now = trio.current_time()
                self._come_in(now, now + DIGIT_GAP_S * (len(press.digits) - 1), barge_in=True)
            message = self.dialect.digit(digit)
            link.send_nowait(message.payload, message.is_text)
            anchor, due = trio.current_time(), due + DIGIT_GAP_S
        self.simulation.tell("the caller pressed", press.digits)
        self.simulation.transcript.add(Entry("user", press.digits, start, anchor, kind="dtmf"))
        late = max(anchor - (due - DIGIT_GAP_S), 0.0)
        if not barge_in:
            self._come_in(anchor, anchor, barge_in=False)  # what the agent says between digits interrupts no one
        return Taken(anchor, start, late)

    def _show(self, show: Show, link: Link, *, barge_in: bool) -> Taken:
        for message in self.dialect.media(show.name, show.mime_type, show.data):
            link.send_nowait(message.payload, message.is_text)
        sent_at = trio.current_time()
        self.simulation.tell("the caller sent an image", f"{show.name}, {len(show.data)} bytes")
        self.simulation.transcript.add(Entry("user", show.name, sent_at, sent_at, kind="media"))
        self._come_in(sent_at, sent_at, barge_in=barge_in)
        return Taken(sent_at, sent_at, sent_at - self._due)

    def _come_in(self, first_at: float, last_at: float, *, barge_in: bool) -> None:
        self._note_end()  # what is over by now the listener is about to forget
        self._note_unasked()
        self._listener.caller_speaks(first_at, last_at, barge_in=barge_in)

    async def _wait(self, due: float) -> None:
        simulation = self.simulation
        await simulation.bell.until(lambda: simulation.loss is not None, due)
        if simulation.loss is not None:
            raise simulation.loss.failure

    # Listening

    async def _hear_greeting(self) -> None:
        ready_at = self._over_at
        self.simulation.tell_wait()
        reply = await self._listener.hear_greeting(ready_at, self.simulation.services.timeouts.response_s)
        entry = self._heard(reply)
        self.simulation.measures.turn(entry.metrics, metrics.GREETING_LATENCY, reply.response_latency or 0.0)

    async def _hear_reply(self, taken: Taken) -> None:
        if not taken.speaks and not self._has_heard:
            await self._hear_greeting()
            return
        self._bytes_heard, self._bytes_since = 0, trio.current_time()
        self.simulation.tell_wait()
        reply = await self._listener.hear_reply(taken.anchor, self.simulation.services.timeouts.response_s)
        self._note_interrupted()
        entry = self._heard(reply)
        if not taken.speaks:
            return
        measure = self.simulation.measures.turn
        if reply.response_latency is not None and reply.ttfb_audio is not None:
            measure(entry.metrics, metrics.RESPONSE_LATENCY, reply.response_latency, late=self._twin_late(taken))
            measure(entry.metrics, metrics.TTFB_AUDIO, reply.ttfb_audio, late=self._twin_late(taken))
            measure(entry.metrics, metrics.LEADING_SILENCE, reply.leading_silence or 0.0)
        measure(entry.metrics, metrics.TURN_TIME, reply.ended_at - taken.start, late=taken.late)

    async def _hear_onset(self, taken: Taken, after_s: float) -> None:
        response_s = self.simulation.services.timeouts.response_s
        early = not (self._has_heard or taken.speaks)
        utterance = await self._listener.hear_onset(taken.anchor, response_s, early=early)
        self._note_interrupted()
        self._has_heard = True
        self.simulation.tell("the agent speaks", "the caller is going to interrupt")
        entry = self._entry(utterance.onset_at)
        if early:
            latency = max(utterance.onset_at - taken.anchor, 0.0)
            self.simulation.measures.turn(entry.metrics, metrics.GREETING_LATENCY, latency)
        if taken.speaks and utterance.onset_at >= taken.anchor:
            latency = utterance.onset_at - taken.anchor
            self.simulation.measures.turn(entry.metrics, metrics.RESPONSE_LATENCY, latency, late=self._twin_late(taken))
        self._interrupted = entry
        self._due = utterance.onset_at + after_s

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
        self._note_burst(reply)
        self._note_gaps(reply)
        if self.recording is not None:
            self.recording.flush(trio.current_time())
        return entry

    def _entry(self, onset_at: float) -> Entry:
        """What the transcript has of the utterance that began then; it may have been noted before it was waited for."""
        if onset_at not in self._noted:
            self._noted[onset_at] = self.simulation.transcript.add(Entry("assistant", None, onset_at))
        return self._noted[onset_at]

    def _note_end(self) -> None:
        entry = self._interrupted
        utterance = None if entry is None else self._listener.said(entry.start)
        if entry is not None and utterance is not None:
            entry.end, entry.messages = utterance.last_audible_at, utterance.messages

    def _note_unasked(self) -> None:
        """What the agent said that no turn waited for stands in the transcript too."""
        for utterance in self._listener.heard():
            if utterance.onset_at not in self._noted:
                entry = self._entry(utterance.onset_at)
                entry.end, entry.messages = utterance.last_audible_at, utterance.messages
                entry.interrupted_caller = utterance.began_over_caller

    def _note_interrupted(self) -> None:
        self._note_end()
        entry, self._interrupted = self._interrupted, None
        if entry is None:
            return
        stopped_after = self._listener.barge_in_stop_latency()
        entry.interrupted = self._listener.interrupted() is not None
        if stopped_after is not None:
            self.simulation.measures.turn(entry.metrics, metrics.BARGE_IN_STOP_LATENCY, stopped_after)

    def _note_burst(self, reply: Reply) -> None:
        heard_s = self._bytes_heard / _BYTES_A_SAMPLE / self.rate_hz
        took_s = max(reply.ended_at - reply.arrived_at, 0.1)
        if not self.paced and heard_s > _BURST_AUDIO_S and heard_s > _BURST_FACTOR * took_s:
            self.simulation.services.results.note(
                f"{self.simulation.identity.agent}: audio arrived faster than real time and "
                "pace_inbound_binary_audio is off, so arrival counts as hearing: callers answer early, and "
                "recordings hold it as fast as it came; set it to true to play the audio out"
            )

    def _note_gaps(self, reply: Reply) -> None:
        # Of an agent that speaks in real time, a rate or a channel count that is too high shows in nothing else.
        heard_s = self._bytes_heard / _BYTES_A_SAMPLE / self.rate_hz
        spoke_s = reply.ended_at - reply.onset_at
        counted = reply.arrived_at >= self._bytes_since
        if counted and spoke_s > _GAPS_SPEECH_S and heard_s < _GAPS_FACTOR * spoke_s:
            self.simulation.services.results.note(
                f"{self.simulation.identity.agent}: its audio had gaps, with a third or more of a turn missing: "
                "if it speaks in real time, check receive_sample_rate_hertz and receive_audio_channels"
            )

    def finished(self, now: float) -> None:
        """Stop the microphone, close the recording, and count."""
        self._note_unasked()
        count = self.simulation.account.count
        count(metrics.AGENT_INTERRUPTIONS, self._listener.interruptions)
        if self._pacer is not None:
            self._pacer.stop()
            count(metrics.FRAMES_SENT, self._pacer.frames_sent)
            count(metrics.FRAMES_SKIPPED, self._pacer.frames_skipped)
        if self.recording is not None:
            self.recording.close(now)
