"""What a conversation has of its call: the connection it talks over, which may be replaced while it goes on."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from coval_load.codecs.dialects.interface import Outgoing, Said
from coval_load.engine.link import Link


class Line(Protocol):
    """`link` and `dialect` are those of the connection just now; after `renew` they are others."""

    @property
    def link(self) -> Link: ...

    @property
    def dialect(self) -> Any: ...

    @property
    def should_renew(self) -> bool:
        """Whether this connection is about to end, has ended as the agent said it would, or is as old as it may get."""
        ...

    @property
    def has_ended(self) -> bool:
        """Whether nothing can be said over this connection any more."""
        ...

    def send(self, messages: Iterable[Outgoing]) -> None:
        """Send each of them."""
        ...

    async def renew(self, said: Sequence[Said]) -> None:
        """Go on over a new connection, in which `said` was said so far. Raises SimulationFailed.

        Counted and timed. The old connection is closed before; what still comes over it is lost.
        """
        ...
