"""The ears of a voice simulation: when the agent was heard, and when its turn was over.

A task wakes for a turn, not for a frame. Every time in a reply follows from what arrived when, and from when what was
told, never from when a task got to run.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import attrs
import trio

from coval_load.actors.loss import Loss, worse
from coval_load.actors.playout import Loudness, Playout
from coval_load.actors.utterances import CallerSpeech, Floor, Utterance
from coval_load.engine.doorbell import Doorbell
from coval_load.engine.metronome import FRAME_S
from coval_load.engine.outcome import ErrorKind, SimulationFailed

END_SILENCE_S = 0.8
YIELD_SILENCE_S = 0.25
_FOREVER = float("inf")
# Of an agent that takes back what it says more often within one turn, the turn may end early.
_MOST_WORDS = 64


def _nobody() -> None:
    pass


class Replies(Protocol):
    """What the agent's protocol says of its replies, beside their sound. `Listener.told` when it changes."""

    def ended_silently(self) -> bool:
        """Whether the awaited reply is over and holds no audio."""
        ...

    def going_on(self) -> bool:
        """Whether more of the agent's turn is to come, by its own word."""
        ...


class _NoReplies:
    def ended_silently(self) -> bool:
        return False

    going_on = ended_silently


NO_REPLIES: Replies = _NoReplies()
"""Of agents whose protocol has no word for it: a reply is what is heard."""


