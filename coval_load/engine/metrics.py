"""Every metric and counter by name: what is measured, from when to when. `docs/metrics.md` lists the same."""

from typing import Literal

import attrs

QUEUE_TIME = "queue_time"
SETUP_TIME = "setup_time"
CONNECT_TIME = "connect_time"
HANDSHAKE_TIME = "handshake_time"
GREETING_LATENCY = "greeting_latency"
RESPONSE_LATENCY = "response_latency"
TTFB_AUDIO = "ttfb_audio"
LEADING_SILENCE = "leading_silence"
RESPONSE_TIME = "response_time"
TURN_TIME = "turn_time"
TTFT = "ttft"
INTER_CHUNK_LATENCY = "inter_chunk_latency"
BARGE_IN_STOP_LATENCY = "barge_in_stop_latency"
ENDPOINTING_TIME = "endpointing_time"
FIRST_AUDIO_TIME = "first_audio_time"
INTERRUPT_DETECTED_TIME = "interrupt_detected_time"
AUDIO_AFTER_INTERRUPT = "audio_after_interrupt"
RENEWAL_TIME = "renewal_time"
AUDIO_UNDERRUN = "audio_underrun"
PING_TIME = "ping_time"
SEND_LATENESS = "send_lateness"
LOOP_LAG = "loop_lag"
START_LATENESS = "start_lateness"
GC_PAUSE = "gc_pause"
SIMULATION_TIME = "simulation_time"
FIRST_TURNS_LATENCY = "first_turns_latency"
LAST_TURNS_LATENCY = "last_turns_latency"

OFFERED = "offered"
STARTED = "started"
DROPPED = "dropped"
NEVER_STARTED = "never_started"
COMPLETED = "completed"
FAILED = "failed"
CANCELLED = "cancelled"
QUEUED = "queued"
TURNS = "turns"
MESSAGES_SENT = "messages_sent"
MESSAGES_RECEIVED = "messages_received"
MESSAGES_IGNORED = "messages_ignored"
BYTES_SENT = "bytes_sent"
BYTES_RECEIVED = "bytes_received"
FRAMES_SENT = "frames_sent"
FRAMES_SKIPPED = "frames_skipped"
TOOL_CALLS = "tool_calls"
INPUT_TOKENS = "input_tokens"
OUTPUT_TOKENS = "output_tokens"
INPUT_AUDIO_TOKENS = "input_audio_tokens"
OUTPUT_AUDIO_TOKENS = "output_audio_tokens"
CACHED_TOKENS = "cached_tokens"
REPLIES_CANCELLED = "replies_cancelled"
REPLIES_INCOMPLETE = "replies_incomplete"
REPLIES_FAILED = "replies_failed"
REPLIES_WITHOUT_AUDIO = "replies_without_audio"
AGENT_COMPLAINTS = "agent_complaints"
RENEWALS = "renewals"
RATE_LIMIT_WAITS = "rate_limit_waits"
REQUESTS_RESENT = "requests_resent"
RECONNECTS = "reconnects"
CONNECTIONS_RECYCLED = "connections_recycled"
CHECKS_PASSED = "checks_passed"
CHECKS_FAILED = "checks_failed"
ENDED_BY_AGENT = "ended_by_agent"
AGENT_INTERRUPTIONS = "agent_interruptions"
ROWS_LOST = "rows_lost"
SAMPLES_CLAMPED = "samples_clamped"

TWINNED = (
    SETUP_TIME,
    CONNECT_TIME,
    GREETING_LATENCY,
    RESPONSE_LATENCY,
    TTFB_AUDIO,
    RESPONSE_TIME,
    TURN_TIME,
    TTFT,
    BARGE_IN_STOP_LATENCY,
    ENDPOINTING_TIME,
    INTERRUPT_DETECTED_TIME,
    SIMULATION_TIME,
)
"""Measured from an action of ours, so each is measured a second time from when that action was due."""


