"""The command line of a reference agent, the same for `coval-load reference-agent` and `python -m`."""

import os
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import attrs
import click
import trio

from coval_load.limits import parse_duration
from coval_load.reference.contradictions import contradictions
from coval_load.reference.misbehaviour import Misbehaviour, kinds_in_words
from coval_load.reference.model_types import MODEL_TYPE
from coval_load.reference.options import (
    A2AOptions,
    AgentOptions,
    ChatOptions,
    HttpChatOptions,
    RealtimeOptions,
    ServerOptions,
    StreamOptions,
    VoiceOptions,
)
from coval_load.reference.run import Announcement, run_reference_agent

API_HELP = "HTTP chat: which of its endpoints the agent file is for."
REPLY_IN = click.Choice(["message", "task", "artifact"])
STATES = click.Choice(["completed", "input-required"])
TOOL_HELP = "HTTP chat, realtime: tool calls before each reply."
REPLIES_HELP = "Realtime: what turns end in; repeatable: in turn."
STATUS_HELP = "Realtime: how replies end; repeatable: in turn."
DETECTION_HELP = "Realtime: what the agent file says; none: the caller says when a turn is over."
REPLIES = click.Choice(["audio", "text", "nothing"])
STATUSES = click.Choice(["completed", "incomplete", "failed", "cancelled"])
DETECTION = click.Choice(["server_vad", "semantic_vad", "none"])
API_VERSIONS = click.Choice(["v1", "v1beta"])
ENCODINGS = click.Choice(["pcm", "ulaw", "alaw", "mp3"])
RATES = click.Choice(["8000", "16000", "24000", "48000"])


def duration(value: str | float) -> float:
    """`300ms`, `2s`, `10m`, `8h` -> seconds. Raises `click.BadParameter`."""
    if isinstance(value, float):
        return value
    seconds = parse_duration(value)
    if seconds is None:
        raise click.BadParameter(f"expected a duration such as 300ms, 2s or 10m; got {value!r}")
    return seconds


def duration_if_any(value: str | float | None) -> float | None:
    """As `duration`; None where none is given."""
    return None if value is None else duration(value)


def misbehaviour(value: str | Misbehaviour) -> Misbehaviour:
    """Reads `KIND` or `KIND:SHARE`. Raises `click.BadParameter`."""
    if isinstance(value, Misbehaviour):
        return value
    try:
        return Misbehaviour.parse(value)
    except ValueError as wrong:
        raise click.BadParameter(str(wrong)) from None


_Options = TypeVar(
    "_Options",
    AgentOptions,
    VoiceOptions,
    ChatOptions,
    StreamOptions,
    HttpChatOptions,
    A2AOptions,
    RealtimeOptions,
    ServerOptions,
)


