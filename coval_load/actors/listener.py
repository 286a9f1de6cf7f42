"""The ears of a voice simulation: when the agent was heard, and when its turn was over.

Audio is handled where it lands, on a playout clock; a task wakes for a turn, not for a frame. Every time in
a reply follows from what arrived when, never from when a task got to run. In the middle of sound some audio
waits to be judged together: it can only prolong what is heard, and who wants to know judges it first.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeAlias

import attrs
import trio

from coval_load.actors.loss import Loss, worse
from coval_load.actors.utterances import CallerSpeech, Floor, Utterance
from coval_load.codecs.audio.onset import window_samples
from coval_load.engine.doorbell import Doorbell
from coval_load.engine.metronome import FRAME_S
from coval_load.engine.outcome import ErrorKind, SimulationFailed

END_SILENCE_S = 0.8
YIELD_SILENCE_S = 0.25
_SAMPLE_BYTES = 2
# Audio is judged together up to so long after the last sound, which bounds what waits.
_MOST_PENDING_S = 0.2
_DEAF = "; see in its log whether it heard the caller, as send_audio_template, audio_encoding and the rates say it"

_Message: TypeAlias = tuple[bytes, float, float]
"""Its PCM, when that plays from on, and until when what was queued before it played."""


class Loudness(Protocol):
    """Finds sound in a stream of audio; `codecs.audio.onset.LoudnessMeter` is one."""

    def push(self, pcm: bytes, /) -> Sequence[tuple[int, int]]:
        """First and last sample of each stretch of sound that `pcm` completes, in order, both inclusive.

        Counted from the first sample of `pcm`, negative in what was carried over from an earlier call.
        Silences shorter than the listener's `yield_silence_s` need not part two stretches; longer must.
        Judged are windows of `window_samples` from the first sample ever on, however messages cut them.
        """
        ...


@attrs.frozen
class Reply:
    """The agent's turn, in seconds of the Trio clock.

    `ended_at` is its last audible sample, `over_at` the instant at which its silence made it over.
    `arrived_at` is the first audio after the caller's last audible sample, audible or not.
    `response_latency` is `ttfb_audio` (to that arrival) plus `leading_silence` (from there to the onset).
    All three are None where the agent began over the caller, who then had no answer to wait for.
    `messages` counts audio messages from the one with the first audible sample to the one with the last.
    `underrun_s` is the longest time for which a player would have run dry in between.
    """

    onset_at: float
    ended_at: float
    over_at: float
    arrived_at: float
    response_latency: float | None
    ttfb_audio: float | None
    leading_silence: float | None
    underrun_s: float
    messages: int
    began_over_caller: bool


class Listener:
    """What one caller hears of one agent. All but the `hear_` methods are synchronous.

    `rate_hz` is that of the mono 16-bit PCM received. `paced`: audio of duration d that arrives at t is
    heard from the end of what is queued on, but not before t; else from t on, whatever is queued. An
    utterance ends in `end_silence_s` without sound, or in `yield_silence_s` where the caller came in.
    `explain` says what else came, for the message of a failure.

    An utterance answers the caller if it begins once the caller has finished. One that began while the
    caller spoke does so if the agent had not fallen silent for `yield_silence_s` when the caller finished,
    or spoke on after; anything shorter is a backchannel.
    """

    def __init__(
        self,
        *,
        rate_hz: int,
        paced: bool,
        loudness: Loudness,
        bell: Doorbell,
        end_silence_s: float = END_SILENCE_S,
        yield_silence_s: float = YIELD_SILENCE_S,
        explain: Callable[[], str] = str,
    ) -> None:
        self._rate_hz = rate_hz
        self._bytes_per_s = rate_hz * _SAMPLE_BYTES
        self._paced = paced
        self._find_sound = loudness.push
        self._bell = bell
        self._end_silence_s = end_silence_s
        # A silence that ends a turn parts utterances anyway, whoever came in.
        self._yield_silence_s = min(yield_silence_s, end_silence_s)
        self._explain = explain
        self._floor = Floor(end_silence_s, self._yield_silence_s)
        # Before its first message the player has been dry forever, but within no utterance.
        self._queue_end = float("-inf")
        self._dry_s = 0.0
        self._pending: list[_Message] = []
        # Sound that has ended before then goes on the floor's tail. Unpaced, messages may play in any order.
        self._certain_until = float("-inf")
        self._certain_s = min(self._yield_silence_s, _MOST_PENDING_S) if paced else float("-inf")
        self._window = window_samples(rate_hz)
        self._bytes = 0  # judged so far
        self._arrivals = array("d")
        self._forgotten = 0
        self._changes = 0
        self._loss: Loss | None = None

    def audio_received(self, pcm: bytes, at: float) -> None:
        """Mono 16-bit PCM arrived at `at`: the hot path, once for each frame of each simulation.

        Measured on one server core, in microseconds for 20 ms at 16 kHz and at 48 kHz, all in: zeros 0.2 and
        0.2, noise below the threshold 1.2 and 1.3, speech 1.1 and 1.2; speech that is not paced 2.9 and 3.2.
        """
        start = queue_end = self._queue_end
        if at > queue_end:
            start = at
        size = len(pcm)
        self._queue_end = end = start + size / self._bytes_per_s
        if self._pending and (end >= self._certain_until or not size):
            self._judge_pending()
        self._arrivals.append(at)
        if end < self._certain_until and size:
            self._pending.append((pcm, start, queue_end))
            return
        self._bytes += size
        if at > queue_end and at - queue_end > self._dry_s:
            self._dry_s = at - queue_end
        sound = self._find_sound(pcm)
        if sound:
            self._place(sound, at, start, follows=at <= queue_end)

    def _place(self, sound: Sequence[tuple[int, int]], at: float, start: float, *, follows: bool) -> None:
        # A window carried over was heard before this message only if this one follows without a break.
        earliest = float("-inf") if self._paced and follows else 0
        if not self._paced:
            start = at
        rate_hz, number = self._rate_hz, self._forgotten + len(self._arrivals)
        for first, last in sound:
            onset_at = start + (first if first > earliest else earliest) / rate_hz
            last_at = start + (last if last > earliest else earliest) / rate_hz
            tail = self._floor.tail
            if tail.onset_at <= onset_at and onset_at - tail.last_audible_at < self._yield_silence_s:
                tail.prolong(last_at, number, self._dry_s)
            else:
                self._floor.agent_heard(Utterance(onset_at, last_at, at, number, number, dry_before_s=self._dry_s))
                self._change()
            self._dry_s = 0.0
        self._certain_until = self._floor.tail.last_audible_at + self._certain_s

    def _judge_pending(self) -> None:
        # All sound in it goes on the tail, so only the last of it is looked for, and the message it was in:
        # that which completed its window, as if each had been judged when it came.
        pending, self._pending = self._pending, []
        joined = b"".join([pcm for pcm, _, _ in pending])
        sound = self._find_sound(joined)
        last, complete = 0, float("inf")
        if sound:
            last = sound[-1][1] + self._bytes // _SAMPLE_BYTES
            complete = (last // self._window + 1) * self._window * _SAMPLE_BYTES
            complete = min(complete, self._bytes + len(joined))
        first = self._forgotten + len(self._arrivals) - len(pending) + 1
        for number, (pcm, start, queue_end) in enumerate(pending, first):
            if start - queue_end > self._dry_s:
                self._dry_s = start - queue_end
            before = self._bytes
            self._bytes += len(pcm)
            if before < complete <= self._bytes:
                offset = last - before // _SAMPLE_BYTES
                if start > queue_end:
                    offset = max(offset, 0)
                self._floor.tail.prolong(start + offset / self._rate_hz, number, self._dry_s)
                self._dry_s = 0.0
        self._certain_until = self._floor.tail.last_audible_at + self._certain_s

    def _heard(self) -> Floor:
        if self._pending:
            self._judge_pending()
        # Who looks may join stretches or settle them, so that the tail is another one.
        self._certain_until = float("-inf")
        return self._floor

    def caller_speaks(self, first_audible_at: float, last_audible_at: float, *, barge_in: bool = False) -> None:
        """A clip was begun whose first and last audible samples are due then, both still to come."""
        speech = CallerSpeech(first_audible_at, last_audible_at, barge_in)
        self._heard().caller_speaks(speech, trio.current_time())
        self._forget_arrivals(last_audible_at)
        self._change()

    def lost(self, failure: SimulationFailed, clean: bool) -> None:
        """The connection ended or a message could not be read.

        `clean`: what was received is whole, so a reply that has begun, or is queued, is heard to its end.
        Otherwise `failure` is raised at once. Of several losses the most telling counts.
        """
        self._loss = worse(self._loss, Loss(failure, clean, trio.current_time()))
        self._change()

    def agent_speaking(self, now: float) -> bool:
        """Whether the agent is heard at `now`, or fell silent less than `yield_silence_s` ago."""
        return any(
            utterance.onset_at <= now < utterance.last_audible_at + self._yield_silence_s
            for utterance in self._heard().utterances(now)
        )

    @property
    def interruptions(self) -> int:
        """How often the agent has begun to speak while the caller did, unless the caller was barging in."""
        return self._heard().interruptions(trio.current_time())

    def interrupted(self) -> Utterance | None:
        """What the agent was saying when the caller last barged in, as far as it went; None if nothing.

        Final once the reply to the barge-in has been heard, and kept until the caller speaks again. An agent has
        the frame with the caller's onset up to 20 ms before that sample is due, so it may have stopped already.
        """
        speech = self._floor.latest_caller_speech
        if speech is None or not speech.barge_in:
            return None
        came_in_at = speech.first_audible_at
        for utterance in self._heard().utterances(trio.current_time()):
            if utterance.onset_at < came_in_at <= utterance.last_audible_at + FRAME_S:
                return self._snapshot(utterance)
        return None

    def said(self, onset_at: float) -> Utterance | None:
        """The utterance that began then, as far as it went or is queued; None once the caller spoke after its end."""
        utterances = self._heard().utterances(trio.current_time())
        return next((self._snapshot(it) for it in utterances if it.onset_at == onset_at), None)

    def heard(self) -> list[Utterance]:
        """What the agent was heard to begin since the caller last began, as far as it went."""
        now = trio.current_time()
        return [self._snapshot(it) for it in self._heard().utterances(now) if it.onset_at <= now]

    def barge_in_stop_latency(self) -> float | None:
        """From the caller's onset over the agent to the agent's last sample, at least 0; None if it was silent."""
        speech, utterance = self._floor.latest_caller_speech, self.interrupted()
        if speech is None or utterance is None:
            return None
        return max(utterance.last_audible_at - speech.first_audible_at, 0.0)

    async def hear_onset(self, anchor: float, deadline_s: float, *, early: bool = False) -> Utterance:
        """The awaited reply as soon as it is heard to begin; else as `hear_reply`, errors included.

        `early`: what began before `anchor` counts too, as for `hear_greeting`.
        """
        return self._snapshot(await self._hear_onset(anchor, deadline_s, early=early))

    async def hear_reply(self, anchor: float, deadline_s: float) -> Reply:
        """The agent's whole turn, once its silence shows that it is over.

        `anchor` is when the caller's last audible sample was due, or from when else a reply is awaited.
        An agent that never falls silent is heard for as long as the caller of this lets it.

        Raises SimulationFailed: `no_response` if no reply began within `deadline_s` of the anchor; what
        was given to `lost` if that left no reply to hear.
        """
        return await self._hear_out(anchor, deadline_s, early=False)

    async def hear_greeting(self, anchor: float, deadline_s: float) -> Reply:
        """As `hear_reply`, for an agent that speaks first and may have begun before `anchor`.

        It then kept no one waiting: its latencies are 0.
        """
        return await self._hear_out(anchor, deadline_s, early=True)

    async def _hear_out(self, anchor: float, deadline_s: float, early: bool) -> Reply:
        reply = await self._hear_onset(anchor, deadline_s, early)
        while True:
            now = trio.current_time()
            reply = self._answer(anchor, early, now) or reply
            self._raise_loss(reply)
            over_at = reply.last_audible_at + self._end_silence_s
            if over_at <= now:
                break
            await self._bell.until(self._was_cut_off, over_at)
        result = self._report(reply, anchor, early)
        self._forget_arrivals(result.arrived_at)
        return result

    async def _hear_onset(self, anchor: float, deadline_s: float, early: bool) -> Utterance:
        limit = anchor + deadline_s
        while True:
            now, seen = trio.current_time(), self._changes
            answer = self._answer(anchor, early, now)
            if answer is not None and answer.onset_at > limit:
                answer = None
            self._raise_loss(answer)
            if answer is not None and answer.onset_at <= now:
                return answer
            if now >= limit:
                raise self._no_response(anchor, deadline_s)
            look_at = answer.onset_at if answer is not None else self._undecided_until(anchor, now)
            await self._bell.until(partial(self._changed_since, seen), min(limit, look_at))

    def _answer(self, anchor: float, early: bool, now: float) -> Utterance | None:
        return next((it for it in self._heard().utterances(now) if early or self._answers(it, anchor)), None)

    def _answers(self, utterance: Utterance, anchor: float) -> bool:
        if utterance.onset_at >= anchor:
            return True
        speech = self._floor.latest_caller_speech
        return (
            speech is not None
            and speech.first_audible_at <= utterance.onset_at
            and utterance.last_audible_at > anchor - self._yield_silence_s
        )

    def _undecided_until(self, anchor: float, now: float) -> float:
        # Sound that goes on rings no bell, so an utterance that is not an answer yet is looked at again.
        if now < anchor:
            return anchor
        over_at = self._floor.tail.last_audible_at + self._end_silence_s
        return over_at if over_at > now else float("inf")

    def _changed_since(self, seen: int) -> bool:
        return self._changes != seen

    def _was_cut_off(self) -> bool:
        return self._loss is not None and not self._loss.clean

    def _raise_loss(self, answer: Utterance | None) -> None:
        loss = self._loss
        if loss is None:
            return
        if answer is None or not (loss.clean or answer.last_audible_at + self._end_silence_s <= loss.at):
            raise loss.failure

    def _report(self, reply: Utterance, anchor: float, early: bool) -> Reply:
        later = bisect_left(self._arrivals, anchor)
        arrivals = [reply.arrived_at, reply.onset_at, *self._arrivals[later : later + 1]]
        arrived_at = max(anchor, min(arrivals))
        onset_at = max(anchor, reply.onset_at)
        answers = early or reply.onset_at >= anchor
        return Reply(
            onset_at=reply.onset_at,
            ended_at=reply.last_audible_at,
            over_at=reply.last_audible_at + self._end_silence_s,
            arrived_at=arrived_at if answers else reply.arrived_at,
            response_latency=onset_at - anchor if answers else None,
            ttfb_audio=arrived_at - anchor if answers else None,
            leading_silence=onset_at - arrived_at if answers else None,
            underrun_s=reply.underrun_s,
            messages=reply.messages,
            began_over_caller=self._floor.began_over_caller(reply),
        )

    def _snapshot(self, utterance: Utterance) -> Utterance:
        return attrs.evolve(utterance, began_over_caller=self._floor.began_over_caller(utterance))

    def _no_response(self, anchor: float, deadline_s: float) -> SimulationFailed:
        came = len(self._arrivals) - bisect_left(self._arrivals, anchor)
        audio = f"{came} audio messages came, none began an audible reply" if came else "no audio came"
        what = "; ".join(filter(None, (audio, self._explain())))
        hint = _DEAF if what == "no audio came" else ""
        return SimulationFailed(ErrorKind.NO_RESPONSE, f"No response received within {deadline_s:g} s: {what}{hint}")

    def _forget_arrivals(self, before: float) -> None:
        count = bisect_left(self._arrivals, before)
        del self._arrivals[:count]
        self._forgotten += count

    def _change(self) -> None:
        self._changes += 1
        self._bell.ring()
