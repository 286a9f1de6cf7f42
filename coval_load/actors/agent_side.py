"""All that comes from the agent in a spoken conversation: its sound, and what its protocol says beside it."""

from collections.abc import Callable

import attrs

from coval_load.actors.agent_replies import AgentReplies
from coval_load.actors.line import Line
from coval_load.actors.listener import Listener
from coval_load.actors.loss import Loss
from coval_load.actors.pace_notes import PaceNotes
from coval_load.actors.persona import Persona, TestCase
from coval_load.actors.placing import PlayoutClock
from coval_load.actors.simulation import Simulation
from coval_load.actors.spooled_recording import VoiceRecording
from coval_load.actors.tool_answers import MOST_TOOL_ROUNDS, ToolAnswers
from coval_load.actors.transcript import Entry
from coval_load.actors.understood import Understood
from coval_load.codecs.audio.onset import LoudnessMeter
from coval_load.codecs.dialects.interface import VoiceDialect, VoiceFormat
from coval_load.codecs.events import (
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscribed,
    Event,
    PlaybackCleared,
    ReplyEnded,
    ReplyStarted,
    SpeechTranscribed,
    StrayAudioReceived,
    TextChunkReceived,
    ToolCallReceived,
    ToolResultsAwaited,
    UsageReceived,
)
from coval_load.engine import metrics
from coval_load.engine.link import MessageTaker
from coval_load.engine.metronome import FRAME_S
from coval_load.engine.outcome import ErrorKind, SimulationFailed

_COUNTED = {
    "cancelled": metrics.REPLIES_CANCELLED,
    "incomplete": metrics.REPLIES_INCOMPLETE,
    "failed": metrics.REPLIES_FAILED,
}

_MOST_STOPS = 64
_MOST_CALLS = 256
_MOST_CALLED_BYTES = 1024 * 1024
"""Of the calls within one turn of the caller's: ids, names and arguments."""


def _gap(persona: Persona) -> float:
    """Pauses longer than this within one message are told apart: somewhat below the silences that mean something."""
    return 0.8 * min(persona.yield_silence_s, persona.end_of_turn_silence_s)


