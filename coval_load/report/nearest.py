"""Which conversations percentiles lead to: of each metric those whose values are nearest to the summary's."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import attrs

_RELATIVELY, _ABSOLUTELY_S = 0.1, 0.001

TOLD = ("min", "p50", "p90", "p95", "p99", "p99.9", "max")
"""What of a metric leads to a conversation."""


class Value(NamedTuple):
    """A value in seconds, the conversation it is of, when that began, and the byte its row begins at."""

    seconds: float
    id: str
    began_s: float
    offset: int


def _none(instance: "_Targets") -> list[Value | None]:
    return [None] * (len(instance.levels) + 1)


@attrs.define
class _Targets:
    """The lowest and the highest value between each two of `levels`: what is nearest to one of them is among these."""

    names: list[str]
    levels: list[float]
    _lowest: list[Value | None] = attrs.field(default=attrs.Factory(_none, takes_self=True), init=False)
    _highest: list[Value | None] = attrs.field(default=attrs.Factory(_none, takes_self=True), init=False)

    def add(self, seconds: float, identity: str, began_s: float, offset: int) -> None:
        gap = bisect_left(self.levels, seconds)
        lowest, highest = self._lowest[gap], self._highest[gap]
        if lowest is None or highest is None:
            self._lowest[gap] = self._highest[gap] = Value(seconds, identity, began_s, offset)
        elif seconds < lowest.seconds:
            self._lowest[gap] = Value(seconds, identity, began_s, offset)
        elif seconds > highest.seconds:
            self._highest[gap] = Value(seconds, identity, began_s, offset)

    def found(self) -> dict[str, Value]:
        found = {}
        for place, (name, level) in enumerate(zip(self.names, self.levels, strict=True)):
            below = next((one for one in reversed(self._highest[: place + 1]) if one is not None), None)
            above = next((one for one in self._lowest[place + 1 :] if one is not None), None)
            near = [one for one in (below, above) if one is not None and _is_near(one.seconds, level)]
            if near:
                found[name] = min(near, key=lambda one: abs(one.seconds - level))
        return found


@attrs.define
class Nearest:
    """Fed with the values that stand in rows; `summary` is `metrics` of `summary.json`.

    Keeps a few values for each metric, however many there are. A metric that the summary lacks is left out.
    """

    summary: Mapping[str, Mapping[str, Any]]
    _targets: dict[str, _Targets] = attrs.field(init=False)

    @_targets.default
    def _begin(self) -> dict[str, _Targets]:
        return {name: _targets_of(entry) for name, entry in self.summary.items()}

    def add(self, measured: Mapping[str, Any], identity: str, began_s: float, offset: int) -> None:
        """Values in seconds by metric, of the conversation `identity`; TypeError where one is no number."""
        for name, seconds in measured.items():
            targets = self._targets.get(name)
            if targets is not None:
                targets.add(seconds, identity, began_s, offset)

    def values(self) -> dict[str, dict[str, Value]]:
        """metric -> `TOLD` -> the nearest value, where one is within 10 % or 1 ms.

        Where each simulation has its row whole, it is the value itself, but for the histogram's three digits.
        """
        return {name: found for name, targets in self._targets.items() if (found := targets.found())}

    def all(self) -> Iterator[Value]:
        """Each of `values`."""
        for found in self.values().values():
            yield from found.values()


def _is_near(seconds: float, level: float) -> bool:
    return abs(seconds - level) <= max(_RELATIVELY * level, _ABSOLUTELY_S)


def _targets_of(entry: Mapping[str, Any]) -> _Targets:
    levels = sorted((float(entry[name]), name) for name in TOLD if isinstance(entry.get(name), int | float))
    return _Targets([name for _, name in levels], [level for level, _ in levels])
