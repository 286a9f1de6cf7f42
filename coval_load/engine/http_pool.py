"""The kept-alive HTTP connections of a run: an idle one or a new one, found without looking at the others.

No cookies, no proxies, no redirects: one that kept cookies would send the next caller with the last one's
session, and all callers of a balanced agent to the same of its servers.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import lru_cache
from random import Random
from urllib.parse import urlsplit

import attrs
import trio

from coval_load.engine.connecting import Opener
from coval_load.engine.http_answer import MAX_ANSWER_BYTES, Answer, OnBody
from coval_load.engine.http_connection import HttpConnection, StaleConnection
from coval_load.engine.reactor import Reactor
from coval_load.engine.wire import Socket

IDLE_S = 4.0
"""How long a connection is kept idle. Servers usually close one after 5 s, and a request must not meet that."""

AGE_SPREAD = 0.1
"""How far a connection may outlive the bound of its age, or fall short of it, as a part of that bound."""

_TLS_HINT = (
    ", or set targets.allow_plaintext: true in the plan (or give --allow-plaintext), without which an http:// endpoint "
    "is asked over https://"
)

_Origin = tuple[str, int, bool]


def _ignore(_: float) -> None:
    pass


@attrs.frozen
class Recycling:
    """A connection that has been open for `most_age_s` is not used again.

    The bound of each is drawn from `random`, a tenth around it, so that the many that were opened together are not
    all replaced together. `on_recycled` is called for each that is closed for its age.
    """

    most_age_s: float
    random: Random
    on_recycled: Callable[[], object]

    def expiry(self, opened_at: float) -> float:
        """When a connection opened then has grown too old."""
        return opened_at + self.most_age_s * self.random.uniform(1 - AGE_SPREAD, 1 + AGE_SPREAD)


@attrs.define(eq=False)
class HttpPool:
    """Shared by all callers of a run; there are as many connections as requests at once.

    `on_connected` is told how long each new connection took to open, in seconds. Deadlines are the caller's.
    """

    _reactor: Reactor
    _opener: Opener
    _on_connected: Callable[[float], None] = _ignore
    _recycling: Recycling | None = None
    idle_s: float = attrs.field(default=IDLE_S, kw_only=True)
    _idle: dict[_Origin, OrderedDict[HttpConnection, None]] = attrs.field(factory=dict, init=False)
    _open: set[HttpConnection] = attrs.field(factory=set, init=False)

    async def connect(self, url: str, *, fresh: bool = False) -> HttpConnection:
        """A connection to the origin of `url`: the idle one used last, unless `fresh`, or else a new one.

        It is the caller's until `release`. Raises SimulationFailed as `Opener.open` does.
        """
        idle = None if fresh else self.idle(url)
        return idle or await self._open_new(_origin(url))

    def idle(self, url: str) -> HttpConnection | None:
        """What `connect` gives where it need not wait: the idle connection used last, None where there is none."""
        idle = self._idle.get(_origin(url))
        if not idle:
            return None
        self._drop_expired(idle)
        now = trio.current_time()
        while idle:
            connection, _ = idle.popitem()
            if connection.expires_at > now:
                connection.connect_s = None
                return connection
            connection.close()
            if self._recycling is not None:
                self._recycling.on_recycled()
        return None

    async def _open_new(self, origin: _Origin) -> HttpConnection:
        began_at = trio.current_time()
        raw = await self._opener.open(*origin, tls_hint=_TLS_HINT)
        connect_s = trio.current_time() - began_at
        connection = HttpConnection(origin, Socket(raw), self._reactor, connect_s, self._closed)
        if self._recycling is not None:
            connection.expires_at = self._recycling.expiry(trio.current_time())
        self._open.add(connection)
        self._on_connected(connect_s)
        return connection

    def release(self, connection: HttpConnection) -> None:
        """Give it back, to be used again if it is open still; an exchange that goes on is cut off."""
        if connection.is_busy:
            connection.close()
        if connection in self._open:
            connection.idle_since = trio.current_time()
            self._idle.setdefault(connection.origin, OrderedDict())[connection] = None

    async def ask(
        self,
        method: str,
        url: str,
        headers: Iterable[tuple[str, str]],
        body: bytes | None,
        *,
        most_bytes: int = MAX_ANSWER_BYTES,
        on_head: Callable[[Answer], None] | None = None,
        on_body: OnBody | None = None,
    ) -> Answer:
        """One exchange over one of the connections, sent once more where that one was stale.

        Raises SimulationFailed as `connect` and `HttpConnection.exchange` do.
        """
        sent = tuple(headers)
        connection = await self.connect(url)
        try:
            try:
                return await connection.exchange(method, url, sent, body, on_body, on_head, most_bytes=most_bytes)
            except StaleConnection:
                connection = await self.connect(url, fresh=True)
                return await connection.exchange(method, url, sent, body, on_body, on_head, most_bytes=most_bytes)
        finally:
            self.release(connection)

    def close(self) -> None:
        """Close every connection, used or idle."""
        for connection in tuple(self._open):
            connection.close()

    def _closed(self, connection: HttpConnection) -> None:
        self._open.discard(connection)
        idle = self._idle.get(connection.origin)
        if idle is not None:
            idle.pop(connection, None)

    def _drop_expired(self, idle: OrderedDict[HttpConnection, None]) -> None:
        oldest_kept = trio.current_time() - self.idle_s
        while idle and next(iter(idle)).idle_since < oldest_kept:
            connection, _ = idle.popitem(last=False)
            connection.close()


@asynccontextmanager
async def open_pool(
    reactor: Reactor,
    opener: Opener,
    on_connected: Callable[[float], None] = _ignore,
    *,
    recycling: Recycling | None = None,
) -> AsyncIterator[HttpPool]:
    """A pool whose connections are closed in the end."""
    pool = HttpPool(reactor, opener, on_connected, recycling)
    try:
        yield pool
    finally:
        pool.close()


@lru_cache(maxsize=1024)
def _origin(url: str) -> _Origin:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    return parts.hostname or "", parts.port or (443 if secure else 80), secure
