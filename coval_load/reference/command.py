"""The command line of a reference agent, the same for `coval-load reference-agent` and `python -m`."""

import os
from pathlib import Path
from typing import Any, TypeVar

import attrs
import click
import trio

from coval_load.limits import parse_duration
from coval_load.reference.misbehaviour import KINDS, Misbehaviour
from coval_load.reference.model_types import MODEL_TYPE
from coval_load.reference.options import (
    VOICE,
    AgentOptions,
    ChatOptions,
    ServerOptions,
    VoiceOptions,
    contradictions,
)
from coval_load.reference.run import Announcement, run_reference_agent

RATES = click.Choice(["8000", "16000", "24000", "48000"])


def duration(value: str | float) -> float:
    """`300ms`, `2s`, `10m`, `8h` -> seconds. Raises `click.BadParameter`."""
    if isinstance(value, float):
        return value
    seconds = parse_duration(value)
    if seconds is None:
        raise click.BadParameter(f"expected a duration such as 300ms, 2s or 10m; got {value!r}")
    return seconds


def misbehaviour(value: str | Misbehaviour) -> Misbehaviour:
    """Reads `KIND` or `KIND:SHARE`. Raises `click.BadParameter`."""
    if isinstance(value, Misbehaviour):
        return value
    try:
        return Misbehaviour.parse(value)
    except ValueError as wrong:
        raise click.BadParameter(str(wrong)) from None


_Options = TypeVar("_Options", AgentOptions, VoiceOptions, ChatOptions, ServerOptions)


@click.command("reference-agent", context_settings={"show_default": True})
@click.option("--model-type", type=MODEL_TYPE, default=VOICE, help="What kind of agent it is.")
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on; 0: any free one.")
@click.option("--tls/--no-tls", "use_tls", default=True, help="wss:// with a CA of its own, or ws://.")
@click.option("--http-first", is_flag=True, help="Write an agent file that sets a session up over HTTP first.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default="coval-reference")
@click.option("--stamps", type=click.Path(path_type=Path, dir_okay=False), help="Write what it knows here (JSONL).")
@click.option("--json", "as_json", is_flag=True, help="Announce itself as one line of JSON.")
@click.option("--cpu", type=click.IntRange(0), help="Run on this processor only.")
@click.option("--delay", "delay_s", type=duration, default="600ms", help="From the caller's turn to the answer.")
@click.option("--spread", "spread_s", type=duration, default="0ms", help="The delay varies by as much, both ways.")
@click.option("--seed", type=int, default=0, help="The same seed varies the delay in the same way.")
@click.option("--greeting", is_flag=True, help="Speak first.")
@click.option("--events", is_flag=True, help="Send a cart_update message in each turn.")
@click.option(
    "--misbehave",
    "misbehaviours",
    type=misbehaviour,
    multiple=True,
    help=f"One of {', '.join(sorted(KINDS))}; repeatable; SHARE of connections: 0..1.",
)
@click.option("--close-code", type=click.IntRange(1000, 4999), default=1011, help="For --misbehave wrong-close.")
@click.option("--caller-rate", "caller_rate_hz", type=RATES, default="16000", help="Voice: Hz of what callers send.")
@click.option("--agent-rate", "agent_rate_hz", type=RATES, default="24000", help="Voice: Hz of what it sends.")
@click.option("--end-silence", "end_silence_s", type=duration, default="300ms", help="Voice: ends a caller's turn.")
@click.option("--leading-silence", "leading_silence_s", type=duration, default="0ms", help="Voice: before speech.")
@click.option("--mode", type=click.Choice(["burst", "fast", "paced"]), default="burst", help="Voice: pace of audio.")
@click.option("--speed", type=click.FloatRange(1.0), default=3.0, help="Voice: times real time in mode fast.")
@click.option("--message-ms", type=click.IntRange(5, 60_000), help="Voice: audio in a message.  [100; paced: 20]")
@click.option("--encoding", type=click.Choice(["pcm", "ulaw", "mp3"]), default="pcm", help="Voice: of its audio.")
@click.option("--binary/--json-audio", default=False, help="Voice: audio as binary messages or as JSON.")
@click.option("--channels", type=click.IntRange(1, 2), default=1, help="Voice: 2 sends interleaved stereo.")
@click.option("--reply-seconds", "reply_s", type=click.FloatRange(0.05), help="Voice: cut or loop replies to this.")
@click.option("--yields/--ignores-barge-in", default=True, help="Voice: stop when the caller speaks over it.")
@click.option("--echo", is_flag=True, help="Voice: send each audio message back at once, do nothing else.")
@click.option("--message-format", type=click.Choice(["type", "content"]), default="type", help="Chat: JSON shape.")
@click.option("--messages", type=click.IntRange(1, 100), default=1, help="Chat: parts of a reply.")
@click.option("--gap", "gap_s", type=duration, default="50ms", help="Chat: between the parts of a reply.")
@click.option("--echoes", is_flag=True, help="Chat: send callers' messages back, with a direction on all.")
@click.option("--ready-message", "ready_type", help="Chat: type of a ready message.  [none is sent]")
def reference_agent(cpu: int | None, as_json: bool, **given: Any) -> None:
    """Run a reference agent until interrupted.

    It writes an agent file, a CA file and a plan into --out; `coval-load run` takes them as they are.

    Example: coval-load reference-agent --model-type MODEL_TYPE_CHAT_WEBSOCKET --delay 200ms
    """
    options, server = read_options(given)
    wrong = contradictions(options)
    if wrong:
        raise click.UsageError("; ".join(wrong))
    if cpu is not None:
        _pin(cpu)
    announce = _announce_as_json if as_json else _announce
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
    voice, chat = _pick(VoiceOptions, given), _pick(ChatOptions, given)
    return _pick(AgentOptions, given | {"voice": voice, "chat": chat}), _pick(ServerOptions, given)


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


def _announce(announcement: Announcement) -> None:
    click.echo(f"reference agent at {announcement.endpoint} (interrupt to stop it)")
    click.echo(f"set up over HTTP with POST {announcement.setup_url}")
    click.echo(f"now run, in another terminal:\n  coval-load run {announcement.plan_file}")