@attrs.frozen
class Metric:
    """A duration that is recorded many times; `definition` says from when to when."""

    name: str
    definition: str
    unit: Literal["s"] = "s"


@attrs.frozen
class Counter:
    """A number that only grows."""

    name: str
    definition: str
    unit: Literal["1", "bytes"] = "1"


def scheduled(name: str) -> str:
    """The name of the twin of a metric that is one of `TWINNED`."""
    return f"scheduled_{name}"


def _twin(metric: Metric) -> Metric:
    definition = f"as `{metric.name}`, measured from when the action it starts with was due"
    return Metric(scheduled(metric.name), definition)


_MEASURED = (
    Metric(QUEUE_TIME, "simulation due -> its place under the agent's limit was got"),
    Metric(SETUP_TIME, "HTTP-first or initialization request sent -> its answer read"),
    Metric(CONNECT_TIME, "dial -> WebSocket upgrade done; over HTTP: dial of a new connection -> TCP and TLS done"),
    Metric(HANDSHAKE_TIME, "upgrade done -> ready message of the agent"),
    Metric(
        GREETING_LATENCY,
        "handshake done -> first audible sample, or first text, of an agent that speaks first",
    ),
    Metric(
        RESPONSE_LATENCY,
        "voice: the caller's last audible sample was due -> first audible sample of the agent; "
        "chat: message sent -> first text; over HTTP: of a reply that is not streamed, all of it",
    ),
    Metric(
        TTFB_AUDIO,
        "the caller's last audible sample was due -> arrival of the agent's first audio, audible or not",
    ),
    Metric(LEADING_SILENCE, "arrival of the agent's first audio -> its first audible sample"),
    Metric(RESPONSE_TIME, "message sent -> last text of the reply, the quiet period not counted"),
    Metric(TURN_TIME, "start of the caller's turn -> end of the agent's"),
    Metric(TTFT, "request sent -> first non-empty content of a streamed reply"),
    Metric(INTER_CHUNK_LATENCY, "a non-empty chunk of a streamed reply -> the next one"),
    Metric(BARGE_IN_STOP_LATENCY, "onset of the caller over the agent -> last audible sample of the agent"),
    Metric(
        ENDPOINTING_TIME,
        "the caller's last audible sample was due -> the agent says that the caller's speech is over",
    ),
    Metric(FIRST_AUDIO_TIME, "the agent says that the caller's speech is over -> arrival of its first audio"),
    Metric(INTERRUPT_DETECTED_TIME, "onset of the caller over the agent -> the agent says that it hears the caller"),
    Metric(AUDIO_AFTER_INTERRUPT, "how much audio of the reply still arrived after the agent said so"),
    Metric(RENEWAL_TIME, "dial of the connection over which a conversation goes on -> ready message on it"),
    Metric(AUDIO_UNDERRUN, "longest time a player would have run dry within one turn of the agent"),
    Metric(PING_TIME, "WebSocket ping sent -> its pong"),
    Metric(SEND_LATENESS, "a frame was due -> it was handed to the kernel"),
    Metric(LOOP_LAG, "a wake-up of the generator was due -> it came"),
    Metric(START_LATENESS, "a simulation of an open load was due -> the generator turned to it"),
    Metric(GC_PAUSE, "Python's garbage collector stopped the generator -> it went on"),
    Metric(SIMULATION_TIME, "dial -> closed"),
    Metric(FIRST_TURNS_LATENCY, "`response_latency` in the first quarter of conversations of eight turns and more"),
    Metric(LAST_TURNS_LATENCY, "`response_latency` in the last quarter of the same conversations"),
)

METRICS = {
    metric.name: metric for metric in (*_MEASURED, *(_twin(metric) for metric in _MEASURED if metric.name in TWINNED))
}
"""Every metric by its name, twins included."""

