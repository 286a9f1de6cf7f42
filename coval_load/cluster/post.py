"""How a coordinator and its workers reach each other: the seam between what a run does and what carries it."""

from typing import Protocol

import attrs


@attrs.frozen
class Expected:
    """A worker was asked for on `host` and will say hello when it is up; `worker` is what it is called here."""

    worker: str
    host: str


@attrs.frozen
class Arrived:
    """Bytes from a worker, in the order in which it sent them: `messages.decode_from_worker` reads them."""

    worker: str
    data: bytes


@attrs.frozen
class Gone:
    """Nothing more will come from a worker. `is_dead`: its process has surely ended, so its connections are closed."""

    worker: str
    why: str
    is_dead: bool


@attrs.frozen
class Broken:
    """Nobody can be reached any more: the scheduler is gone."""

    why: str


News = Expected | Arrived | Gone | Broken


class Post(Protocol):
    """Carries bytes between one coordinator and its workers, in order, each message once as long as both live."""

    def send(self, worker: str, data: bytes) -> None:
        """Never waits; what can't be delivered is dropped, and sooner or later the worker is told to be `Gone`."""
        ...

    def kill(self, worker: str) -> None:
        """End a worker's process, wherever it is, if somebody there still listens. `Gone` follows if so."""
        ...

    async def receive(self) -> News:
        """The next thing that happened."""
        ...