@attrs.frozen
class Reply:
    """The agent's turn, in seconds of the Trio clock.

    `ended_at` is its last audible sample, `over_at` the instant at which its silence made it over.
    `arrived_at` is the first audio after the caller's last audible sample, audible or not.
    `response_latency` is `ttfb_audio` (to that arrival) plus `leading_silence` (from there to the onset).
    All three are None where the agent began over the caller, who then had no answer to wait for.
    `messages` counts audio messages from the one with the first audible sample to the one with the last.
    `underrun_s` is the longest time for which a player would have run dry in between, but for one that was cleared.
    Where the agent's protocol said that more was to come, the turn went on over any silence, and `over_at` is when
    it said otherwise, if that was later.
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
    utterance ends in `end_silence_s` without sound, or where the caller came in, in `yield_silence_s` or when
    audio was thrown away. `replies` says what the agent's protocol knows; `explain` says what else came, for the
    message of a failure, and `advice_if_deaf` what to look at where nothing did. `clear` is for where it `clears`.

    An utterance answers the caller if it begins once the caller has finished. One that began while the
    caller spoke does so if the agent had not fallen silent for `yield_silence_s` when the caller finished,
    or spoke on after; anything shorter is a backchannel.
    """

    audio_received: Callable[[bytes, float], None]
    bytes_received: Callable[[], int]
    """See `Playout`."""

    def __init__(
        self,
        *,
        rate_hz: int,
        paced: bool,
        loudness: Loudness,
        bell: Doorbell,
        end_silence_s: float = END_SILENCE_S,
        yield_silence_s: float = YIELD_SILENCE_S,
        replies: Replies = NO_REPLIES,
        explain: Callable[[], str] = str,
        advice_if_deaf: str = "",
        clears: bool = True,
    ) -> None:
        self._bell = bell
        self._end_silence_s = end_silence_s
        # A silence that ends a turn parts utterances anyway, whoever came in.
        self._yield_silence_s = min(yield_silence_s, end_silence_s)
        self._replies = replies
        self._explain = explain
        self._advice_if_deaf = advice_if_deaf
        self._floor = Floor(end_silence_s, self._yield_silence_s)
        self._playout = Playout(
            rate_hz=rate_hz, paced=paced, loudness=loudness, floor=self._floor, changed=self._change, clears=clears
        )
        self.audio_received = self._playout.audio_received
        self.bytes_received = self._playout.bytes_received
        # When its turn was going on by the agent's own word: since and until.
        self._went_on = [(-_FOREVER, -_FOREVER)]
        self._changes = 0
        self._clears = 0
        self._loss: Loss | None = None

    @property
    def queued_until(self) -> float:
        """Until when what came plays, in seconds of the Trio clock; minus infinity before anything did."""
        return self._playout.queued_until

    def clear(self, at: float) -> float:
        """Throw away audio that is queued and would be heard from `at` on; returns how many seconds of it.

        `at` is not before the last message arrived, and may lie ahead: what comes next then plays from `at` on. What
        would have begun at `at` or later never came; what is under way ends with its last audible sample before it,
        to 10 ms. What came before counts as no arrival for a reply heard afterwards. Unpaced nothing is queued.
        """
        cleared_s = self._playout.clear(at)
        if cleared_s:
            self._clears += 1
            self._change()
        return cleared_s

    def told(self) -> None:
        """What `replies` say is another thing now."""
        self._note_going_on()
        self._change()

    def let_go(self) -> None:
        """Nothing is listened to any more: nothing of it leads back here, so that it is freed at once."""
        self._playout.changed = _nobody

    def resume(self) -> None:
        """Connected again: a loss told before is forgotten."""
        self._loss = None

    def caller_speaks(self, first_audible_at: float, last_audible_at: float, *, barge_in: bool = False) -> None:
        """A clip was begun whose first and last audible samples are due then, both still to come."""
        speech = CallerSpeech(first_audible_at, last_audible_at, barge_in)
        self._note_going_on()
        self._heard().caller_speaks(speech, trio.current_time())
        self._playout.forget_arrivals(last_audible_at)
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

    def arrived_at(self, utterance: Utterance, anchor: float) -> float:
        """When the first audio after `anchor` came, audible or not, of a turn that begins with `utterance`."""
        first_arrival = self._playout.first_arrival(anchor, utterance.messages_cleared)
        arrivals = [utterance.arrived_at, utterance.onset_at]
        return max(anchor, min(arrivals if first_arrival is None else [*arrivals, first_arrival]))

    def barge_in_stop_latency(self) -> float | None:
        """From the caller's onset over the agent to the agent's last sample, at least 0; None if it was silent."""
        speech, utterance = self._floor.latest_caller_speech, self.interrupted()
        if speech is None or utterance is None:
            return None
        return max(utterance.last_audible_at - speech.first_audible_at, 0.0)

    async def hear_onset(self, anchor: float, deadline_s: float, *, early: bool = False) -> Utterance | None:
        """The awaited reply as soon as it is heard to begin; else as `hear_reply`, errors included.

        `early`: what began before `anchor` counts too, as for `hear_greeting`.
        """
        utterance = await self._hear_onset(anchor, deadline_s, early=early)
        return None if utterance is None else self._snapshot(utterance)

    async def hear_reply(self, anchor: float, deadline_s: float) -> Reply | None:
        """The agent's whole turn, once its silence shows that it is over; None if it ended without any sound.

        While `replies` say that the agent goes on, silence does not end it, for `deadline_s` from its last sample.
        `anchor` is when the caller's last audible sample was due, or from when else a reply is awaited.
        An agent that never falls silent is heard for as long as the caller of this lets it.

        Raises SimulationFailed: `no_response` if no reply began within `deadline_s` of the anchor; what
        was given to `lost` if that left no reply to hear.
        """
        return await self._hear_out(anchor, deadline_s, early=False)

    async def hear_greeting(self, anchor: float, deadline_s: float) -> Reply | None:
        """As `hear_reply`, for an agent that speaks first and may have begun before `anchor`.

        It then kept no one waiting: its latencies are 0.
        """
        return await self._hear_out(anchor, deadline_s, early=True)

    async def _hear_out(self, anchor: float, deadline_s: float, early: bool) -> Reply | None:
        reply = await self._hear_onset(anchor, deadline_s, early)
        while reply is not None:
            now, seen, clears = trio.current_time(), self._changes, self._clears
            turn, over_at = self._turn(reply, deadline_s, now)
            self._raise_loss(over_at)
            if over_at <= now:
                return self._report(turn, over_at, anchor, early)
            silent_at = self._silent_at(turn)
            if now < silent_at:
                await self._bell.until(partial(self._was_cut_short, clears), silent_at)
            else:
                await self._bell.until(partial(self._changed_since, seen), over_at)
            answer = self._answer(anchor, early, trio.current_time())
            if answer is None and clears != self._clears:
                # What is left of it, if anything, answers no one.
                reply = await self._hear_onset(anchor, deadline_s, early)
            else:
                reply = answer or reply
        return None

    async def _hear_onset(self, anchor: float, deadline_s: float, early: bool) -> Utterance | None:
        limit = anchor + deadline_s
        while True:
            now, seen = trio.current_time(), self._changes
            answer = self._answer(anchor, early, now)
            silent = answer is None and self._replies.ended_silently()
            if answer is not None and answer.onset_at > limit:
                answer = None
            if not silent or self._was_cut_off():
                self._raise_loss(None if answer is None else self._silent_at(answer))
            if silent:
                return None
            if answer is not None and answer.onset_at <= now:
                return answer
            if now >= limit:
                raise self._no_response(anchor, deadline_s)
            look_at = answer.onset_at if answer is not None else self._undecided_until(anchor, now)
            await self._bell.until(partial(self._changed_since, seen), min(limit, look_at))

    def _turn(self, reply: Utterance, deadline_s: float, now: float) -> tuple[Utterance, float]:
        """All that the agent said in the turn that begins with `reply`, and when it is over by what is known."""
        self._note_going_on()
        turn = reply
        for utterance in self._heard().utterances(now):
            if utterance.onset_at > turn.last_audible_at:
                over_at = self._over_at(turn, deadline_s)
                if over_at <= self._silent_at(turn) or utterance.onset_at > over_at:
                    break
                turn = attrs.evolve(turn)
                turn.absorb(utterance)
        return turn, self._over_at(turn, deadline_s)

    def _silent_at(self, turn: Utterance) -> float:
        return turn.last_audible_at + self._end_silence_s

    def _over_at(self, turn: Utterance, deadline_s: float) -> float:
        silent_at, loss = self._silent_at(turn), self._loss
        lost_at = loss.at if loss is not None and loss.clean else _FOREVER
        for since, until in self._went_on:
            if since <= silent_at < min(until, lost_at):
                return max(silent_at, min(until, lost_at, turn.last_audible_at + deadline_s))
        return silent_at

    def _note_going_on(self) -> None:
        now, is_on, was_on = trio.current_time(), self._replies.going_on(), self._went_on[-1][1] == _FOREVER
        if is_on and not was_on:
            self._went_on.append((now, _FOREVER))
            del self._went_on[:-_MOST_WORDS]
        elif was_on and not is_on:
            self._went_on.append((self._went_on.pop()[0], now))

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
        return over_at if over_at > now else _FOREVER

    def _changed_since(self, seen: int) -> bool:
        return self._changes != seen

    def _was_cut_off(self) -> bool:
        return self._loss is not None and not self._loss.clean

    def _was_cut_short(self, clears: int) -> bool:
        return self._was_cut_off() or self._clears != clears

    def _raise_loss(self, over_at: float | None) -> None:
        """Unless what was received is a whole answer, over then."""
        loss = self._loss
        if loss is not None and (over_at is None or not (loss.clean or over_at <= loss.at)):
            raise loss.failure

    def _report(self, turn: Utterance, over_at: float, anchor: float, early: bool) -> Reply:
        arrived_at = self.arrived_at(turn, anchor)
        onset_at = max(anchor, turn.onset_at)
        answers = early or turn.onset_at >= anchor
        reply = Reply(
            onset_at=turn.onset_at,
            ended_at=turn.last_audible_at,
            over_at=over_at,
            arrived_at=arrived_at if answers else turn.arrived_at,
            response_latency=onset_at - anchor if answers else None,
            ttfb_audio=arrived_at - anchor if answers else None,
            leading_silence=onset_at - arrived_at if answers else None,
            underrun_s=turn.underrun_s,
            messages=turn.messages,
            began_over_caller=self._floor.began_over_caller(turn),
        )
        self._playout.forget_arrivals(reply.arrived_at)
        return reply

    def _heard(self) -> Floor:
        self._playout.judge()
        return self._floor

    def _snapshot(self, utterance: Utterance) -> Utterance:
        return attrs.evolve(utterance, began_over_caller=self._floor.began_over_caller(utterance))

    def _no_response(self, anchor: float, deadline_s: float) -> SimulationFailed:
        came = self._playout.arrivals_since(anchor)
        audio = f"{came} audio messages came, none began an audible reply" if came else "no audio came"
        what = "; ".join(filter(None, (audio, self._explain())))
        hint = f"; {self._advice_if_deaf}" if what == "no audio came" and self._advice_if_deaf else ""
        return SimulationFailed(ErrorKind.NO_RESPONSE, f"No response received within {deadline_s:g} s: {what}{hint}")

    def _change(self) -> None:
        self._changes += 1
        self._bell.ring()