@click.command("reference-agent", context_settings={"show_default": True})
@click.option("--model-type", type=MODEL_TYPE, default="voice", help="What kind of agent it is.")
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on; 0: any free one.")
@click.option("--tls/--no-tls", "use_tls", default=True, help="TLS with a CA of its own, or none.")
@click.option("--http-first", is_flag=True, help="WebSocket: the agent file sets up over HTTP first.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default="coval-reference", help="Where its files go."
)
@click.option("--stamps", type=click.Path(path_type=Path, dir_okay=False), help="Write what it knows here (JSONL).")
@click.option("--json", "as_json", is_flag=True, help="Announce itself as one line of JSON.")
@click.option("--cpu", type=click.IntRange(0), help="Run on this processor only.")
@click.option("--delay", "delay_s", type=duration, default="600ms", help="From the caller's turn to the answer.")
@click.option("--spread", "spread_s", type=duration, default="0ms", help="The delay varies by as much, both ways.")
@click.option("--seed", type=int, default=0, help="The same seed varies the delay in the same way.")
@click.option("--greeting", is_flag=True, help="WebSocket: speak first.")
@click.option("--events", is_flag=True, help="WebSocket: send a cart_update message in each turn.")
@click.option(
    "--misbehave",
    "misbehaviours",
    type=misbehaviour,
    multiple=True,
    metavar="KIND[:SHARE]",
    help="Repeatable; SHARE, 0..1, of connections, or of requests over HTTP. " + kinds_in_words(),
)
@click.option("--close-code", type=click.IntRange(1000, 4999), default=1011, help="For --misbehave wrong-close.")
@click.option("--caller-rate", "caller_rate_hz", type=RATES, default="16000", help="Voice: Hz of what callers send.")
@click.option("--agent-rate", "agent_rate_hz", type=RATES, default="24000", help="Voice: Hz of what it sends.")
@click.option("--end-silence", "end_silence_s", type=duration, default="300ms", help="Voice: ends a caller's turn.")
@click.option("--leading-silence", "leading_silence_s", type=duration, default="0ms", help="Voice: before speech.")
@click.option("--mode", type=click.Choice(["burst", "fast", "paced"]), default="burst", help="Voice: pace of audio.")
@click.option("--speed", type=click.FloatRange(1.0), default=3.0, help="Voice: times real time in mode fast.")
@click.option("--message-ms", type=click.IntRange(5, 60_000), help="Voice: audio in a message.  [100; paced: 20]")
@click.option("--encoding", type=ENCODINGS, default="pcm", help="Voice: of its audio.")
@click.option("--binary/--json-audio", default=False, help="Voice: audio as binary messages or as JSON.")
@click.option("--channels", type=click.IntRange(1, 2), default=1, help="Voice: 2 sends interleaved stereo.")
@click.option("--reply-seconds", "reply_s", type=click.FloatRange(0.05), help="Voice: cut or loop replies to this.")
@click.option("--brief", is_flag=True, help="Voice: have less to say to a caller's first turn.")
@click.option("--yields/--ignores-barge-in", default=True, help="Voice: stop when the caller speaks over it.")
@click.option("--echo", is_flag=True, help="Voice: send each audio message back at once, do nothing else.")
@click.option(
    "--message-format", type=click.Choice(["type", "content"]), default="type", help="WebSocket chat: JSON shape."
)
@click.option("--messages", type=click.IntRange(1, 100), default=1, help="WebSocket chat: parts of a reply.")
@click.option("--gap", "gap_s", type=duration, default="50ms", help="WebSocket chat: between the parts.")
@click.option("--echoes", is_flag=True, help="WebSocket chat: send callers' messages back, too.")
@click.option("--ready-message", "ready_type", help="WebSocket chat: type of a ready message.  [none is sent]")
@click.option("--stream/--no-stream", default=None, help="HTTP: what the agent file says.  [nothing]")
@click.option("--chunks", type=click.IntRange(1, 10_000), default=5, help="HTTP: pieces of a streamed reply.")
@click.option("--chunk-gap", "chunk_gap_s", type=duration, default="20ms", help="HTTP: between the pieces.")
@click.option("--api", type=click.Choice(["standard", "openai", "responses"]), default="standard", help=API_HELP)
@click.option("--initialization", is_flag=True, help="HTTP chat: only within a session that was set up before.")
@click.option("--template", is_flag=True, help="HTTP chat: JSON that only the templates of the agent file fit.")
@click.option("--tool-rounds", type=click.IntRange(0, 100), default=0, help=TOOL_HELP)
@click.option("--ends-after", type=click.IntRange(1), help="HTTP chat: turn with which it ends the chat.  [none]")
@click.option("--a2a-version", "protocol_version", type=click.Choice(["0.3", "1.0"]), default="0.3", help="A2A.")
@click.option("--a2a-reply", "reply_in", type=REPLY_IN, default="message", help="A2A: where the reply stands.")
@click.option("--a2a-state", "final_state", type=STATES, default="completed", help="A2A: of a task with a reply.")
@click.option("--a2a-pending", "pending", type=click.IntRange(0), default=0, help="A2A: times to ask for a task.")
@click.option("--oauth", is_flag=True, help="A2A: ask for a token that it gives for client credentials.")
@click.option("--replies", type=REPLIES, multiple=True, default=("audio",), help=REPLIES_HELP)
@click.option(
    "--reply-status", "reply_statuses", type=STATUSES, multiple=True, default=("completed",), help=STATUS_HELP
)
@click.option("--transcripts/--no-transcripts", default=True, help="Realtime: of both sides.")
@click.option("--complaints", is_flag=True, help="Realtime: an error that ends nothing in each turn.")
@click.option("--requests-limit", type=click.IntRange(1), help="Realtime: replies until a rate limit.  [none]")
@click.option("--session-limit", "session_limit_s", type=duration_if_any, help="Realtime: ends a connection.  [none]")
@click.option("--go-away-after", "go_away_after_s", type=duration_if_any, help="Gemini Live: says so before.  [never]")
@click.option("--resumption/--no-resumption", default=True, help="Gemini Live: give handles to go on with.")
@click.option("--turn-detection", type=DETECTION, default="server_vad", help=DETECTION_HELP)
@click.option("--api-version", type=API_VERSIONS, default="v1", help="Gemini Live: what the agent file says.")
@click.option("--voice-activity", is_flag=True, help="Gemini Live: tell when the caller is heard.")
@click.option("--text-frames/--binary-frames", default=False, help="Gemini Live: how it sends its JSON.")
@click.option("--sole-connection", is_flag=True, help="Gemini Live: resume a session only when its connection ended.")
def reference_agent(cpu: int | None, as_json: bool, **given: Any) -> None:
    """Run a reference agent until interrupted.

    It writes an agent file, a CA file and a plan into --out; `coval-load run` takes them as they are.

    Example: coval-load reference-agent --model-type chat --api openai --delay 200ms
    """
    options, server = read_options(given)
    wrong = contradictions(options)
    if wrong:
        raise click.UsageError("; ".join(wrong))
    if cpu is not None:
        _pin(cpu)
    sets_up = server.http_first or options.http_chat.initialization or options.a2a.oauth
    announce = _announce_as_json if as_json else partial(_announce, sets_up=sets_up)
    try:
        trio.run(run_reference_agent, options, server, announce)
    except OSError as failed:
        raise click.UsageError(
            f"expected to listen on {server.host} port {server.port} and to write into {server.out}; {failed};"
            " choose another --host, --port or --out"
        ) from None


