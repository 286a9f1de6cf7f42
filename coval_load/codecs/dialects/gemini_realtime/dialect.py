"""One simulation's side of the Gemini Live API."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
import pybase64

from coval_load.codecs.dialects.gemini_realtime import messages
from coval_load.codecs.dialects.gemini_realtime.fields import (
    Misshapen,
    field_of,
    is_set,
    object_in,
    objects_in,
    text_in,
)
from coval_load.codecs.dialects.gemini_realtime.reply_audio import ReplyAudio, read_piece
from coval_load.codecs.dialects.gemini_realtime.reports import read_close, read_error, read_time_left, read_usage
from coval_load.codecs.dialects.gemini_realtime.turns import Turns
from coval_load.codecs.dialects.interface import Outgoing, Said, VoiceDialect
from coval_load.codecs.dialects.json_messages import clipped, cut, kind_of, no_json
from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.encoding import encode_json
from coval_load.codecs.events import (
    AgentComplained,
    AgentFailed,
    AudioReceived,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscribed,
    Event,
    GoingAway,
    MessageIgnored,
    PlaybackCleared,
    ReadyReceived,
    StrayAudioReceived,
    TextChunkReceived,
    ToolCallReceived,
    ToolResultsAwaited,
    Violation,
)

MOST_CALLS = 100
"""Calls of tools that wait for results at the same time and can be cancelled."""

_LONGEST_ID = 200
_LONGEST_HANDLE = 65_536
"""One that is longer would fill the outbox of the connection that it is sent over."""
_ACTIVITIES: dict[str, type[CallerSpeechStarted] | type[CallerSpeechStopped]] = {
    "ACTIVITY_START": CallerSpeechStarted,
    "ACTIVITY_END": CallerSpeechStopped,
    "VAD_SIGNAL_TYPE_SOS": CallerSpeechStarted,
    "VAD_SIGNAL_TYPE_EOS": CallerSpeechStopped,
}


class GeminiRealtime(VoiceDialect):
    """One simulation's side of a spoken conversation over the Gemini Live API, or of one connection of it.

    `fields` are those of the setup; `handle` names the session to go on with, else `said` is what was said before.
    A message may say several things, which come in the order of what they mean: that it hears the caller, what of a
    reply is in it, tokens, the end of the reply. Field names are read in camelCase and in snake_case. Buffered are
    the handle, names of calls, some words and a few milliseconds of audio.
    """

    frames_are_text = True

    def __init__(
        self, fields: Mapping[str, Any], is_manual: bool, handle: str | None = None, said: Sequence[Said] = ()
    ) -> None:
        self._fields = fields
        self._is_manual = is_manual
        history = () if handle else messages.history(said)
        asked = {**fields, **messages.AWAITS_HISTORY} if history else fields
        self._opening = (messages.setup(asked, handle),)
        self._history = history
        self._handle: str | None = None
        self._is_ready = False
        self._hears_caller = False
        self._turns = Turns()
        self._audio = ReplyAudio()
        self._awaited: set[str] = set()
        self._cancelled: set[str] = set()

    def closed(self, code: int, reason: str) -> Event | None:
        """A key that is not taken, or a limit that is used up: the API says so by closing."""
        error = read_close(code, reason)
        return None if error is None else AgentFailed(error.reason, error.cause)

    # What is sent

    def opening(self) -> Sequence[Outgoing]:
        """The setup."""
        return self._opening

    def when_ready(self) -> Sequence[Outgoing]:
        """Without a session to go on with, what was said before: the API takes nothing else before it is set up."""
        return self._history

    def frame(self, body: bytes) -> bytes:
        """The whole message for a body made by `GeminiRealtimeFormat.audio_body`."""
        return messages.audio_frame(body)

    def digit(self, digit: str) -> Outgoing:
        """Never called: the format takes none. Raises `ValueError`."""
        raise ValueError(f"expected no keypad digit, for which Gemini Live has no message; got {digit!r}")

    def media(self, name: str, mime_type: str, data: bytes) -> Sequence[Outgoing]:
        """The image, and that it is the agent's turn."""
        return self._as_turn(messages.image(mime_type, data), messages.text_turn(messages.NO_WORDS))

    def turn_started(self) -> Sequence[Outgoing]:
        """With manual activity detection, that the caller begins to speak."""
        return (messages.activity(begins=True),) if self._is_manual else ()

    def turn_ended(self) -> Sequence[Outgoing]:
        """With manual activity detection, that it has ended."""
        return (messages.activity(begins=False),) if self._is_manual else ()

    def go_on(self) -> Sequence[Outgoing]:
        """That it is the agent's turn: there are no words for that alone, so a full stop says it."""
        return self._as_turn(messages.text_turn(messages.NO_WORDS))

    def _as_turn(self, *sent: Outgoing) -> Sequence[Outgoing]:
        return (*self.turn_started(), *sent, *self.turn_ended())

    def give_results(self, results: Sequence[ToolResult]) -> Sequence[Outgoing]:
        """Those of calls that the agent did not cancel."""
        wanted = [result for result in results if result.call_id not in self._cancelled]
        self._awaited.clear()
        self._cancelled.clear()
        return (messages.tool_response(wanted),) if wanted else ()

    def renewed(self, said: Sequence[Said]) -> "GeminiRealtime":
        """With the last handle of this session or, where none came, what was said as turns of a new one."""
        return GeminiRealtime(self._fields, self._is_manual, self._handle, said)

    # What comes

    def decode(self, payload: bytes, is_text: bool) -> Sequence[Event]:
        """The events of one message, which may be text or binary: the API sends JSON in both."""
        try:
            message = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return (no_json(payload),)
        if self._audio.mime_type:
            # What nearly every message is: one piece of audio, of the same type as the one before.
            try:
                content = message["serverContent"]
                (part,) = content["modelTurn"]["parts"]
                blob = part["inlineData"]
                if len(message) == len(content) == len(part) == 1 and blob["mimeType"] == self._audio.mime_type:
                    return self._heard(self._audio.push(pybase64.b64decode(blob["data"], validate=True)))
            except (KeyError, TypeError, ValueError):
                pass  # something else, or something wrong, of which the long way makes sense
        return self._read(message)

    def _read(self, message: Any) -> list[Event]:
        if not isinstance(message, dict):
            return [Violation(f"expected a JSON object; got {kind_of(message)}")]
        events: list[Event] = []
        is_known = False
        for name, read in _READERS:
            # What a reader found before it came upon something misshapen stays: turns have moved on with it.
            try:
                found = object_in(message, name)
                if found is not None:
                    is_known = True
                    read(self, found, events)
            except Misshapen as wrong:
                is_known = True
                if Violation(wrong.reason) not in events:
                    events.append(Violation(wrong.reason))
        if not is_known:
            self._read_unknown(message, events)
        return events

    def _read_unknown(self, message: dict[str, Any], events: list[Event]) -> None:
        if field_of(message, "code") is not None:
            self._read_error(message, events)  # Google's own client takes such a message for an error, too
        else:
            names = clipped(", ".join(message)) or "nothing"
            events.append(MessageIgnored(f"no field of Gemini Live that is known here; got {names}"))

    def _read_setup_complete(self, found: dict[str, Any], events: list[Event]) -> None:
        if self._is_ready:
            events.append(MessageIgnored("a second setupComplete"))
            return
        self._is_ready = True
        session_id = field_of(found, "sessionId")
        events.append(ReadyReceived(session_id if isinstance(session_id, str) else None))

    def _read_voice_activity(self, found: dict[str, Any], events: list[Event]) -> None:
        # `type` is what comes; the types of Google's client call it `voice_activity_type`.
        names = ("type", "voiceActivityType", "vadSignalType")
        kind = next(
            (_ACTIVITIES[word] for name in names if (word := text_in(found, name).upper()) in _ACTIVITIES), None
        )
        if kind is None or (kind is CallerSpeechStarted and self._hears_caller):
            return
        self._hears_caller = kind is CallerSpeechStarted
        events.append(kind())

    def _read_content(self, content: dict[str, Any], events: list[Event]) -> None:
        heard = object_in(content, "inputTranscription")
        if heard is not None and (text := text_in(heard, "text")):
            events.append(CallerTranscribed(text))
        if is_set(content, "interrupted"):
            self._interrupt(events)
        turn = object_in(content, "modelTurn")
        if turn is not None:
            for part in objects_in(turn, "parts"):
                self._read_part(part, events)
        said = object_in(content, "outputTranscription")
        if said is not None and (text := text_in(said, "text")):
            events += self._turns.words(text)

    def _interrupt(self, events: list[Event]) -> None:
        if not self._hears_caller:
            # Most models tell nothing else of what they hear.
            self._hears_caller = True
            events.append(CallerSpeechStarted())
        self._turns.interrupted()
        self._audio.rest()
        events.append(PlaybackCleared())

    def _read_part(self, part: dict[str, Any], events: list[Event]) -> None:
        blob = object_in(part, "inlineData")
        if self._turns.is_cleared:
            if blob is not None:
                events.append(StrayAudioReceived(read_piece(blob).seconds))
            return
        self._begin(events)
        if blob is not None:
            events += self._heard(self._audio.take(read_piece(blob)))
        elif (text := text_in(part, "text")) and not is_set(part, "thought"):
            events.append(TextChunkReceived(text))

    def _heard(self, pcm: bytes) -> Sequence[Event]:
        return (AudioReceived(pcm),) if pcm else ()

    def _begin(self, events: list[Event]) -> None:
        begun = self._turns.begin()
        if begun:
            self._hears_caller = False
            events += begun

    def _read_ends(self, content: dict[str, Any], events: list[Event]) -> None:
        if is_set(content, "waitingForInput"):
            self._turns.waits_for_input()
        if is_set(content, "generationComplete"):
            self._end(self._turns.generation_complete(), events)
        if is_set(content, "turnComplete"):
            reason = field_of(content, "turnCompleteReason")
            self._end(self._turns.turn_complete(cut(reason, _LONGEST_ID) if isinstance(reason, str) else ""), events)

    def _end(self, ended: list[Event], events: list[Event]) -> None:
        if ended:
            events += (*self._heard(self._audio.rest()), *ended)

    def _read_tool_call(self, found: dict[str, Any], events: list[Event]) -> None:
        calls = [_tool_call(call) for call in objects_in(found, "functionCalls")]
        if self._turns.is_cleared or not calls:
            events.append(MessageIgnored("calls of tools in a turn that was interrupted" if calls else "no call in it"))
            return
        self._begin(events)
        events += (*calls, ToolResultsAwaited())
        ids = [call.call_id for call in calls if len(call.call_id) <= _LONGEST_ID]
        self._awaited.update(ids[: max(0, MOST_CALLS - len(self._awaited))])
        self._end(self._turns.called(), events)

    def _read_cancellation(self, found: dict[str, Any], events: list[Event]) -> None:
        ids = field_of(found, "ids")
        if not isinstance(ids, list):
            raise Misshapen(f"expected a list at 'ids' of toolCallCancellation; got {kind_of(ids)}")
        self._cancelled.update(call_id for call_id in ids if isinstance(call_id, str) and call_id in self._awaited)

    def _read_usage(self, found: dict[str, Any], events: list[Event]) -> None:
        usage = read_usage(found)
        if usage is not None:
            events.append(usage)

    def _read_resumption(self, found: dict[str, Any], events: list[Event]) -> None:
        handle = text_in(found, "newHandle")
        if len(handle) > _LONGEST_HANDLE:
            events.append(
                MessageIgnored(f"expected a handle of at most {_LONGEST_HANDLE} characters; got a longer one")
            )
        elif handle and is_set(found, "resumable"):
            self._handle = handle

    def _read_go_away(self, found: dict[str, Any], events: list[Event]) -> None:
        events.append(GoingAway(read_time_left(found)))

    def _read_error(self, found: dict[str, Any], events: list[Event]) -> None:
        error = read_error(found)
        if self._is_ready and not error.is_fatal:
            events.append(AgentComplained(error.reason))
        else:
            events.append(AgentFailed(error.reason, error.cause))


