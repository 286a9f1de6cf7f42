"""Which options of a reference agent can't be had together."""

from collections.abc import Callable, Iterator, Mapping

from coval_load.reference.misbehaviour import AT_SETUP, KINDS_OF
from coval_load.reference.model_types import (
    CHAT,
    CHAT_A2A,
    CHAT_WEBSOCKET,
    GEMINI_REALTIME,
    OPENAI_REALTIME,
    OVER_HTTP,
    VOICE,
)
from coval_load.reference.options import AgentOptions


def contradictions(options: AgentOptions) -> list[str]:
    """What in these options can't be done together, each as a message for people; empty if all is well."""
    return [*_in_common(options), *_CHECKS[options.model_type](options)]


def _in_common(options: AgentOptions) -> Iterator[str]:
    if options.spread_s > options.delay_s:
        yield f"expected a spread of at most the delay, {options.delay_s:g}s; got {options.spread_s:g}s"
    possible = KINDS_OF[options.model_type]
    for kind in sorted(_kinds(options) - possible):
        yield f"expected with {options.model_type} a --misbehave of {', '.join(sorted(possible))}; got {kind}"
    if options.model_type in OVER_HTTP and options.greeting:
        yield f"expected no --greeting with {options.model_type}: an agent over HTTP can't speak first"


def _kinds(options: AgentOptions) -> set[str]:
    return {m.kind for m in options.misbehaviours}


def _in_voice(options: AgentOptions) -> Iterator[str]:
    voice = options.voice
    if not voice.echo:
        yield from _too_soon(options)
    if voice.encoding == "alaw":
        yield "expected another --encoding than alaw: only OpenAI Realtime speaks it"
    if voice.encoding == "mp3" and (voice.binary or voice.mode != "burst" or voice.leading_silence_s):
        yield "expected --mode burst, JSON and no leading silence with --encoding mp3"
    if voice.channels == 2 and (voice.binary or voice.encoding != "pcm"):
        yield "expected one channel unless the audio is PCM in JSON messages"
    spoils_json = _kinds(options) & {"wrong-type", "bad-path", "bad-base64"}
    if voice.binary and spoils_json:
        yield f"expected JSON audio for --misbehave {', '.join(sorted(spoils_json))}; got --binary"


def _too_soon(options: AgentOptions) -> Iterator[str]:
    end_silence_s, soonest_s = options.voice.end_silence_s, options.delay_s - options.spread_s
    if soonest_s < end_silence_s:
        yield (
            f"expected a delay of at least the end silence, {end_silence_s:g}s, since the agent can't"
            f" know before that the caller has finished; got {soonest_s:g}s (delay less spread); raise"
            " --delay or lower --end-silence"
        )


def _in_realtime(options: AgentOptions) -> Iterator[str]:
    voice, realtime = options.voice, options.realtime
    if realtime.turn_detection != "none":
        yield from _too_soon(options)
    if voice.echo or voice.binary or voice.channels != 1:
        yield "expected no --echo, --binary or second channel: realtime APIs send mono audio in JSON"
    limit_s, away_s = realtime.session_limit_s, realtime.go_away_after_s
    if limit_s is not None and away_s is not None and away_s >= limit_s:
        yield f"expected --go-away-after before the --session-limit, {limit_s:g}s; got {away_s:g}s"


def _in_openai_realtime(options: AgentOptions) -> Iterator[str]:
    yield from _in_realtime(options)
    if options.voice.encoding == "mp3":
        yield "expected --encoding pcm, ulaw or alaw: OpenAI Realtime sends no mp3"
    if options.realtime.go_away_after_s is not None:
        yield "expected no --go-away-after: OpenAI Realtime does not say when it ends a connection"


def _in_gemini_realtime(options: AgentOptions) -> Iterator[str]:
    yield from _in_realtime(options)
    if options.voice.encoding != "pcm":
        yield f"expected --encoding pcm: Gemini Live sends nothing else; got {options.voice.encoding}"
    if options.realtime.turn_detection == "semantic_vad":
        yield "expected --turn-detection server_vad or none: Gemini Live has no semantic_vad"


def _in_websocket_chat(options: AgentOptions) -> Iterator[str]:
    kinds = _kinds(options)
    if kinds & {"no-ready", "no-session-id"} and not options.chat.ready_type:
        yield "expected --ready-message with --misbehave no-ready and no-session-id"
    if "wrong-type" in kinds and options.chat.message_format == "content":
        yield "expected another kind than wrong-type: messages of the format content have no type"


def _in_http_chat(options: AgentOptions) -> Iterator[str]:
    chat, stream, kinds = options.http_chat, options.streaming.stream, _kinds(options)
    if kinds & AT_SETUP and not chat.initialization:
        yield "expected --initialization with --misbehave setup-500 and setup-garbage"
    if chat.template and chat.api != "standard":
        yield f"expected --api standard with --template; got {chat.api}"
    if chat.template and stream:
        yield "expected --no-stream with --template: JSON of a shape of its own comes in one piece"
    if chat.template and "empty-choice" in kinds:
        yield "expected another kind than empty-choice: answers of a shape of their own have no choices"
    streams = chat.api != "standard" if stream is None else stream
    if "half-stream" in kinds and not streams:
        yield "expected --stream with --misbehave half-stream"


def _in_a2a(options: AgentOptions) -> Iterator[str]:
    a2a, kinds = options.a2a, _kinds(options)
    if kinds & AT_SETUP and not a2a.oauth:
        yield "expected --oauth with --misbehave setup-500 and setup-garbage"
    if a2a.reply_in == "message" and (a2a.pending or a2a.final_state != "completed"):
        yield "expected --a2a-reply task or artifact with --a2a-pending and --a2a-state: a message has no task"
    if "half-stream" in kinds and not options.streaming.stream:
        yield "expected --stream with --misbehave half-stream"


_CHECKS: Mapping[str, Callable[[AgentOptions], Iterator[str]]] = {
    VOICE: _in_voice,
    CHAT_WEBSOCKET: _in_websocket_chat,
    CHAT: _in_http_chat,
    CHAT_A2A: _in_a2a,
    OPENAI_REALTIME: _in_openai_realtime,
    GEMINI_REALTIME: _in_gemini_realtime,
}
