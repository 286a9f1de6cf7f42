"""How much audio of which item came, so that what was not heard of it can be named."""

from collections import deque
from collections.abc import Sequence

import attrs

from coval_load.codecs.audio.pcm import WholeSamples

_SHORTEST_S = 0.001
_MOST_ITEMS = 32
"""More of them never wait to be played at once: a response has one item of audio, two at the most."""


@attrs.define(eq=False)
class Item:
    """One item of the agent's speech, and how many bytes of its PCM came and were not thrown away."""

    response_id: str
    item_id: str
    pcm_bytes: int = 0
    samples: WholeSamples = attrs.field(factory=lambda: WholeSamples(2), init=False)


class Playback:
    """What came to be played, in its order. Keeps the last few items only."""

    def __init__(self, rate_hz: int) -> None:
        self._bytes_per_s = 2 * rate_hz
        self._items: deque[Item] = deque(maxlen=_MOST_ITEMS)

    def seconds(self, pcm: bytes) -> float:
        """How long `pcm` is to be heard."""
        return len(pcm) / self._bytes_per_s

    def item(self, response_id: str, item_id: str) -> Item:
        """The item of this id, to which more audio comes as part of this response."""
        for item in reversed(self._items):
            if item.item_id == item_id:
                item.response_id = response_id
                return item
        self._items.append(Item(response_id, item_id))
        return self._items[-1]

    def cut(self, unheard_s: float) -> Sequence[tuple[str, int]]:
        """Each item with some of the last `unheard_s` seconds in it, and how many milliseconds of it were heard."""
        cuts: list[tuple[str, int]] = []
        left_s = unheard_s
        for item in reversed(self._items):
            if not left_s >= _SHORTEST_S:
                break
            came_s = item.pcm_bytes / self._bytes_per_s
            heard_s = max(0.0, came_s - left_s)
            left_s -= came_s
            item.pcm_bytes = min(item.pcm_bytes, 2 * round(heard_s * self._bytes_per_s / 2))
            if item.item_id and came_s > 0:
                cuts.append((item.item_id, min(round(1000 * heard_s), int(1000 * came_s))))
        return cuts[::-1]