@attrs.define(eq=False)
class AgentSide:
    """What arrives is taken in synchronously; `line` is there once the conversation is held."""

    simulation: Simulation
    form: VoiceFormat
    persona: Persona
    case: TestCase
    recording: VoiceRecording | None = None
    line: Line | None = attrs.field(default=None, init=False)
    listener: Listener = attrs.field(init=False)
    replies: AgentReplies = attrs.field(factory=AgentReplies, init=False)
    understood: Understood = attrs.field(factory=Understood, init=False)
    pace: PaceNotes = attrs.field(init=False)
    tools: ToolAnswers = attrs.field(init=False)
    _audio_received: Callable[[bytes, float], None] = attrs.field(init=False)
    _playout: PlayoutClock = attrs.field(init=False)
    _stops: list[float] = attrs.field(factory=list, init=False)
    _audio_is_due: bool = attrs.field(default=False, init=False)
    _calls: list[ToolCallReceived] = attrs.field(factory=list, init=False)
    _tool_rounds: int = attrs.field(default=0, init=False)
    _calls_in_turn: int = attrs.field(default=0, init=False)
    _called_bytes: int = attrs.field(default=0, init=False)
    _barged_in_at: float | None = attrs.field(default=None, init=False)
    _detected_at: float | None = attrs.field(default=None, init=False)
    _stray_s: float = attrs.field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        persona, simulation, rate_hz = self.persona, self.simulation, self.form.receive_rate_hz
        self.listener = Listener(
            rate_hz=rate_hz,
            paced=self.form.is_paced,
            loudness=LoudnessMeter(rate_hz, persona.onset_threshold_dbfs, gap_s=_gap(persona)),
            bell=simulation.bell,
            end_silence_s=persona.end_of_turn_silence_s,
            yield_silence_s=persona.yield_silence_s,
            explain=simulation.hearsay.explain,
            replies=self.replies,
            advice_if_deaf=self.form.advice_if_deaf,
            clears=self.form.may_clear_playback,
        )
        self._audio_received = self.listener.audio_received
        self._playout = PlayoutClock(rate_hz, self.form.is_paced)
        self.pace = PaceNotes(self.form)
        self.tools = ToolAnswers(simulation, self.case)

    def stopped_before(self, at: float) -> float | None:
        """When the agent last said, until `at`, that the caller's speech is over; None if it did not in this turn."""
        return next((stopped_at for stopped_at in reversed(self._stops) if stopped_at <= at), None)

    def shortcut(self, dialect: VoiceDialect, take: MessageTaker) -> MessageTaker:
        """What takes a connection's messages: audio that is known at a glance is heard, all else goes to `take`."""
        plain_audio = dialect.plain_audio
        hear = self._audio_received if self.recording is None else self.hear

        def take_audio(payload: bytes, is_text: bool, at: float) -> None:
            pcm = plain_audio(payload, is_text)
            if pcm is None:
                take(payload, is_text, at)
            elif pcm:
                hear(pcm, at)

        return take_audio

    def hear(self, pcm: bytes, at: float) -> None:
        """Audio arrived: the hot path."""
        if self._audio_is_due:
            self._first_audio(at)
        self._audio_received(pcm, at)
        if self.recording is not None:
            self.recording.agent(pcm, self._playout.heard_at(pcm, at), self.form.receive_rate_hz)
            self.recording.flush(at)

    def _first_audio(self, at: float) -> None:
        self._audio_is_due = False
        if self.replies.latest is not None:
            self.replies.latest.heard_from = max(at, self.listener.queued_until)

    def note(self, event: Event, at: float) -> None:
        """What the protocol says beside the sound."""
        match event:
            case SpeechTranscribed(text=text):
                if self.replies.latest is not None:
                    self.replies.latest.say(text)
            case TextChunkReceived(text=text):
                self._written(text, at)
            case ReplyStarted():
                self.replies.started(at)
                self._audio_is_due = True
                self.listener.told()
            case ReplyEnded():
                self._reply_ended(event, at)
            case UsageReceived():
                self._usage(event)
            case CallerSpeechStarted(item_id=item_id):
                self.replies.caller_began()
                self.listener.told()
                self.understood.named(item_id)
                self.simulation.tell("the agent hears the caller")
            case CallerSpeechStopped(item_id=item_id):
                self._stops.append(at)
                del self._stops[:-_MOST_STOPS]
                self.understood.named(item_id)
                self.simulation.tell("the agent takes the caller's speech for over")
            case CallerTranscribed():
                self.understood.transcribed(event)
            case PlaybackCleared():
                self._cleared(at)
            case StrayAudioReceived(seconds=seconds):
                self._stray_s += seconds
            case ToolCallReceived():
                self._called(event, at)
            case ToolResultsAwaited():
                self._give_results()
            case _:
                pass

    def _written(self, text: str, at: float) -> None:
        reply = self.replies.latest
        if reply is not None:
            reply.write(text, at)

    def _reply_ended(self, ended: ReplyEnded, at: float) -> None:
        self._audio_is_due = False
        reply = self.replies.latest
        if reply is None or reply.ended is not None:
            return
        self.replies.ended(ended, at)
        counter = _COUNTED.get(ended.status)
        if counter is not None:
            self.simulation.account.count(counter)
        elif reply.heard_from is None and not (reply.called or self._calls):
            self.simulation.account.count(metrics.REPLIES_WITHOUT_AUDIO)
        self.simulation.tell("the agent's reply is over", f"{ended.status} {ended.reason}".strip())
        self.listener.told()

    def _usage(self, usage: UsageReceived) -> None:
        for field in attrs.fields(UsageReceived):
            self.simulation.account.count(field.name, getattr(usage, field.name) or 0)
        self.replies.took(usage)

    # Tools

    def _called(self, call: ToolCallReceived, at: float) -> None:
        self._calls_in_turn += 1
        self._called_bytes += len(call.call_id) + len(call.name) + len(call.arguments)
        if self._calls_in_turn > _MOST_CALLS or self._called_bytes > _MOST_CALLED_BYTES:
            self.listener.lost(_too_many_calls(call.name), clean=False)
            return
        self._calls.append(call)
        self.tools.note_calls([call], [at])

    def _give_results(self) -> None:
        calls, self._calls = self._calls, []
        reply = self.replies.latest
        if reply is not None:
            reply.called, reply.calls = True, calls
        results = self.tools.results_for(calls)
        if results is None or self.line is None:
            self.listener.told()
            return
        self._tool_rounds += 1
        if self._tool_rounds > MOST_TOOL_ROUNDS:
            self.listener.lost(_endless(calls[0].name if calls else ""), clean=False)
            return
        self.tools.note_results(results)
        self.replies.results_given()
        self.listener.told()
        self.line.send(self.line.dialect.give_results(results))

    # The caller comes in

    def caller_comes_in(self, first_at: float, last_at: float, *, barge_in: bool, entry: Entry) -> None:
        """The caller's turn `entry` is audible from `first_at` to `last_at`, both still to come, or just now."""
        self.listener.caller_speaks(first_at, last_at, barge_in=barge_in)
        self.replies.caller_began()
        self.listener.told()
        self.understood.caller_said(entry)
        self._stops.clear()
        self._barged_in_at = first_at if barge_in else None
        self._detected_at, self._stray_s = None, 0.0
        self._tool_rounds = self._calls_in_turn = self._called_bytes = 0
        if self.form.caller_clears_playback and self.line is not None:
            unheard_s = self._throw_away(first_at)
            self.line.send(self.line.dialect.cut_off(unheard_s))

    def _cleared(self, at: float) -> None:
        # The frame with the caller's onset is sent up to 20 ms before that sample is due.
        came_in_at = self._barged_in_at
        if came_in_at is not None and self._detected_at is None and at >= came_in_at - FRAME_S:
            self._detected_at = at
        unheard_s = self._throw_away(at)
        if unheard_s > 0 and self.line is not None:
            self.simulation.tell("playback cleared", f"{unheard_s:.2f} s were not heard")
            self.line.send(self.line.dialect.cut_off(unheard_s))

    def _throw_away(self, at: float) -> float:
        unheard_s = self.listener.clear(at)
        if unheard_s > 0:
            self._playout.clear(at)
            self.replies.never_heard(at)
            if self.recording is not None:
                self.recording.clear(at)
        return unheard_s

    def note_interruption(self, entry: Entry) -> None:
        """What is measured of the caller's barging in on `entry`."""
        measure = self.simulation.measures.turn
        came_in_at, detected_at = self._barged_in_at, self._detected_at
        if came_in_at is None:
            return
        if detected_at is not None:
            measure(entry.metrics, metrics.INTERRUPT_DETECTED_TIME, max(detected_at - came_in_at, 0.0))
        if detected_at is not None or self.form.caller_clears_playback:
            measure(entry.metrics, metrics.AUDIO_AFTER_INTERRUPT, self._stray_s)

    # The connection

    def lost(self, loss: Loss) -> None:
        """No more will come."""
        self.listener.lost(loss.failure, loss.clean)

    def renewed(self) -> None:
        """The conversation goes on over another connection."""
        self._calls.clear()
        self._audio_is_due = False
        self.replies.renewed()
        self.listener.resume()


def _endless(name: str) -> SimulationFailed:
    return SimulationFailed(
        ErrorKind.NO_RESPONSE,
        f"No response received: the agent still called {name[:80]!r} after {MOST_TOOL_ROUNDS} rounds of results: look "
        "for a loop in the agent",
    )


def _too_many_calls(name: str) -> SimulationFailed:
    return SimulationFailed(
        ErrorKind.NO_RESPONSE,
        f"No response received: the agent called tools more than {_MOST_CALLS} times, or with more than "
        f"{_MOST_CALLED_BYTES} bytes, within one turn, {name[:80]!r} last: look for a loop in the agent",
    )
