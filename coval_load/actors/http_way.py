"""The way to one agent over HTTP: its pool, what was discovered about it, its manners. Shared by its simulations."""

from collections.abc import Sequence

import attrs
import trio

from coval_load.actors.http_answers import is_success, refusal
from coval_load.actors.http_setup import ask_in_setup
from coval_load.actors.redialling import Redialling
from coval_load.actors.tool_answers import MOST_TOOL_ROUNDS
from coval_load.codecs.dialects.http_interface import HttpRequest
from coval_load.engine.http_connection import Answer
from coval_load.engine.http_pool import HttpPool
from coval_load.engine.outcome import ErrorKind, NotReached, SimulationFailed


@attrs.define(eq=False, kw_only=True)
class HttpWay:
    """`endpoint` is the chat endpoint; `discovery` is what `HttpChatFormat.discovery` gives."""

    pool: HttpPool
    endpoint: str
    discovery: Sequence[HttpRequest] = ()
    honors_retry_after: bool = False
    most_tool_rounds: int = MOST_TOOL_ROUNDS
    redialling: Redialling = attrs.field(factory=Redialling)
    _discovered: bytes | None = attrs.field(default=None, init=False)
    _is_known: bool = attrs.field(default=False, init=False)
    _failures: int = attrs.field(default=0, init=False)
    _last_failure: tuple[type[SimulationFailed], ErrorKind, str] | None = attrs.field(default=None, init=False)
    _asking: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    async def discover(self) -> bytes | None:
        """The first 2xx answer to the discovery requests, asked for once in a run; None where there is none.

        Raises SimulationFailed `setup_failed` where the agent can't be asked: for all who waited for that answer;
        the next simulation asks again.
        """
        if self._is_known or not self.discovery:
            return self._discovered
        failures = self._failures
        async with self._asking:
            if self._failures > failures and self._last_failure is not None:
                failed, kind, message = self._last_failure
                raise failed(kind, message)
            if not self._is_known:
                self._discovered = await self._ask_all()
                self._is_known = True
        return self._discovered

    async def _ask_all(self) -> bytes | None:
        try:
            return await self._first_success()
        except SimulationFailed as failed:
            self._failures += 1
            kind = NotReached if isinstance(failed, NotReached) else SimulationFailed
            self._last_failure = kind, failed.kind, failed.message
            raise

    async def _first_success(self) -> bytes | None:
        for request in self.discovery:
            answer = await self.ask(request)
            if is_success(answer.status):
                return answer.body
            if answer.status not in (404, 405, 410):
                raise refusal(request, answer.status, answer.headers, answer.body, in_setup=True)
        return None

    async def ask(self, request: HttpRequest) -> Answer:
        """One request of the set-up; errors as of `ask_in_setup`."""
        return await ask_in_setup(self.pool, request)