def _tool_call(call: dict[str, Any]) -> ToolCallReceived:
    name = text_in(call, "name")
    if not name:
        raise Misshapen("expected a name in each of functionCalls; got one without")
    try:
        arguments = encode_json(field_of(call, "args") or {}).decode()
    except ValueError as error:
        raise Misshapen(f"expected JSON in args of {name[:_LONGEST_ID]!r}; got it {error}") from error
    return ToolCallReceived(text_in(call, "id"), name, arguments)


_READERS: Sequence[tuple[str, Callable[[GeminiRealtime, dict[str, Any], list[Event]], None]]] = (
    ("setupComplete", GeminiRealtime._read_setup_complete),
    ("voiceActivity", GeminiRealtime._read_voice_activity),
    ("voiceActivityDetectionSignal", GeminiRealtime._read_voice_activity),
    ("serverContent", GeminiRealtime._read_content),
    ("toolCall", GeminiRealtime._read_tool_call),
    ("toolCallCancellation", GeminiRealtime._read_cancellation),
    ("usageMetadata", GeminiRealtime._read_usage),
    ("serverContent", GeminiRealtime._read_ends),
    ("sessionResumptionUpdate", GeminiRealtime._read_resumption),
    ("goAway", GeminiRealtime._read_go_away),
    ("error", GeminiRealtime._read_error),
)
"""The fields of a message in the order of what they mean."""
