"""Gemini Live sessions that outlive their connections."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from coval_load.reference.memory import Memory
from coval_load.reference.realtime.gemini_fields import INTERNAL_ERROR, POLICY_VIOLATED, Refused

NOT_FOUND = "BidiGenerateContent session not found"
STILL_OPEN = "Internal error encountered."


@attrs.define
class Session:
    """What a conversation is to the API: the caller's turns so far, and how many tokens they and the replies took.

    `simulation_output_id` is the caller's id, so that it is known on connections that do not tell it.
    """

    number: int
    turn: int = 0
    text_tokens: int = 0
    audio_tokens: int = 0
    simulation_output_id: str | None = None


class Sessions:
    """What all connections of an agent share: sessions by their handles. The oldest are forgotten.

    If `are_exclusive`, a session can be gone on with only when its last connection has ended.
    """

    def __init__(self, are_exclusive: bool = False) -> None:
        self._are_exclusive = are_exclusive
        self._kept = Memory[Session]()
        self._open: set[int] = set()
        self._handles = itertools.count(1)
        self._numbers = itertools.count()

    def keep(self, session: Session) -> str:
        """A new handle of the session as it is now; earlier ones lead to what it was then."""
        handle = f"session-handle-{next(self._handles)}"
        self._kept.put(handle, attrs.evolve(session))
        return handle

    @contextmanager
    def take_up(self, handle: str | None) -> Iterator[Session]:
        """The session of a connection: a new one, or the one with this handle as it was when that was given out.

        Raises `Refused` where there is none, or where it must not be taken up yet.
        """
        session = Session(next(self._numbers)) if handle is None else self._resume(handle)
        self._open.add(session.number)
        try:
            yield session
        finally:
            self._open.discard(session.number)

    def _resume(self, handle: str) -> Session:
        session = self._kept.get(handle)
        if session is None:
            raise Refused(POLICY_VIOLATED, NOT_FOUND)
        if self._are_exclusive and session.number in self._open:
            raise Refused(INTERNAL_ERROR, STILL_OPEN)
        return attrs.evolve(session)
