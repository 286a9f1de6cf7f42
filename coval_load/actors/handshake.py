"""What comes between the upgrade and the conversation: the ready message, where one is awaited."""

from collections.abc import Callable

import attrs

from coval_load.actors.loss import Loss
from coval_load.codecs.dialects.interface import Handshaking
from coval_load.codecs.events import ReadyReceived
from coval_load.engine.doorbell import Doorbell
from coval_load.engine.outcome import ErrorKind, SimulationFailed


@attrs.define
class Handshake:
    """Waits for the ready message, where the agent's format says what it is.

    Texts and audio that come earlier are kept by whoever hears them; nothing is lost here.
    """

    awaited: Handshaking
    bell: Doorbell
    _ready: ReadyReceived | None = attrs.field(default=None, init=False)

    def ready(self, event: ReadyReceived) -> None:
        """The agent said that it is ready; only the first time counts."""
        if self._ready is None:
            self._ready = event
            self.bell.ring()

    async def complete(
        self, deadline: float, lost: Callable[[], Loss | None], explain: Callable[[], str]
    ) -> str | None:
        """The session id, if the agent gave one. Returns at once where no ready message is awaited.

        Raises SimulationFailed: `handshake_timeout`, `handshake_invalid`, or how the connection was lost.
        """
        awaited = self.awaited
        if not awaited.ready_message:
            return None
        if not await self.bell.until(lambda: self._ready is not None or lost() is not None, deadline):
            raise SimulationFailed(
                ErrorKind.HANDSHAKE_TIMEOUT,
                f"expected {awaited.ready_message} within {awaited.timeout_s:g} s of the upgrade; {explain()}"
                f"{awaited.advice and ': '}{awaited.advice}",
            )
        loss = lost()
        if self._ready is None:
            assert loss is not None
            raise loss.failure
        if awaited.requires_session_id and self._ready.session_id is None:
            raise SimulationFailed(
                ErrorKind.HANDSHAKE_INVALID,
                f"expected session_id in the {awaited.ready_message.removeprefix('a ')}; it has none: "
                "send one, or set handshake_requires_session_id to false",
            )
        return self._ready.session_id
