"""The caller's side of a Gemini Live conversation: when it begins to speak, and when a turn of it is over."""

import math
from collections.abc import AsyncIterator

import attrs
import trio

from coval_load.reference.line import Line
from coval_load.reference.options import AgentOptions
from coval_load.reference.realtime.ears import Ears, Edge, SpeechStarted
from coval_load.reference.realtime.gemini_fields import invalid
from coval_load.reference.realtime.gemini_reading import (
    RATE_HZ,
    ActivityEnded,
    ActivityStarted,
    AudioCame,
    AudioEnded,
    ContentCame,
    Input,
    MediaCame,
    TextCame,
    ToolAnswered,
    read_inputs,
)
from coval_load.reference.realtime.gemini_sending import Sender
from coval_load.reference.realtime.gemini_setup import SetUp
from coval_load.reference.realtime.gemini_wording import voice_activity

Messages = AsyncIterator[tuple[float, str | bytes]]
"""What a caller sends, each with the time at which it came."""


@attrs.frozen
class Prompt:
    """Something to answer: a turn of the caller's whose last audible sample was over at `ended_at`.

    `seconds` is how long it spoke, `text` what it wrote instead. Turn 0: nothing, the agent is to speak first.
    """

    turn: int
    ended_at: float
    seconds: float = 0.0
    text: str = ""


