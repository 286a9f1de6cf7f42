"""What whole and streamed answers over HTTP have in common, whatever their format."""

from typing import Any

from coval_load.codecs.dialects.chat_replies.chat_completions import message_text, text_of
from coval_load.codecs.events import ConversationEnded
from coval_load.codecs.paths import Path


def text_at(path: Path, answer: Any) -> str | None:
    """The text at `response_message_path`: a string, a list of parts, or a message that has either as its content.

    The documents' own example of a path, `choices.0.message`, leads to such a message.
    """
    found = path.find(answer)
    return message_text(found) if isinstance(found, dict) else text_of(found)


def conversation_ended(answer: Any) -> ConversationEnded | None:
    """The end of the conversation, if the `status` at the top of an answer says `ended`."""
    is_ended = isinstance(answer, dict) and answer.get("status") == "ended"
    return ConversationEnded("status: ended") if is_ended else None
