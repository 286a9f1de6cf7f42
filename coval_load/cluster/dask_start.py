"""A Dask cluster to work with: one that is there already, or one of this machine's own for as long as it is used.

All of this runs in a thread of its own, with a loop of Dask's kind.
"""

import asyncio
import logging
import multiprocessing.resource_tracker
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import attrs

from coval_load.cluster.where import Local, Remote, Where, is_encrypted, is_loopback

CONNECT_WITHIN_S = 10.0
"""To a scheduler that is there already."""
START_WITHIN_S = 60.0
"""Workers on this machine."""
_CLOSE_WITHIN_S = 1.5
_SILENT = logging.CRITICAL + 1
_LOGGERS = ("distributed", "distributed.client", "tornado", "tornado.application", "bokeh")
_LOCAL = {
    "distributed.worker.profile.enabled": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.scheduler.worker-ttl": "15 s",
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.memory.pause": False,
}


@asynccontextmanager
async def open_client(where: Where) -> AsyncIterator[Any]:
    """A `distributed.Client` of the cluster. ValueError, for people, where there is none to be had."""
    opened = _open_local(where) if isinstance(where, Local) else _open_remote(where)
    with _silence():
        async with opened as client:
            yield client


@attrs.frozen
class Trust:
    """Which Dask workers may be told an agent's secrets."""

    where: Where

    def objection(self, address: str) -> str | None:
        """Why a Dask worker at `address` can't be used, if so."""
        if isinstance(self.where, Local) or self.where.allow_plaintext:
            return None
        if is_encrypted(address) or is_loopback(address):
            return None
        return (
            f"expected workers on this machine, or over TLS, since agents' secrets travel to them; got {address}: "
            "set up TLS for the Dask cluster, or allow it with --cluster-plaintext"
        )


async def open_queue(client: Any, name: str, most: int) -> Any:
    """A `distributed.Queue` of at most so many items; without a connection where the scheduler is in this very loop."""
    if client.cluster is None:
        return await _dask().Queue(name, client=client, maxsize=most)
    queues = client.cluster.scheduler.extensions["queues"]
    queues.create(name=name, maxsize=most)
    return _QueueHere(name, queues)


@attrs.frozen
class _QueueHere:
    """What `distributed.Queue` does with what goes over a connection: to go through TLS twice took half of the time."""

    name: str
    queues: Any

    async def put(self, value: Any) -> None:
        await self.queues.put(name=self.name, data=value)

    async def get(self, batch: bool = False) -> Any:
        found = await self.queues.get(name=self.name, batch=batch)
        return [one["value"] for one in found] if batch else found["value"]

    def close(self) -> None:
        self.queues.release(name=self.name)


@asynccontextmanager
async def _open_local(where: Local) -> AsyncIterator[Any]:
    import dask

    _keep_interrupts_away()
    with dask.config.set(_LOCAL):
        cluster = _dask().LocalCluster(
            n_workers=where.workers,
            threads_per_worker=1,
            processes=True,
            asynchronous=True,
            security=True,
            host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            memory_limit=0,
            silence_logs=_SILENT,
        )
        try:
            await asyncio.wait_for(cluster, START_WITHIN_S)
            async with _closing(_dask().Client(cluster, asynchronous=True, set_as_default=False)) as client:
                yield await client
        finally:
            await _end_cluster(cluster)


@asynccontextmanager
async def _open_remote(where: Remote) -> AsyncIterator[Any]:
    found = _dask().Client(
        where.address,
        asynchronous=True,
        set_as_default=False,
        security=_security(where),
        timeout=CONNECT_WITHIN_S,
    )
    async with _closing(found):
        try:
            await found
        except (OSError, ImportError, RuntimeError, TypeError) as error:
            raise ValueError(
                f"expected a Dask scheduler at {where.address}; got {type(error).__name__}: {error}: see that it runs "
                "and can be reached from here"
            ) from error
        yield found


def _security(where: Remote) -> Any:
    if not where.is_encrypted:
        return _dask().Security(require_encryption=False)
    security = _dask().Security(require_encryption=True)
    if not (security.tls_ca_file and security.tls_client_cert):
        raise ValueError(
            f"expected certificates for {where.address}; got none: set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, "
            "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT and DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY, or the same in "
            "Dask's configuration files"
        )
    return security


@asynccontextmanager
async def _closing(client: Any) -> AsyncIterator[Any]:
    try:
        yield client
    finally:
        with suppress(Exception):
            await client.close(timeout=_CLOSE_WITHIN_S)


async def _end_cluster(cluster: Any) -> None:
    with suppress(Exception):
        nannies = list(cluster.workers.values())
        await asyncio.gather(*(one.close(timeout=_CLOSE_WITHIN_S) for one in nannies), return_exceptions=True)
    with suppress(Exception):
        await asyncio.wait_for(cluster.close(), _CLOSE_WITHIN_S)


def _keep_interrupts_away() -> None:
    """Processes that this thread starts, and theirs, do not hear a Ctrl-C: what ends them is the coordinator."""
    multiprocessing.resource_tracker.ensure_running()  # or Dask does, after which interrupts would be heard again
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


@contextmanager
def _silence() -> Iterator[None]:
    """What goes wrong is told as news; what Dask says of it besides helps nobody who looks at a run."""
    _dask()  # sets the levels that are changed here
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    try:
        for name in levels:
            logging.getLogger(name).setLevel(_SILENT)
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _dask() -> Any:
    import distributed

    return distributed
