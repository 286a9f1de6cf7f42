"""One task sends every due frame. Due times are absolute, so nothing drifts: a frame is late or on time."""

from collections.abc import Callable, Sequence
from typing import Protocol

import attrs
import trio

FRAME_S = 0.020
"""Seconds of audio in a frame."""

_SLOTS = 20
_SLOT_S = FRAME_S / _SLOTS
"""Connections are spread over slots of 1 ms, so that they do not all send in the same instant."""

_CROWD = 60
"""So many speakers, three in each slot, keep the metronome awake each millisecond anyway."""

_GIVE_UP_S = 1.0
"""A frame later than this is not sent any more, so that a generator that can't keep up stays bounded."""


class Speaker(Protocol):
    """What has a frame to send every 20 ms. Its methods are synchronous and must not block."""

    def frame_due(self, due: float) -> bool:
        """Send the frame that is due at `due` (seconds of the Trio clock); returns whether one was sent."""
        ...

    def frame_skipped(self, due: float) -> None:
        """The frame due at `due` is so late that it is left out."""
        ...

    def broke(self, error: Exception) -> None:
        """`frame_due` raised; the speaker is asked no more."""
        ...


class Reader(Protocol):
    """What reads the sockets: the reactor."""

    def lend(self) -> bool:
        """Leave it to the metronome to call `drain`; returns whether it may."""
        ...

    def take_back(self) -> None:
        """Read by itself again."""
        ...

    def drain(self) -> None:
        """Handle what has arrived."""
        ...


@attrs.define
class Metronome:
    """Calls each speaker when its frame is due, and notes how late that was.

    `record_lateness` takes, for each frame of an instant, the seconds from when it was due to when it was handed to the
    kernel.

    With a crowd of speakers it is awake each millisecond, and drains `reader` then: to wake a second task for
    each few messages in between costs more than to handle them. Arrivals are then stamped up to 1 ms late.
    """

    record_lateness: Callable[[Sequence[float]], object]
    reader: Reader | None = None
    frames_sent: int = 0
    frames_skipped: int = 0
    _origin: float = attrs.field(factory=trio.current_time, init=False)
    _slots: list[list[Speaker]] = attrs.field(factory=lambda: [[] for _ in range(_SLOTS)], init=False)
    _seats: dict[int, int] = attrs.field(factory=dict, init=False)
    _beginners: dict[int, int] = attrs.field(factory=dict, init=False)
    _tick: int = attrs.field(default=1, init=False)
    """The first that was not handled yet."""
    _occupied: trio.Event = attrs.field(factory=trio.Event, init=False)
    _reads: bool = attrs.field(default=False, init=False)

    def join(self, speaker: Speaker) -> float:
        """Give `speaker` a slot; returns when its first frame is due, at most two frames from now."""
        slot = min(range(_SLOTS), key=lambda number: len(self._slots[number]))
        tick = max(self._tick, self._tick_after(trio.current_time()))
        first = tick + (slot - tick) % _SLOTS
        self._slots[slot].append(speaker)
        self._seats[id(speaker)] = slot
        self._beginners[id(speaker)] = first
        if not self._occupied.is_set():  # time is kept from here on, however late `run` wakes
            self._tick = tick
            self._occupied.set()
        if len(self._seats) >= _CROWD and not self._reads and self.reader is not None:
            self._reads = self.reader.lend()
        return self._due(first)

    def leave(self, speaker: Speaker) -> None:
        """Ask `speaker` no more. Harmless when called again."""
        slot = self._seats.pop(id(speaker), None)
        self._beginners.pop(id(speaker), None)
        if slot is not None:
            self._slots[slot].remove(speaker)
        if self._reads and len(self._seats) < _CROWD // 2 and self.reader is not None:
            self._reads = False
            self.reader.take_back()

    async def run(self) -> None:
        """Keep time until cancelled."""
        clock = trio.lowlevel.current_clock().current_time
        while True:
            if not self._seats:
                self._occupied = trio.Event()
                await self._occupied.wait()
            tick = self._tick = self._next_tick()
            due = self._due(tick)
            await trio.sleep_until(due)
            self._tick = tick + 1
            if clock() - due > _GIVE_UP_S:
                self._skip(tick, due)
            else:
                self._send(tick, due, clock)
            if self._reads and self.reader is not None:
                self.reader.drain()

    def _send(self, tick: int, due: float, clock: Callable[[], float]) -> None:
        lateness = []
        for speaker in self._speakers(tick):
            try:
                if speaker.frame_due(due):
                    lateness.append(clock() - due)
            except Exception as error:  # noqa: BLE001 - one speaker's fault must not silence the others
                self._drop(speaker, error)
        self.frames_sent += len(lateness)
        self.record_lateness(lateness)

    def _skip(self, tick: int, due: float) -> None:
        for speaker in self._speakers(tick):
            self.frames_skipped += 1
            try:
                speaker.frame_skipped(due)
            except Exception as error:  # noqa: BLE001 - as above
                self._drop(speaker, error)

    def _speakers(self, tick: int) -> tuple[Speaker, ...]:
        speakers = tuple(self._slots[tick % _SLOTS])
        if not self._beginners:
            return speakers
        return tuple(speaker for speaker in speakers if self._has_begun(speaker, tick))

    def _has_begun(self, speaker: Speaker, tick: int) -> bool:
        """Who joined while the metronome was late is not asked for frames from before."""
        if self._beginners.get(id(speaker), tick) > tick:
            return False
        self._beginners.pop(id(speaker), None)
        return True

    def _drop(self, speaker: Speaker, error: Exception) -> None:
        self.leave(speaker)
        speaker.broke(error)

    def _next_tick(self) -> int:
        if self._reads:
            return self._tick
        for tick in range(self._tick, self._tick + _SLOTS):
            if self._slots[tick % _SLOTS]:
                return tick
        return self._tick

    def _due(self, tick: int) -> float:
        return self._origin + tick * _SLOT_S

    def _tick_after(self, now: float) -> int:
        return int((now - self._origin) / _SLOT_S) + 1
