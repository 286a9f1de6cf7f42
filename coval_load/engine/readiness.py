"""Which sockets can be read or written: `epoll` itself where there is one, else whatever `selectors` offers.

`selectors` wraps each event in objects of its own, which for a frame costs as much as reading it.
"""

import select
import selectors
from typing import Protocol, TypeAlias

READ, WRITE = 1, 4
"""As `epoll` has them (EPOLLIN, EPOLLOUT). What went wrong with a socket shows in neither, and is read to be told."""

Ready: TypeAlias = tuple[int, int]
"""A file descriptor, and what it is ready for: if not `WRITE` alone, it can be read; if not `READ` alone, written."""


class Readiness(Protocol):
    """Descriptors and what is asked of each."""

    def register(self, fd: int, events: int) -> None:
        """Ask for `events` of `fd` from now on."""
        ...

    def modify(self, fd: int, events: int) -> None:
        """Ask for other ones."""
        ...

    def unregister(self, fd: int) -> None:
        """Ask no more; before `fd` is closed."""
        ...

    def poll(self, timeout: float, /) -> list[Ready]:
        """What is ready now (`timeout` is 0)."""
        ...

    def fileno(self) -> int:
        """A descriptor that can be read when something is ready."""
        ...

    def close(self) -> None:
        """Ask nothing more."""
        ...


class SelectorReadiness:
    """By way of `selectors`, on platforms without `epoll`."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def register(self, fd: int, events: int) -> None:
        """See `Readiness`."""
        self._selector.register(fd, _theirs(events))

    def modify(self, fd: int, events: int) -> None:
        """See `Readiness`."""
        self._selector.modify(fd, _theirs(events))

    def unregister(self, fd: int) -> None:
        """See `Readiness`."""
        self._selector.unregister(fd)

    def poll(self, timeout: float, /) -> list[Ready]:
        """See `Readiness`."""
        return [(key.fd, _ours(events)) for key, events in self._selector.select(timeout)]

    def fileno(self) -> int:
        """See `Readiness`."""
        return self._selector.fileno()

    def close(self) -> None:
        """See `Readiness`."""
        self._selector.close()


def _theirs(events: int) -> int:
    return (selectors.EVENT_READ if events & READ else 0) | (selectors.EVENT_WRITE if events & WRITE else 0)


def _ours(events: int) -> int:
    return (READ if events & selectors.EVENT_READ else 0) | (WRITE if events & selectors.EVENT_WRITE else 0)


def has_one_descriptor() -> bool:
    """Whether a task can wait for all sockets at once here; not so on Windows."""
    return hasattr(selectors.DefaultSelector, "fileno")


def open_readiness() -> Readiness:
    """The quickest that this platform has."""
    return select.epoll() if hasattr(select, "epoll") else SelectorReadiness()
