"""What an agent was heard to say: stretches of sound on the playout clock, parted by silences.

A short pause belongs to an utterance. It ends one only when the caller came in during it: an agent that
yields the floor and soon answers has said two things, one before and one after.
"""

from collections.abc import Iterator

import attrs


@attrs.define
class Utterance:
    """Sound with pauses shorter than the end of a turn. Times are playout times in seconds.

    `arrived_at` is when the message with its first audible sample arrived. `underrun_s` is the longest
    time within it for which a player would have run dry; `dry_before_s` the same between the sound before
    it and its own. Messages are numbered over the conversation; `messages_cleared` is how many had come when
    audio was last thrown away before this began. `was_cut`: what followed was thrown away, and this does not go on.
    """

    onset_at: float
    last_audible_at: float
    arrived_at: float
    first_message: int
    last_message: int
    underrun_s: float = 0.0
    dry_before_s: float = 0.0
    began_over_caller: bool = False
    messages_cleared: int = 0
    was_cut: bool = False

    @property
    def messages(self) -> int:
        """Audio messages from the one with its first audible sample to the one with its last."""
        return self.last_message - self.first_message + 1

    def prolong(self, last_audible_at: float, message: int, dry_s: float) -> None:
        """Go on until then at least, by sound in `message`, before which a player had been dry for `dry_s`."""
        if last_audible_at > self.last_audible_at:
            self.last_audible_at = last_audible_at
        self.last_message = message
        if dry_s > self.underrun_s:
            self.underrun_s = dry_s

    def shorten(self, last_audible_at: float, message: int) -> None:
        """End then, by sound in `message`."""
        self.last_audible_at = max(last_audible_at, self.onset_at)
        self.last_message = max(message, self.first_message)

    def absorb(self, other: "Utterance") -> None:
        """Become one with another that is heard after this one, or during it; it may have arrived before."""
        earlier, later = (self, other) if self.first_message <= other.first_message else (other, self)
        # A player that was told to stop did not run dry.
        dry_s = 0.0 if earlier.was_cut else later.dry_before_s
        self.underrun_s = max(self.underrun_s, other.underrun_s, dry_s)
        self.was_cut = other.was_cut
        self.dry_before_s = earlier.dry_before_s
        self.last_audible_at = max(self.last_audible_at, other.last_audible_at)
        self.first_message = min(self.first_message, other.first_message)
        self.last_message = max(self.last_message, other.last_message)


@attrs.frozen
class CallerSpeech:
    """The caller's first and last audible sample, both as due; `barge_in` where it is meant to interrupt."""

    first_audible_at: float
    last_audible_at: float
    barge_in: bool = False

    def holds(self, at: float) -> bool:
        return self.first_audible_at <= at < self.last_audible_at


NOTHING_HEARD = Utterance(float("-inf"), float("-inf"), float("-inf"), 0, 0)


@attrs.define
class Floor:
    """Who spoke when: the agent's stretches of sound since the caller last began, and the caller's speech.

    Stretches are kept apart where the silence between them could still turn out to part two utterances,
    which is until the later one is heard: the caller may come in before. `tail` is the latest of them; a
    caller in a hurry may extend it in place by sound that follows within `yield_silence_s`. Of what was cut
    nothing follows, so that is never the tail.
    """

    end_silence_s: float
    yield_silence_s: float
    tail: Utterance = NOTHING_HEARD
    _stretches: list[Utterance] = attrs.field(factory=list, init=False)
    _caller: list[CallerSpeech] = attrs.field(factory=list, init=False)
    _interruptions: int = attrs.field(default=0, init=False)

    def agent_heard(self, sound: Utterance) -> None:
        """Put a stretch of sound where it belongs; it may overlap what is known, or come before it."""
        stretches = self._stretches
        place = len(stretches)
        while place and stretches[place - 1].onset_at > sound.onset_at:
            place -= 1
        stretches.insert(place, sound)
        while place and self._touch(stretches[place - 1], stretches[place]):
            place -= 1
            stretches[place].absorb(stretches.pop(place + 1))
        while place + 1 < len(stretches) and self._touch(stretches[place], stretches[place + 1]):
            stretches[place].absorb(stretches.pop(place + 1))
        self.tail = stretches[-1]

    def clear(self, at: float, last_audible_at: float, message: int) -> None:
        """Sound from `at` on was thrown away; the last before it is given, and in which message it was."""
        self._stretches = [stretch for stretch in self._stretches if stretch.onset_at < at]
        if self._stretches:
            latest = self._stretches[-1]
            if latest.last_audible_at >= at:
                latest.shorten(last_audible_at, message)
            latest.was_cut = True
        self.tail = NOTHING_HEARD

    def caller_speaks(self, speech: CallerSpeech, now: float) -> None:
        """The caller has the floor from `speech.first_audible_at` on; what was over by `now` is settled."""
        self._settle(now)
        self._caller.append(speech)

    @property
    def latest_caller_speech(self) -> CallerSpeech | None:
        return self._caller[-1] if self._caller else None

    def utterances(self, now: float) -> Iterator[Utterance]:
        """What the agent said, and will be heard to say after `now` by what is queued, in order.

        The last one may go on; what is given is for looking at.
        """
        self._join(now)
        whole: Utterance | None = None
        for stretch in self._stretches:
            if whole is not None and self._goes_on(whole, stretch):
                whole = attrs.evolve(whole)
                whole.absorb(stretch)
                continue
            if whole is not None:
                yield whole
            whole = stretch
        if whole is not None:
            yield whole

    def interruptions(self, now: float) -> int:
        """How often the agent was heard to begin while the caller spoke, other than when barged in on."""
        begun = (utterance for utterance in self.utterances(now) if utterance.onset_at <= now)
        return self._interruptions + sum(map(self._interrupted, begun))

    def began_over_caller(self, utterance: Utterance) -> bool:
        return any(speech.holds(utterance.onset_at) for speech in self._caller)

    def _interrupted(self, utterance: Utterance) -> bool:
        return any(speech.holds(utterance.onset_at) for speech in self._caller if not speech.barge_in)

    def _touch(self, earlier: Utterance, later: Utterance) -> bool:
        return not earlier.was_cut and later.onset_at - earlier.last_audible_at < self.yield_silence_s

    def _goes_on(self, utterance: Utterance, stretch: Utterance) -> bool:
        onset_at, resumed_at = utterance.onset_at, stretch.onset_at
        return resumed_at - utterance.last_audible_at < self.end_silence_s and not any(
            onset_at < speech.first_audible_at < resumed_at for speech in self._caller
        )

    def _join(self, now: float) -> None:
        # No speech that is yet to be announced can part what has been heard by now.
        joined: list[Utterance] = []
        for stretch in self._stretches:
            if joined and stretch.onset_at <= now and self._goes_on(joined[-1], stretch):
                joined[-1].absorb(stretch)
            else:
                joined.append(stretch)
        self._stretches = joined
        self.tail = joined[-1] if joined and not joined[-1].was_cut else NOTHING_HEARD

    def _settle(self, now: float) -> None:
        self._join(now)
        while self._stretches and self._stretches[0].last_audible_at + self.end_silence_s <= now:
            self._interruptions += self._interrupted(self._stretches.pop(0))
        if self._stretches:
            oldest = self._stretches[0].onset_at
            self._caller = [speech for speech in self._caller if speech.last_audible_at >= oldest]
        else:
            self._caller.clear()
            self.tail = NOTHING_HEARD
