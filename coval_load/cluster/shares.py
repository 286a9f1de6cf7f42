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
        """A worker can run simulations. It fills a gap where there is one."""
        if worker in self._running:
            raise ValueError(f"expected a worker that is not there yet; got {worker} again")
        turns = self._turns
        self._running[worker] = 0
        self._put(worker, 0)
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
        self._take(worker, self._running.pop(worker))
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

    def choose(self, *, may_miss: bool = False) -> str | None:
        """Who gets the next simulation, which it has from now on; of several with as few, who was at it first.

        None: nobody is there, or, where it `may_miss`, it falls to a gap (see `misses`).
        """
        if (may_miss and self.misses()) or not self._running:
            return None
        while self._least not in self._levels:
            self._least += 1
        worker = next(iter(self._levels[self._least]))
        self._move(worker, self._least + 1)
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

    def _move(self, worker: str, running: int) -> None:
        self._take(worker, self._running[worker])
        self._running[worker] = running
        self._put(worker, running)

    def _put(self, worker: str, running: int) -> None:
        self._levels[running][worker] = None
        self._least = min(self._least, running)

    def _take(self, worker: str, running: int) -> None:
        level = self._levels[running]
        del level[worker]
        if not level:
            del self._levels[running]
