"""The items of an OpenAI Realtime conversation."""

from typing import Any

import attrs

from coval_load.reference.realtime.mouth import Playback
from coval_load.reference.realtime.openai_wire import Refused


@attrs.define
class Item:
    """One item as the API shows it; `playback` where it is the agent's speech."""

    body: dict[str, Any]
    playback: Playback | None = None
    cut_to_ms: int | None = None

    @property
    def audio_ms(self) -> int:
        """How much audio of the agent's is in it."""
        if self.playback is None:
            return 0
        sent_ms = int(self.playback.sent_s * 1000 + 1e-6)
        return sent_ms if self.cut_to_ms is None else min(sent_ms, self.cut_to_ms)


class Items:
    """All items of one conversation, in their order."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._order: list[str] = []

    def add(self, item: Item, after: str | None = None) -> str | None:
        """Adds it at the end, or after `after` (`root`: as the first); what is before it then. Raises Refused."""
        item_id = item.body["id"]
        if item_id in self._items:
            raise Refused("item_create_duplicate_item_id", f"Item with id '{item_id}' already exists.", "item.id")
        if after is not None and after != "root" and after not in self._items:
            raise _missing("create", after, "previous_item_id")
        at = len(self._order) if after is None else 0 if after == "root" else self._order.index(after) + 1
        self._items[item_id] = item
        self._order.insert(at, item_id)
        return self._order[at - 1] if at else None

    def get(self, item_id: Any, purpose: str) -> Item:
        """Raises Refused where there is no such item."""
        item = self._items.get(item_id) if isinstance(item_id, str) else None
        if item is None:
            raise _missing(purpose, item_id, "item_id")
        return item

    def delete(self, item_id: Any) -> None:
        """Raises Refused where there is no such item."""
        self.get(item_id, "delete")
        del self._items[item_id]
        self._order.remove(item_id)

    def has_call(self, call_id: Any) -> bool:
        """Whether the agent called a tool with this id."""
        calls = (item.body for item in self._items.values() if item.body.get("type") == "function_call")
        return any(body["call_id"] == call_id for body in calls)

    def truncate(self, item_id: Any, content_index: Any, audio_end_ms: Any) -> Item:
        """Throws away what of the agent's speech was not heard, its words, too. Raises Refused."""
        item = self.get(item_id, "truncate")
        if item.playback is None:
            raise Refused("invalid_value", "Only model output audio messages can be truncated.", "item_id")
        if content_index != 0:
            raise Refused("invalid_value", f"Invalid value: {content_index!r:.40}. Expected 0.", "content_index")
        if type(audio_end_ms) is not int or audio_end_ms < 0:
            raise Refused("invalid_type", f"Invalid 'audio_end_ms': {audio_end_ms!r:.40}.", "audio_end_ms")
        if audio_end_ms > item.audio_ms:
            words = f"Audio content of {item.audio_ms}ms is already shorter than {audio_end_ms}ms"
            raise Refused("invalid_value", words, "audio_end_ms")
        item.cut_to_ms = audio_end_ms
        for content in item.body["content"]:
            content.pop("transcript", None)
        return item


def _missing(purpose: str, item_id: Any, param: str) -> Refused:
    words = f"Error with {purpose}: item with item_id {item_id!r:.80} does not exist."
    return Refused(f"item_{purpose}_invalid_item_id", words, param)
