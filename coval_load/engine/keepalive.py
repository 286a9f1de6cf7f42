"""Pings for every connection from one task; the agent's pongs tell the network's round-trip time."""

import attrs
import trio

from coval_load.engine.link import Link

_FIRST_S = 1.0
_INTERVAL_S = 15.0
_LOOK_S = 0.25


@attrs.define
class Keepalive:
    """Pings each link one second after it opened and each 15 s from then on (RFC 6455 section 5.5.2)."""

    _links: set[Link] = attrs.field(factory=set, init=False)

    def join(self, link: Link) -> None:
        """Ping `link` until `leave`."""
        link.next_ping_at = trio.current_time() + _FIRST_S
        self._links.add(link)

    def leave(self, link: Link) -> None:
        """Ping `link` no more. Harmless when called again."""
        self._links.discard(link)

    async def run(self) -> None:
        """Ping until cancelled."""
        while True:
            await trio.sleep(_LOOK_S)
            now = trio.current_time()
            for link in tuple(self._links):
                if link.next_ping_at <= now:
                    link.next_ping_at = now + _INTERVAL_S
                    link.ping(now)
