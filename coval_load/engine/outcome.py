"""How a simulation ended: one place turns whatever was raised into one outcome."""

import enum
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import attrs


class ErrorKind(enum.StrEnum):
    """Why a simulation failed. Closed; ordered from the least to the most telling cause."""

    CONNECTION_CLOSED = "connection_closed"
    NO_RESPONSE = "no_response"
    SIMULATION_TIMEOUT = "simulation_timeout"
    AGENT_NOT_READING = "agent_not_reading"
    HANDSHAKE_TIMEOUT = "handshake_timeout"
    CONNECT_TIMEOUT = "connect_timeout"
    HANDSHAKE_INVALID = "handshake_invalid"
    INVALID_MESSAGE = "invalid_message"
    AGENT_ERROR = "agent_error"
    RATE_LIMITED = "rate_limited"
    DNS_FAILED = "dns_failed"
    CONNECTION_REFUSED = "connection_refused"
    TLS_FAILED = "tls_failed"
    UPGRADE_REFUSED = "upgrade_refused"
    AUTHENTICATION_FAILED = "authentication_failed"
    SETUP_FAILED = "setup_failed"
    WORKER_LOST = "worker_lost"
    """The process that ran the simulation was lost: ours, as `INTERNAL` is, and never the agent's."""
    INTERNAL = "internal"


NOT_THE_AGENTS = frozenset({ErrorKind.WORKER_LOST, ErrorKind.INTERNAL})
"""What only `coval-load`, or a machine that it ran on, can bring about."""


class Stage(enum.StrEnum):
    """Where in its life a simulation was."""

    QUEUE = "queue"
    SETUP = "setup"
    CONNECT = "connect"
    HANDSHAKE = "handshake"
    CONVERSATION = "conversation"
    CLOSE = "close"


class SimulationFailed(Exception):
    """The agent, or the way to it, failed. The message says what was expected, what came, what to do."""

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class NotReached(SimulationFailed):
    """A dial failed in a way that may pass, as while an agent restarts: one may dial again.

    `retry_after_s` is how long the agent asks to wait at least, in seconds.
    """

    def __init__(self, kind: ErrorKind, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(kind, message)
        self.retry_after_s = retry_after_s


@attrs.frozen
class Failure:
    """What stands under `error` in `simulations.jsonl`.

    `turn` is the caller's turn that it happened in or after, from 1; 0 before the first. None outside of the
    conversation.
    """

    kind: ErrorKind
    stage: Stage
    message: str
    turn: int | None = None

    def row(self) -> dict[str, Any]:
        """As JSON."""
        return {"kind": self.kind.value, "stage": self.stage.value, "turn": self.turn, "message": self.message}


@attrs.frozen
class Outcome:
    """`status` is `completed`, `failed` or `cancelled` (the run ended first)."""

    status: Literal["completed", "failed", "cancelled"]
    error: Failure | None = None


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Every exception in a group of groups; the exception itself where it is none."""
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from leaves(member)
    else:
        yield error


def forget_frames(error: BaseException) -> None:
    """Take the tracebacks off `error`, its members, and what caused them, once all was said of them.

    A failure that was kept before it was raised leads by way of a traceback's frames to whoever keeps it: only the
    garbage collector could free the two.
    """
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        found = pending.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        found.__traceback__ = None
        pending += (found.__cause__, found.__context__)
        if isinstance(found, BaseExceptionGroup):
            pending += found.exceptions


def worst(failures: Iterable[Failure]) -> Failure:
    """The highest-ranking cause: a decode error that also closed the channel is not a hang-up."""
    ranks = list(ErrorKind)
    return max(failures, key=lambda failure: ranks.index(failure.kind))
