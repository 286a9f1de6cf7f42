"""Whose TLS handshake is computed next."""

import attrs
import trio


@attrs.define(eq=False)
class HandshakeTurn:
    """Lets one handshake at a time be computed, in a round of the event loop each.

    One that goes on comes before those that have not begun: while it lasts it holds buffers of tens of kilobytes, and
    of a thousand that all begin first and end later that stays taken. Within each kind it is first come, first served.
    """

    _is_taken: bool = attrs.field(default=False, init=False)
    _going_on: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)
    _beginning: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)

    async def take(self, *, goes_on: bool) -> None:
        """Wait for it. It must be given back."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._is_taken:
            await (self._going_on if goes_on else self._beginning).park()  # it is handed over, and so stays taken
        else:
            self._is_taken = True
            await trio.lowlevel.cancel_shielded_checkpoint()

    def give_back(self) -> None:
        """Let the next one have it."""
        waiting = self._going_on or self._beginning
        if waiting:
            waiting.unpark()
        else:
            self._is_taken = False
