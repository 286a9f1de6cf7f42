"""Which worker gets the next simulation: the one that runs fewest, and nobody in the turns of those that were lost."""

from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType

import attrs


@attrs.define
class Shares:
    """Workers, how many simulations each runs, and the gaps that lost ones left.

    Each call costs the same however many workers there are. Error handling: a name that is added twice is a
    ValueError; what is said of a worker that is not there is ignored, for it may end after it was lost.
    """

    _running: dict[str, int] = attrs.field(factory=dict, init=False)
    _levels: defaultdict[int, dict[str, None]] = attrs.field(factory=lambda: defaultdict(dict), init=False, repr=False)
    """The workers that run so many, in the order in which they came to it."""
    _least: int = attrs.field(default=0, init=False, repr=False)
    """No worker runs fewer."""
    _head_starts: dict[str, int] = attrs.field(factory=dict, init=False, repr=False)
    """What a worker that joined others is taken to run beside what it does; see `add`."""
    _chosen: int = attrs.field(default=0, init=False, repr=False)
    _gaps: int = attrs.field(default=0, init=False)
    _missing: int = attrs.field(default=0, init=False, repr=False)
    """How much of a turn the gaps have together, in parts of all turns (see `_turns`)."""

    @property
    def running(self) -> Mapping[str, int]:
        """How many simulations each worker has that is there; it follows what happens."""
        return MappingProxyType(self._running)

    @property
    def gaps(self) -> int:
        """Lost workers whose share is not offered."""
        return self._gaps

    def add(self, worker: str) -> None:
        """A worker can run simulations. It fills a gap where there is one.

        One that joins when others are busy gets about twice its share until it has as many as they: else it would get
        whatever begins, all at once.
        """
        if worker in self._running:
            raise ValueError(f"expected a worker that is not there yet; got {worker} again")
        turns = self._turns
        mean = sum(self._running.values()) // max(len(self._running), 1)
        if mean:
            self._head_starts[worker] = mean
        self._running[worker] = 0
        self._put(worker, mean)
        self._gaps = max(self._gaps - 1, 0)
        self._keep_missing(turns)

    def remove(self, worker: str) -> None:
        """A worker is not to get any more; the others get its share."""
        self.lost(worker, leaves_gap=False)

    def lost(self, worker: str, *, leaves_gap: bool) -> None:
        """A worker is gone. `leaves_gap`: its share of what may be missed is not offered, until another one joins."""
        if worker not in self._running:
            return
        turns = self._turns
        self._take(worker, self._level(worker))
        del self._running[worker]
        self._head_starts.pop(worker, None)
        self._gaps += leaves_gap
        self._keep_missing(turns)

    def misses(self) -> bool:
        """Whether the next simulation of what may be missed, as an open load, falls to a gap; asked once for each.

        Of n workers and m gaps that happens m times in n + m, evenly.
        """
        if not self._gaps:
            return False
        self._missing += self._gaps
        falls = self._missing >= self._turns
        if falls:
            self._missing -= self._turns
        return falls

    def places_of(self, wanted: int) -> int:
        """How many of `wanted` places that are kept filled fall to workers that are there; at least one, with any."""
        return wanted - wanted * self._gaps // self._turns if self._gaps else wanted

    def choose(self, *, may_miss: bool = False) -> str | None:
        """Who gets the next simulation, which it has from now on; of several with as few, who was at it first.

        None: nobody is there, or, where it `may_miss`, it falls to a gap (see `misses`).
        """
        if (may_miss and self.misses()) or not self._running:
            return None
        self._wear_off()
        while self._least not in self._levels:
            self._least += 1
        worker = next(iter(self._levels[self._least]))
        self._move(worker, self._running[worker] + 1)
        return worker

    def ended(self, worker: str) -> None:
        """A simulation of this worker has ended."""
        running = self._running.get(worker)
        if running:
            self._move(worker, running - 1)

    @property
    def _turns(self) -> int:
        return len(self._running) + self._gaps

    def _keep_missing(self, turns_before: int) -> None:
        if turns_before:
            self._missing = self._missing * self._turns // turns_before

    def _wear_off(self) -> None:
        """Each time that all could have had a turn, those that joined late are taken to run one less."""
        if not self._head_starts:
            return
        self._chosen += 1
        if self._chosen < len(self._running):
            return
        self._chosen = 0
        for worker, ahead in list(self._head_starts.items()):
            self._take(worker, self._level(worker))
            self._head_starts[worker] = ahead - 1
            self._put(worker, self._level(worker))
            if ahead == 1:
                del self._head_starts[worker]

    def _level(self, worker: str) -> int:
        return self._running[worker] + self._head_starts.get(worker, 0)

    def _move(self, worker: str, running: int) -> None:
        self._take(worker, self._level(worker))
        self._running[worker] = running
        self._put(worker, self._level(worker))

    def _put(self, worker: str, running: int) -> None:
        self._levels[running][worker] = None
        self._least = min(self._least, running)

    def _take(self, worker: str, running: int) -> None:
        level = self._levels[running]
        del level[worker]
        if not level:
            del self._levels[running]
