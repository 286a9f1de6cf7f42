"""How a conversation was lost, and which of several reasons stands."""

import attrs

from coval_load.engine.outcome import ErrorKind, SimulationFailed

_RANKS = {kind: rank for rank, kind in enumerate(ErrorKind)}


@attrs.frozen
class Loss:
    """The connection ended, or a message could not be read, at `at`.

    `clean`: what came before it is whole and still counts, as after a hang-up in good order.
    """

    failure: SimulationFailed
    clean: bool
    at: float


def worse(known: Loss | None, then: Loss) -> Loss:
    """The first loss stands unless a more telling one follows: a decode error outranks its hang-up."""
    if known is None or _RANKS[then.failure.kind] > _RANKS[known.failure.kind]:
        return then
    return known
