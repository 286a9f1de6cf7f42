"""How a reference agent behaves. All durations are in seconds, all rates in Hz."""

from pathlib import Path

import attrs

from coval_load.reference.misbehaviour import Misbehaviour


@attrs.frozen
class VoiceOptions:
    """What only a voice agent does.

    `mode`: `burst` sends a reply at once, `fast` at `speed` times real time, `paced` in real time.
    `message_s` is how much audio one message holds. `reply_s` cuts or loops the reply to that length; None
    leaves it. An agent that is `brief` has less to say to a first turn. `end_silence_s` of silence tell the agent
    that the caller has finished.
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
    brief: bool = False
    yields: bool = True
    echo: bool = False


@attrs.frozen
class ChatOptions:
    """What only a chat agent over WebSocket does. `ready_type` is its ready message's type; None: it sends none."""

    message_format: str = "type"
    messages: int = 1
    gap_s: float = 0.05
    echoes: bool = False
    ready_type: str | None = None


@attrs.frozen
class StreamOptions:
    """How agents over HTTP stream: a reply in `chunks` pieces, `chunk_gap_s` between them.

    `stream` is what the agent file says about it; None: nothing. An agent streams where a request asks for it.
    """

    chunks: int = 5
    chunk_gap_s: float = 0.02
    stream: bool | None = None


@attrs.frozen
class HttpChatOptions:
    """What only a chat agent over HTTP does.

    `api` is the one its agent file is for: `standard`, `openai` or `responses`; the last two need a Bearer
    token. With `initialization` it takes chats only in a session that it set up before. With `template` it has
    JSON shapes of its own. In each turn it calls a tool `tool_rounds` times before it answers, and with turn
    `ends_after` (None: never) it ends the conversation.
    """

    api: str = "standard"
    initialization: bool = False
    template: bool = False
    tool_rounds: int = 0
    ends_after: int | None = None


@attrs.frozen
class A2AOptions:
    """What only an A2A agent does.

    `reply_in` is where its reply stands: `message`, `task` (in its status) or `artifact`; `final_state` the state
    a task is in with it: `completed` or `input-required`. A task is `working` until it was asked for `pending`
    times. With `oauth` it takes messages only with a token that it gave out before.
    """

    protocol_version: str = "0.3"
    reply_in: str = "message"
    final_state: str = "completed"
    pending: int = 0
    oauth: bool = False


@attrs.frozen
class RealtimeOptions:
    """What only a realtime agent (OpenAI Realtime, Gemini Live) does.

    `replies` are what turns end in: `audio`, `text` or `nothing`, and `reply_statuses` how its replies end:
    `completed`, `incomplete`, `failed` or `cancelled`; each in turn, over again. It calls a tool `tool_rounds` times
    before each reply. With `complaints` it reports an error that ends nothing in each turn. After `requests_limit`
    replies of a connection it has reached a rate limit. A connection ends after `session_limit_s`, and
    `go_away_after_s` is when Gemini says so before; it gives handles to go on with if there is `resumption`.
    `transcripts` are those of both sides. `turn_detection` and `api_version` are what the agent file says.

    Of Gemini alone: with `voice_activity` it tells when it hears the caller begin and stop; `text_frames` are what it
    sends instead of binary ones; with `sole_connection` it takes up a session only after its last connection ended.
    """

    replies: tuple[str, ...] = ("audio",)
    reply_statuses: tuple[str, ...] = ("completed",)
    tool_rounds: int = 0
    transcripts: bool = True
    complaints: bool = False
    requests_limit: int | None = None
    session_limit_s: float | None = None
    go_away_after_s: float | None = None
    resumption: bool = True
    turn_detection: str = "server_vad"
    api_version: str = "v1"
    voice_activity: bool = False
    text_frames: bool = False
    sole_connection: bool = False

    def reply_kind(self, turn: int) -> str:
        """What turn `turn`, from 1, ends in."""
        return self.replies[(turn - 1) % len(self.replies)]

    def reply_status(self, turn: int) -> str:
        """How the reply to turn `turn`, from 1, ends."""
        return self.reply_statuses[(turn - 1) % len(self.reply_statuses)]


@attrs.frozen
class AgentOptions:
    """What every reference agent does: it answers `delay_s` +- `spread_s` after the caller's turn."""

    model_type: str
    voice: VoiceOptions = VoiceOptions()
    chat: ChatOptions = ChatOptions()
    streaming: StreamOptions = StreamOptions()
    http_chat: HttpChatOptions = HttpChatOptions()
    a2a: A2AOptions = A2AOptions()
    realtime: RealtimeOptions = RealtimeOptions()
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