OF_THE_GENERATOR = frozenset({SEND_LATENESS, LOOP_LAG, START_LATENESS, GC_PAUSE})
"""Metrics of the process, not of one simulation: they can't be told apart by agent or scenario."""

SIMULATION_COUNTS = {
    counter.name: counter
    for counter in (
        Counter(OFFERED, "simulations that were due"),
        Counter(STARTED, "simulations that dialled"),
        Counter(DROPPED, "simulations that were due, could not start, and were left out, as the plan says"),
        Counter(NEVER_STARTED, "simulations that still waited for a place when the run ended"),
        Counter(COMPLETED, "simulations that went through all their turns"),
        Counter(FAILED, "simulations that ended in an error; `errors` counts them by kind"),
        Counter(CANCELLED, "simulations that the end of the run cut off"),
    )
}
"""What stands under `counts` in `summary.json`."""

COUNTERS = {
    counter.name: counter
    for counter in (
        Counter(QUEUED, "simulations that had to wait for a place when they were due"),
        Counter(TURNS, "turns that the caller took"),
        Counter(MESSAGES_SENT, "messages sent, frames of audio and HTTP requests included"),
        Counter(MESSAGES_RECEIVED, "messages received, frames of audio and HTTP answers included"),
        Counter(MESSAGES_IGNORED, "readable messages that the agent's options give no meaning to"),
        Counter(BYTES_SENT, "bytes of messages sent, before WebSocket framing and TLS", "bytes"),
        Counter(BYTES_RECEIVED, "bytes of messages received, after WebSocket framing and TLS", "bytes"),
        Counter(FRAMES_SENT, "frames of the caller's audio handed to the kernel"),
        Counter(FRAMES_SKIPPED, "frames so late that they were left out"),
        Counter(AGENT_INTERRUPTIONS, "times the agent became audible while the caller still spoke"),
        Counter(ENDED_BY_AGENT, "conversations that the agent ended before the caller's last turn"),
        Counter(TOOL_CALLS, "tool calls that the agent made"),
        Counter(INPUT_TOKENS, "tokens that the agent says it read"),
        Counter(OUTPUT_TOKENS, "tokens that the agent says it wrote"),
        Counter(INPUT_AUDIO_TOKENS, "of `input_tokens`, those of audio"),
        Counter(OUTPUT_AUDIO_TOKENS, "of `output_tokens`, those of audio"),
        Counter(CACHED_TOKENS, "of `input_tokens`, those that came from the provider's cache"),
        Counter(REPLIES_CANCELLED, "replies that the agent broke off, as when it is interrupted"),
        Counter(REPLIES_INCOMPLETE, "replies that ended at a limit of the agent's or its provider's"),
        Counter(REPLIES_FAILED, "replies that ended in an error of the agent's"),
        Counter(REPLIES_WITHOUT_AUDIO, "replies of voice agents that were complete and held no audio"),
        Counter(AGENT_COMPLAINTS, "errors that the agent reported and after which it went on"),
        Counter(RENEWALS, "connections replaced by another, over which the conversation went on"),
        Counter(RATE_LIMIT_WAITS, "answers with status 429 that were waited out, as `honor_retry_after` asks"),
        Counter(REQUESTS_RESENT, "requests sent again because the agent had closed the idle connection"),
        Counter(RECONNECTS, "dials that were tried again, as `reconnect` of the plan allows"),
        Counter(CONNECTIONS_RECYCLED, "idle HTTP connections replaced for their age (`connections.most_age`)"),
        Counter(CHECKS_PASSED, "checks of test cases that a conversation passed"),
        Counter(CHECKS_FAILED, "checks of test cases that a conversation failed"),
        Counter(ROWS_LOST, "lines of `simulations.jsonl` and `timeline.jsonl` that the disk did not take"),
        Counter(SAMPLES_CLAMPED, "measurements above one hour, kept as one hour, or not a number, left out"),
    )
}
"""What stands under `counters` in `summary.json`."""
