"""What the screen shows of the past, in bounded memory: courses since the start, and values of the last seconds."""

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import attrs

from coval_load.report.sparse_histogram import SparseHistogram

LATELY_S = 10.0
"""What "the last seconds" are."""

_EIGHTHS = "▁▂▃▄▅▆▇█"
_NONE = "·"


@attrs.define
class Course:
    """A number over the whole run, in fewer than `most` points (an even number): of as many, two become one each."""

    most: int = 240
    _points: list[float] = attrs.field(factory=list, init=False)
    _each: int = attrs.field(default=1, init=False)
    _gathered: list[float] = attrs.field(factory=list, init=False)

    def add(self, value: float) -> None:
        """The next value; they come at equal distances. Of two points the higher one stays."""
        self._gathered.append(value)
        if len(self._gathered) < self._each:
            return
        self._points.append(max(self._gathered))
        self._gathered.clear()
        if len(self._points) == self.most:
            pairs = [self._points[at : at + 2] for at in range(0, len(self._points), 2)]
            self._points = [max(pair) for pair in pairs]
            self._each *= 2

    @property
    def points(self) -> tuple[float, ...]:
        """From the start on; what is not a whole point yet comes last."""
        return (*self._points, max(self._gathered)) if self._gathered else tuple(self._points)


@attrs.define
class Sliding:
    """Values of the last `window_s` seconds."""

    window_s: float = LATELY_S
    _parts: deque[tuple[float, SparseHistogram]] = attrs.field(factory=deque, init=False)

    def add(self, seconds: float, values: SparseHistogram) -> None:
        """What came in the last `seconds`."""
        self._parts.append((seconds, values))
        # A pulse is never on time to the bit: ten of them are ten seconds.
        while len(self._parts) > 1 and self._lasts_s - self._parts[0][0] >= 0.99 * self.window_s:
            self._parts.popleft()

    def joined(self) -> SparseHistogram:
        """All of them."""
        whole = SparseHistogram()
        for _, values in self._parts:
            whole = whole.joined(values)
        return whole

    @property
    def _lasts_s(self) -> float:
        return sum(seconds for seconds, _ in self._parts)


def sparkline(points: Sequence[float], width: int) -> str:
    """`points` in at most `width` block characters, the highest of those that share one; a point for 0 and below."""
    if width < 1 or not points:
        return ""
    columns = min(width, len(points))
    borders = [len(points) * column // columns for column in range(columns + 1)]
    highs = [max(points[begin:end]) for begin, end in pairwise(borders)]
    top = max(highs)
    return "".join(_block(high, top) for high in highs)


def _block(value: float, top: float) -> str:
    if value <= 0:
        return _NONE
    return _EIGHTHS[min(int(value / top * len(_EIGHTHS)), len(_EIGHTHS) - 1)]
