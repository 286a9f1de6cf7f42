"""How a voice agent says something: which messages carry it, and when each of them leaves."""

from collections.abc import Iterator, Mapping

import attrs
import pybase64
import trio

from coval_load.reference.line import Line
from coval_load.reference.options import VoiceOptions
from coval_load.reference.sound import Samples, fit, lead_in, load_clip, to_mp3, to_mulaw, to_pcm

GREETING = "agent-greeting"
REPLIES = ("agent-reply-1", "agent-reply-2")
BRIEF_REPLIES = ("agent-of-course", "agent-reply-2")


@attrs.frozen
class Utterance:
    """Messages ready to send. The first audible sample is in `messages[first_audible]`."""

    messages: tuple[str | bytes, ...]
    duration_s: float
    first_audible: int


def replies_of(options: VoiceOptions) -> tuple[str, ...]:
    """The clips that it answers with: one turn after the other, over again."""
    return BRIEF_REPLIES if options.brief else REPLIES


def prepare(options: VoiceOptions) -> Mapping[str, Utterance]:
    """Everything the agent ever says, by the name of its clip. Made once, shared by all connections."""
    return {name: _utterance(name, options) for name in (GREETING, *replies_of(options))}


def _utterance(name: str, options: VoiceOptions) -> Utterance:
    rate_hz = options.agent_rate_hz
    samples = load_clip(name, rate_hz)
    if options.reply_s is not None and name != GREETING:
        samples = fit(samples, round(options.reply_s * rate_hz))
    samples = lead_in(samples, options.leading_silence_s, rate_hz)
    messages = tuple(_wrap(body, options.binary) for body in _bodies(samples, options))
    first_audible = 0 if options.encoding == "mp3" else int(options.leading_silence_s / options.message_s)
    return Utterance(messages, len(samples) / rate_hz, first_audible)


def _bodies(samples: Samples, options: VoiceOptions) -> Iterator[bytes]:
    if options.encoding == "mp3":
        coded = to_mp3(samples, options.agent_rate_hz)
        step = max(1, round(len(coded) * options.message_s * options.agent_rate_hz / len(samples)))
        yield from (coded[at : at + step] for at in range(0, len(coded), step))
        return
    step = round(options.message_s * options.agent_rate_hz)
    for at in range(0, len(samples), step):
        part = samples[at : at + step]
        yield to_mulaw(part) if options.encoding == "ulaw" else to_pcm(part, options.channels)


def _wrap(body: bytes, binary: bool) -> str | bytes:
    if binary:
        return body
    return f'{{"type":"audio_chunk","data":"{pybase64.b64encode(body).decode()}"}}'


async def speak(line: Line, utterance: Utterance, options: VoiceOptions, turn: int, stop: trio.Event) -> None:
    """Sends the answer to `turn` until its end or until `stop`, between two messages; stamps start and end.

    `reply_start.at` is the moment before the message with the first audible sample is written,
    `waited_s` is how long before that the first message was; `reply_end.at` is when the last one was written,
    `plays_s` how long the caller still has audio to play then.
    """
    began = trio.current_time()
    interval_s = spacing_s(options)
    sent = 0
    for message in utterance.messages:
        if await happens_before(stop, began + sent * interval_s):
            break
        if sent == utterance.first_audible:
            line.stamp("reply_start", turn=turn, waited_s=trio.current_time() - began)
        await line.send(message)
        sent += 1
    audio_s = min(sent * options.message_s, utterance.duration_s)
    plays_s = began + audio_s - trio.current_time()
    line.stamp("reply_end", turn=turn, messages=sent, audio_s=audio_s, plays_s=plays_s)


def spacing_s(options: VoiceOptions) -> float:
    """From one audio message to the next."""
    if options.mode == "burst":
        return 0.0
    return options.message_s / (options.speed if options.mode == "fast" else 1.0)


async def happens_before(event: trio.Event, at: float) -> bool:
    """Whether `event` happens before the time `at`; waits for the one that is first."""
    if not event.is_set() and at > trio.current_time():
        with trio.move_on_at(at):
            await event.wait()
    return event.is_set()
