"""What the agent understood the caller to say, put to what the caller said."""

import attrs

from coval_load.actors.transcript import Entry
from coval_load.codecs.events import CallerTranscribed

_MOST_ITEMS = 64
_MOST_HEARD = 20_000
"""Characters of an item: some twenty minutes of speech."""


@attrs.define
class Understood:
    """Agents name what they hear: one turn of the caller's may be several items, and its words come when they come.

    An item that was never announced is what the caller said first of all that has no item yet. Known are the latest
    items, and of each no more words than a caller says at once.
    """

    _unnamed: list[Entry] = attrs.field(factory=list, init=False)
    _entries: dict[str, Entry] = attrs.field(factory=dict, init=False)
    _texts: dict[str, str] = attrs.field(factory=dict, init=False)
    _latest: Entry | None = attrs.field(default=None, init=False)

    def caller_said(self, entry: Entry) -> None:
        """The caller begins to say what `entry` holds."""
        self._latest = entry
        self._unnamed.append(entry)

    def named(self, item_id: str) -> None:
        """What the caller says now is, or belongs to, `item_id`."""
        if self._latest is not None and item_id and item_id not in self._entries:
            self._take(item_id, self._latest)

    def transcribed(self, event: CallerTranscribed) -> None:
        """Words came: a piece, or the whole of an item in place of its pieces."""
        if event.item_id not in self._entries:
            entry = self._unnamed[0] if event.item_id and self._unnamed else self._latest
            if entry is None:
                return
            self._take(event.item_id, entry)
        elif not event.item_id and self._latest is not None:
            self._begin_anew()
        before = "" if event.is_whole else self._texts.get(event.item_id, "")
        self._texts[event.item_id] = (before + event.text)[:_MOST_HEARD]
        self._write(self._entries[event.item_id])

    def _begin_anew(self) -> None:
        # Pieces without a name belong to what the caller said last.
        assert self._latest is not None
        if self._entries[""] is not self._latest:
            del self._texts[""]
            self._take("", self._latest)

    def _take(self, item_id: str, entry: Entry) -> None:
        self._entries[item_id] = entry
        if len(self._entries) > _MOST_ITEMS:
            oldest = next(iter(self._entries))
            del self._entries[oldest]
            self._texts.pop(oldest, None)
        self._unnamed = [other for other in self._unnamed if other is not entry]

    def _write(self, entry: Entry) -> None:
        texts = [self._texts[item] for item, its in self._entries.items() if its is entry and item in self._texts]
        entry.transcribed = " ".join(text.strip() for text in texts).strip() or None