def read_options(given: dict[str, Any]) -> tuple[AgentOptions, ServerOptions]:
    """The options of a parsed command line, by the names of the command's parameters."""
    given = dict(given)
    given["message_s"] = (given.pop("message_ms") or (20 if given["mode"] == "paced" else 100)) / 1000
    for rate in ("caller_rate_hz", "agent_rate_hz"):
        given[rate] = int(given[rate])
    parts = {
        "voice": _pick(VoiceOptions, given),
        "chat": _pick(ChatOptions, given),
        "streaming": _pick(StreamOptions, given),
        "http_chat": _pick(HttpChatOptions, given),
        "a2a": _pick(A2AOptions, given),
        "realtime": _pick(RealtimeOptions, given),
    }
    return _pick(AgentOptions, given | parts), _pick(ServerOptions, given)


def _pick(options: type[_Options], given: dict[str, Any]) -> _Options:
    return options(**{name: given[name] for name in attrs.fields_dict(options) if name in given})


def _pin(cpu: int) -> None:
    if not hasattr(os, "sched_setaffinity"):
        raise click.UsageError("--cpu: this system cannot tie a process to a processor; leave it out")
    try:
        os.sched_setaffinity(0, {cpu})
    except OSError:
        raise click.UsageError(f"--cpu: expected a processor this machine has; got {cpu}") from None


def _announce_as_json(announcement: Announcement) -> None:
    click.echo(announcement.to_json())


def _announce(announcement: Announcement, *, sets_up: bool) -> None:
    click.echo(f"reference agent at {announcement.endpoint} (interrupt to stop it)")
    if sets_up:
        click.echo(f"set up over HTTP with POST {announcement.setup_url}")
    click.echo(
        f"its agent file: {announcement.agent_file}\nnow run, in another terminal:\n"
        f"  coval-load check {announcement.plan_file} --dial\n  coval-load run {announcement.plan_file}"
    )