class Turns:
    """Takes what the caller sends, and hands on its turns as `prompts`.

    `stop` is set when the caller begins something while `is_replying` and the agent yields. `waits_for` are the ids
    of tool calls without a result; `has_results` is set when there is none left.
    """

    def __init__(self, line: Line, sender: Sender, setup: SetUp, options: AgentOptions) -> None:
        self.stop = trio.Event()
        self.is_replying = False
        self.waits_for: set[str] = set()
        self.has_results = trio.Event()
        self._give, self.prompts = trio.open_memory_channel[Prompt](math.inf)
        self._line = line
        self._sender = sender
        self._setup = setup
        self._yields = setup.interrupts and options.voice.yields
        self._tells = options.realtime.voice_activity
        self._end_silence_s = options.voice.end_silence_s if setup.silence_s is None else setup.silence_s
        self._rate_hz = RATE_HZ
        self._ears = self._new_ears()
        self._began_s = 0.0
        self._activity_began: float | None = None
        self._cancelled: set[str] = set()
        self._awaits_history = setup.tells_history

    async def listen(self, messages: Messages) -> None:
        """Takes them until the connection ends. Raises `Refused` where the API ends it."""
        async for at, message in messages:
            for taken in read_inputs(message):
                await self._take(taken, at)

    async def _take(self, taken: Input, at: float) -> None:
        match taken:
            case AudioCame(pcm, rate_hz):
                await self._hear(pcm, rate_hz, at)
            case AudioEnded():
                await self._end_stream()
            case ActivityStarted():
                self._start_activity(at)
            case ActivityEnded():
                self._end_activity(at)
            case TextCame(text):
                self._take_text(text, at)
            case ContentCame():
                self._take_content(taken, at)
            case ToolAnswered(call_id):
                self._take_result(call_id, at)
            case MediaCame(mime_type):
                self._line.stamp("message_in", at, kind=mime_type)

    async def _hear(self, pcm: bytes, rate_hz: int, at: float) -> None:
        if rate_hz != self._rate_hz:
            self._rate_hz = rate_hz
            self._ears = self._new_ears()
        if self._setup.is_automatic:
            for edge in self._ears.hear(pcm, at):
                await self._take_edge(edge)
        elif self._activity_began is not None:
            for edge in self._ears.hear(pcm, at):
                self._began_s = edge.offset_s
                self._line.stamp("heard_start", edge.at)

    def _new_ears(self) -> Ears:
        return Ears(self._rate_hz, "pcm", self._end_silence_s if self._setup.is_automatic else math.inf)

    async def _end_stream(self) -> None:
        if not self._setup.is_automatic:
            raise invalid("audioStreamEnd is only supported when automatic activity detection is enabled.")
        stopped = self._ears.finish()
        if stopped:
            await self._take_edge(stopped)

    async def _take_edge(self, edge: Edge) -> None:
        started = isinstance(edge, SpeechStarted)
        if started:
            self._began_s = edge.offset_s
            self._begin(edge.at)
            self._line.stamp("heard_start", edge.at)
        else:
            self._end(edge.at, edge.offset_s - self._began_s)
        if self._tells:
            kind = "ACTIVITY_START" if started else "ACTIVITY_END"
            await self._sender.send(voice_activity(kind, edge.offset_s))

    def _start_activity(self, at: float) -> None:
        if self._setup.is_automatic:
            raise invalid("Explicit activity control is not supported when automatic activity detection is enabled.")
        if self._activity_began is None:
            self._activity_began = at
            self._begin(at)

    def _end_activity(self, at: float) -> None:
        if self._setup.is_automatic:
            raise invalid("Explicit activity control is not supported when automatic activity detection is enabled.")
        if self._activity_began is None:
            return
        stopped = self._ears.finish()
        if stopped:
            self._end(stopped.at, stopped.offset_s - self._began_s)
        else:
            # Nothing was audible: the turn is as long as the caller says.
            self._line.stamp("heard_start", self._activity_began)
            self._end(at)
        self._activity_began = None

    def _take_text(self, text: str, at: float) -> None:
        # Callers who want it to speak first have to say something, and say a full stop.
        if any(map(str.isalnum, text)):
            self._take_words(text, "text", at)
        else:
            self._activity_began = None
            self._go_on(at)

    def _take_words(self, text: str, kind: str, at: float) -> None:
        self._begin(at)
        self._line.stamp("message_in", at, kind=kind)
        self._line.stamp("heard_start", at)
        self._end(at, text=text)

    def _take_content(self, content: ContentCame, at: float) -> None:
        if self._awaits_history:
            self._line.turn += content.turns
            self._awaits_history = not content.is_complete
        elif content.turns and content.is_complete:
            # Those before the last are what was said before: the last is what is to be answered.
            self._line.turn += content.turns - 1
            self._take_words(content.text, "clientContent", at)
        elif content.turns:
            self._line.turn += content.turns
        elif content.is_complete:
            self._go_on(at)

    def _go_on(self, at: float) -> None:
        # The agent is to speak though the caller said nothing: a greeting, or more on the turn that was last.
        self._line.stamp("message_in", at, kind="turnComplete")
        if self._yields:
            self.stop.set()
        self._give.send_nowait(Prompt(self._line.turn, at))

    def _take_result(self, call_id: str, at: float) -> None:
        if call_id in self.waits_for:
            self.waits_for.remove(call_id)
            self._line.stamp("message_in", at, kind="toolResponse", call_id=call_id)
        elif call_id not in self._cancelled:
            raise invalid(f"toolResponse: expected a response to a function call; got one to {call_id[:40]!r}")
        if not self.waits_for:
            self.has_results.set()

    def await_results(self, ids: list[str]) -> None:
        """From here on results of these tool calls are awaited."""
        self.waits_for = set(ids)
        self.has_results = trio.Event()

    def cancel_calls(self) -> list[str]:
        """Awaits results no longer; the ids of calls that had none. Results that still come are thrown away."""
        ids = sorted(self.waits_for)
        self._cancelled |= self.waits_for
        self.waits_for = set()
        return ids

    def _begin(self, at: float) -> None:
        if self.is_replying:
            self._line.stamp("barge_in_heard", at)
            if self._yields:
                self.stop.set()
        self._line.turn += 1

    def _end(self, at: float, seconds: float = 0.0, text: str = "") -> None:
        self._line.stamp("heard_end", at)
        self._give.send_nowait(Prompt(self._line.turn, at, seconds, text))

    def is_over(self, prompt: Prompt) -> bool:
        """Whether the caller has gone on since, so that there is nothing to answer any more."""
        return self._yields and prompt.turn != self._line.turn
