"""How a reference agent behaves. All durations are in seconds, all rates in Hz."""

from collections.abc import Iterator
from pathlib import Path

import attrs

from coval_load.reference.misbehaviour import Misbehaviour

VOICE = "MODEL_TYPE_WEBSOCKET"
CHAT = "MODEL_TYPE_CHAT_WEBSOCKET"


@attrs.frozen
class VoiceOptions:
    """What only a voice agent does.

    `mode`: `burst` sends a reply at once, `fast` at `speed` times real time, `paced` in real time.
    `message_s` is how much audio one message holds. `reply_s` cuts or loops the reply to that length; None
    leaves it. `end_silence_s` of silence tell the agent that the caller has finished.
    """

    caller_rate_hz: int = 16_000
    agent_rate_hz: int = 24_000
    end_silence_s: float = 0.3
    leading_silence_s: float = 0.0
    mode: str = "burst"
    speed: float = 3.0
    message_s: float = 0.1
    encoding: str = "pcm"
    binary: bool = False
    channels: int = 1
    reply_s: float | None = None
    yields: bool = True
    echo: bool = False


@attrs.frozen
class ChatOptions:
    """What only a chat agent does. `ready_type` is the type of its ready message; None: it sends none."""

    message_format: str = "type"
    messages: int = 1
    gap_s: float = 0.05
    echoes: bool = False
    ready_type: str | None = None


@attrs.frozen
class AgentOptions:
    """What every reference agent does: it answers `delay_s` +- `spread_s` after the caller's turn."""

    model_type: str
    voice: VoiceOptions = VoiceOptions()
    chat: ChatOptions = ChatOptions()
    delay_s: float = 0.6
    spread_s: float = 0.0
    seed: int = 0
    greeting: bool = False
    events: bool = False
    misbehaviours: tuple[Misbehaviour, ...] = ()
    close_code: int = 1011


@attrs.frozen
class ServerOptions:
    """Where it listens and what it leaves behind: agent file, plan and CA certificate go to `out`."""

    host: str = "127.0.0.1"
    port: int = 0
    use_tls: bool = True
    http_first: bool = False
    out: Path = Path("coval-reference")
    stamps: Path | None = None


def contradictions(options: AgentOptions) -> list[str]:
    """What in these options can't be done together, each as a message for people; empty if all is well."""
    return [*_in_common(options), *(_in_voice(options) if options.model_type == VOICE else _in_chat(options))]


def _in_common(options: AgentOptions) -> Iterator[str]:
    if options.spread_s > options.delay_s:
        yield f"expected a spread of at most the delay, {options.delay_s:g}s; got {options.spread_s:g}s"


def _in_voice(options: AgentOptions) -> Iterator[str]:
    voice = options.voice
    soonest_s = options.delay_s - options.spread_s
    if not voice.echo and soonest_s < voice.end_silence_s:
        yield (
            f"expected a delay of at least the end silence, {voice.end_silence_s:g}s, since the agent can't"
            f" know before that the caller has finished; got {soonest_s:g}s (delay less spread); raise"
            " --delay or lower --end-silence"
        )
    if voice.encoding == "mp3" and (voice.binary or voice.mode != "burst" or voice.leading_silence_s):
        yield "expected --mode burst, JSON and no leading silence with --encoding mp3"
    if voice.channels == 2 and (voice.binary or voice.encoding != "pcm"):
        yield "expected one channel unless the audio is PCM in JSON messages"
    spoils_json = {m.kind for m in options.misbehaviours} & {"wrong-type", "bad-path", "bad-base64"}
    if voice.binary and spoils_json:
        yield f"expected JSON audio for --misbehave {', '.join(sorted(spoils_json))}; got --binary"


def _in_chat(options: AgentOptions) -> Iterator[str]:
    kinds = {m.kind for m in options.misbehaviours}
    if kinds & {"no-ready", "no-session-id"} and not options.chat.ready_type:
        yield "expected --ready-message with --misbehave no-ready and no-session-id"
    if "bad-base64" in kinds:
        yield "expected another kind than bad-base64: a chat agent sends no base64"
    if "wrong-type" in kinds and options.chat.message_format == "content":
        yield "expected another kind than wrong-type: messages of the format content have no type"
