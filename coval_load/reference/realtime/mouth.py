"""What a realtime agent says: packaged clips in deltas, how fast they leave, and how much of them was heard by now."""

import math
from collections.abc import Awaitable, Callable
from random import Random

import attrs
import pybase64
import trio

from coval_load.codecs.audio.packaged import clip_text
from coval_load.reference.line import Line
from coval_load.reference.options import AgentOptions, VoiceOptions
from coval_load.reference.sound import fit, lead_in, load_clip, to_alaw, to_mulaw, to_pcm
from coval_load.reference.speaking import GREETING, happens_before, replies_of, spacing_s

ENCODERS = {"pcm": to_pcm, "ulaw": to_mulaw, "alaw": to_alaw}


@attrs.frozen
class Delta:
    """One piece of a reply: base64 `audio` that plays for `seconds`, and the `words` that begin in it."""

    audio: str
    seconds: float
    words: str


@attrs.frozen
class Speech:
    """A reply ready to be sent. The first audible sample is in `deltas[first_audible]`."""

    text: str
    deltas: tuple[Delta, ...]
    duration_s: float
    first_audible: int


class Voice:
    """Everything the agent ever says, made once for each form of audio and shared by all connections."""

    def __init__(self, options: VoiceOptions) -> None:
        self._options = options
        self._made: dict[tuple[str, int, str], Speech] = {}

    def prepare(self, rate_hz: int, encoding: str) -> None:
        """Makes all of it in this form now, so that no caller waits for it."""
        for name in (GREETING, *replies_of(self._options)):
            self.speech(name, rate_hz, encoding)

    def greeting(self, rate_hz: int, encoding: str) -> Speech:
        return self.speech(GREETING, rate_hz, encoding)

    def reply(self, turn: int, rate_hz: int, encoding: str) -> Speech:
        """What is said to `turn`, from 1; 0 is before the caller said anything."""
        replies = replies_of(self._options)
        return self.speech(replies[(turn - 1) % len(replies)], rate_hz, encoding)

    def speech(self, name: str, rate_hz: int, encoding: str = "pcm") -> Speech:
        """A clip at `rate_hz`, `encoding` being `pcm`, `ulaw` or `alaw`."""
        key = (name, rate_hz, encoding)
        if key not in self._made:
            self._made[key] = _make(name, rate_hz, encoding, self._options)
        return self._made[key]


def _make(name: str, rate_hz: int, encoding: str, options: VoiceOptions) -> Speech:
    samples = load_clip(name, rate_hz)
    if options.reply_s is not None and name != GREETING:
        samples = fit(samples, round(options.reply_s * rate_hz))
    samples = lead_in(samples, options.leading_silence_s, rate_hz)
    step = round(options.message_s * rate_hz)
    parts = [samples[at : at + step] for at in range(0, len(samples), step)]
    words = share_words(clip_text(name), len(parts))
    encode = ENCODERS[encoding]
    deltas = tuple(
        Delta(pybase64.b64encode(encode(part)).decode(), len(part) / rate_hz, said)
        for part, said in zip(parts, words, strict=True)
    )
    return Speech(clip_text(name), deltas, len(samples) / rate_hz, int(options.leading_silence_s / options.message_s))


def share_words(text: str, count: int) -> list[str]:
    """`text` in `count` pieces that make it up again, cut before words; pieces may be empty."""
    words = [word if at == 0 else f" {word}" for at, word in enumerate(text.split(" "))]
    pieces = [""] * count
    for at, word in enumerate(words):
        pieces[at * count // len(words)] += word
    return pieces


class Playback:
    """One reply on its way: what was sent, and what somebody who plays it in real time has heard.

    That listener stops to play it when told so, at `silenced_at`.
    """

    def __init__(self, speech: Speech, options: VoiceOptions) -> None:
        self.speech = speech
        self.sent = 0
        self.sent_s = 0.0
        self.began: float | None = None
        self.silenced_at = math.inf
        self._interval_s = spacing_s(options)

    @property
    def is_whole(self) -> bool:
        """Whether everything was sent."""
        return self.sent == len(self.speech.deltas)

    @property
    def words(self) -> str:
        """The words of what was sent."""
        return "".join(delta.words for delta in self.speech.deltas[: self.sent])

    @property
    def ends_at(self) -> float:
        """When what was sent so far has been played, on Trio's clock; minus infinity before anything was sent."""
        return -math.inf if self.began is None else min(self.began + self.sent_s, self.silenced_at)

    def heard_s(self, at: float) -> float:
        """How much of it has been heard at `at`."""
        return 0.0 if self.began is None else max(0.0, min(self.sent_s, min(at, self.silenced_at) - self.began))

    def silence(self, at: float) -> None:
        """The listener was told at `at` that nothing more of it is to be heard."""
        self.silenced_at = min(self.silenced_at, at)

    async def send(self, line: Line, turn: int, stop: trio.Event, write: Callable[[Delta], Awaitable[None]]) -> None:
        """Gives each delta to `write` when it is due, until the last or until `stop`, between two of them.

        Stamps `reply_start` just before the delta with the first audible sample is written, and `reply_end` when the
        last one was.
        """
        self.began = trio.current_time()
        for delta in self.speech.deltas:
            if await happens_before(stop, self.began + self.sent * self._interval_s):
                break
            if self.sent == self.speech.first_audible:
                line.stamp("reply_start", turn=turn, waited_s=trio.current_time() - self.began)
            await write(delta)
            self.sent += 1
            self.sent_s += delta.seconds
        plays_s = self.began + self.sent_s - trio.current_time()
        line.stamp("reply_end", turn=turn, messages=self.sent, audio_s=self.sent_s, plays_s=plays_s)

    async def hear_out(self, stop: trio.Event) -> bool:
        """Waits until all that was sent has been played, or for `stop`; whether it was stopped."""
        return await happens_before(stop, self.ends_at)


def reply_due(options: AgentOptions, random: Random, last_audible_at: float) -> float:
    """When the answer to speech that was over at `last_audible_at` is due, on Trio's clock."""
    return last_audible_at + options.delay_s + random.uniform(-options.spread_s, options.spread_s)
