"""One simulation's side of a conversation over OpenAI's Realtime API."""

from collections.abc import Callable, Sequence

import attrs

from coval_load.codecs.dialects.interface import Outgoing, Said, VoiceDialect
from coval_load.codecs.dialects.openai_realtime import messages
from coval_load.codecs.dialects.openai_realtime.hearing import Hearing
from coval_load.codecs.dialects.tool_results import ToolResult
from coval_load.codecs.events import Event
from coval_load.codecs.templates import TemplateError


@attrs.frozen
class Terms:
    """What all connections of one conversation share. `decode` makes PCM of audio that is none."""

    session_update: Outgoing
    rate_hz: int
    decode: Callable[[bytes], bytes] | None
    server_detects: bool


class OpenAIRealtime(VoiceDialect):
    """Words client events; `Hearing` decodes what comes back.

    With detection by the server, that cancels its response itself when it hears the caller; without, `cut_off` does, or
    at the latest the end of the caller's turn.
    """

    frames_are_text = True

    def __init__(self, terms: Terms, said: Sequence[Said] = ()) -> None:
        self._terms = terms
        self._said = tuple(messages.said_before(one) for one in said if one.text)
        self._hearing = Hearing(terms.rate_hz, terms.decode, terms.server_detects)

    def opening(self) -> Sequence[Outgoing]:
        """The session, then what was said in it before; the API handles messages in their order."""
        return (self._terms.session_update, *self._said)

    def decode(self, payload: bytes, is_text: bool) -> Sequence[Event]:
        """The events of one message; whether its frame was text or binary makes no difference."""
        return self._hearing.decode(payload)

    def frame(self, body: bytes) -> bytes:
        """The whole message for a body made by `OpenAIRealtimeFormat.audio_body`."""
        return body.join(messages.AUDIO_AROUND)

    def digit(self, digit: str) -> Outgoing:
        """Raises `TemplateError`: the API takes no digits from its clients."""
        raise TemplateError("turns", "digit", "expected no keypad digits: the Realtime API has no message for them")

    def media(self, name: str, mime_type: str, data: bytes) -> Sequence[Outgoing]:
        """The image as something that the caller says, and the request for an answer. The name is not sent."""
        return (messages.image(mime_type, data), messages.create_response())

    def turn_ended(self) -> Sequence[Outgoing]:
        """Without detection by the server: that the turn is over, and is to be answered."""
        if self._terms.server_detects:
            return ()
        return (*self._cancel(), messages.commit(), messages.create_response())

    def go_on(self) -> Sequence[Outgoing]:
        """The request for a response to nothing new."""
        return (messages.create_response(),)

    def cut_off(self, unheard_s: float) -> Sequence[Outgoing]:
        """Up to where each item was heard; without detection by the server, the end of the response, too."""
        cancelling = () if self._terms.server_detects else self._cancel()
        return (*cancelling, *(messages.truncate(*cut) for cut in self._hearing.playback.cut(unheard_s)))

    def give_results(self, results: Sequence[ToolResult]) -> Sequence[Outgoing]:
        """Each result as an item, and the request to go on with them."""
        return (*map(messages.tool_result, results), messages.create_response())

    def renewed(self, said: Sequence[Said]) -> "OpenAIRealtime":
        """The dialect of a new session, whose first items are what was said."""
        return OpenAIRealtime(self._terms, said)

    def _cancel(self) -> Sequence[Outgoing]:
        response_id = self._hearing.cancel()
        return () if response_id is None else (messages.cancel_response(response_id),)
