"""What an agent remembers of its callers, and for how long."""

from typing import Generic, TypeVar

MOST = 100_000

_Value = TypeVar("_Value")


class Memory(Generic[_Value]):
    """Values by name. Beyond `MOST` of them the oldest is forgotten: an agent may run for days."""

    def __init__(self) -> None:
        self._values: dict[str, _Value] = {}

    def get(self, name: str | None) -> _Value | None:
        return None if name is None else self._values.get(name)

    def put(self, name: str, value: _Value) -> None:
        self._values[name] = value
        if len(self._values) > MOST:
            del self._values[next(iter(self._values))]
