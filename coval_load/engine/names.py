"""Host names to addresses, asked once for each host and kept for a while, as a thousand callers dial the same one."""

import ipaddress
import socket
from collections.abc import Callable
from functools import lru_cache

import attrs
import trio

from coval_load.engine.outcome import ErrorKind, NotReached, SimulationFailed

_KEEP_S = 60.0


@attrs.frozen
class Address:
    """One address to dial: `family` is AF_INET or AF_INET6."""

    family: int
    ip: str
    port: int


def any_address(ip: str) -> bool:
    """The policy that refuses no address."""
    return False


@attrs.define
class Resolver:
    """Resolves host names. `refused(ip)` tells which addresses may not be dialled (private ones)."""

    refused: Callable[[str], bool] = any_address
    _known: dict[tuple[str, int], tuple[float, list[Address]]] = attrs.field(factory=dict, init=False)
    _failed: dict[tuple[str, int], tuple[float, SimulationFailed]] = attrs.field(factory=dict, init=False)
    _asking: dict[tuple[str, int], trio.Lock] = attrs.field(factory=dict, init=False)

    async def resolve(self, host: str, port: int) -> list[Address]:
        """The addresses of `host`, in the order to try.

        Raises SimulationFailed `dns_failed` where there is none, or one that is refused.
        """
        literal = _literal(host, port)
        addresses = [literal] if literal else await self._ask(host, port)
        for address in addresses:
            if self.refused(address.ip):
                raise SimulationFailed(
                    ErrorKind.DNS_FAILED,
                    f"expected {host} to have a public address; got {address.ip}, which is private: "
                    "set targets.allow_private: true in the plan if the agent is meant to be there",
                )
        return addresses

    async def _ask(self, host: str, port: int) -> list[Address]:
        key = (host, port)
        asked_at = trio.current_time()
        async with self._asking.setdefault(key, trio.Lock()):
            found = self._known.get(key)
            if found is None or found[0] < trio.current_time():
                self._share_failure(key, asked_at)
                try:
                    found = self._known[key] = (trio.current_time() + _KEEP_S, await _look_up(host, port))
                except SimulationFailed as failure:
                    self._failed[key] = (trio.current_time(), failure)
                    raise
        return found[1]

    def _share_failure(self, key: tuple[str, int], asked_at: float) -> None:
        """Who waited while a look-up failed is told so, rather than waiting for one of its own after the others'."""
        failed = self._failed.get(key)
        if failed is not None and failed[0] > asked_at:
            raise type(failed[1])(failed[1].kind, failed[1].message)


@lru_cache(maxsize=1024)  # read for each dial, and what it says never changes
def _literal(host: str, port: int) -> Address | None:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return None
    return Address(socket.AF_INET if ip.version == 4 else socket.AF_INET6, str(ip), port)


async def _look_up(host: str, port: int) -> list[Address]:
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        if not isinstance(error, socket.gaierror) or error.errno == socket.EAI_SYSTEM:
            raise SimulationFailed(
                ErrorKind.INTERNAL,
                f"expected this machine to look up {host}; got: {error}: raise its limits (ulimit -n)",
            ) from error
        raise _unknown(host, error) from None
    except UnicodeError as error:
        raise _unknown(host, error) from None
    ordered = [Address(family, str(where[0]), port) for family, _, _, _, where in found]
    return list(dict.fromkeys(ordered))


def _unknown(host: str, error: Exception) -> NotReached:
    reason = getattr(error, "strerror", None) or str(error)
    return NotReached(
        ErrorKind.DNS_FAILED, f"expected {host} to resolve to an address; got: {reason}: check the host's name"
    )
