"""The caller's mouth: a frame each 20 ms for the whole conversation, speech or silence, as a microphone sends."""

from collections.abc import Callable, Iterable

import attrs

from coval_load.actors.clips import PreparedClip
from coval_load.codecs.dialects.interface import Outgoing, VoiceDialect
from coval_load.engine.doorbell import Doorbell
from coval_load.engine.link import Link
from coval_load.engine.metronome import FRAME_S, Metronome


@attrs.frozen
class Speech:
    """When a clip is said: all due times, in seconds of the Trio clock.

    A sample is due when its frame is, plus its offset within the frame.
    """

    start_at: float
    first_audible_at: float
    last_audible_at: float
    end_at: float


@attrs.define(eq=False)
class Pacer:
    """Sends what the caller says on the metronome; silence in between, unless `send_silence` is off."""

    link: Link
    dialect: VoiceDialect
    metronome: Metronome
    bell: Doorbell
    silence_body: bytes
    send_silence: bool
    frames_sent: int = attrs.field(default=0, init=False)
    frames_skipped: int = attrs.field(default=0, init=False)
    _bodies: tuple[bytes, ...] = attrs.field(default=(), init=False)
    _position: int = attrs.field(default=0, init=False)
    _owes_end: bool = attrs.field(default=False, init=False)
    _begun: bool = attrs.field(default=False, init=False)
    _next_due: float = attrs.field(default=0.0, init=False)
    _is_text: bool = attrs.field(init=False)
    _silence: bytes = attrs.field(init=False)
    _wrap: Callable[[bytes], bytes] | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.switch(self.link, self.dialect)

    def switch(self, link: Link, dialect: VoiceDialect) -> None:
        """Send over `link` from here on, as `dialect` has it."""
        self.link, self.dialect = link, dialect
        self._is_text = dialect.frames_are_text
        self._silence = dialect.frame(self.silence_body)

    def start(self) -> None:
        """Take a seat on the metronome."""
        self._next_due = self.metronome.join(self)

    def stop(self) -> None:
        """Leave the metronome. Harmless when called again."""
        self.metronome.leave(self)

    @property
    def speaking(self) -> bool:
        """Whether a clip is being said."""
        return bool(self._bodies)

    def speak(self, clip: PreparedClip) -> Speech:
        """Begin to say `clip` with the next frame that is due; the bell rings when its last frame was sent.

        What the dialect sends around something said goes out before its first frame and when its last is over.
        """
        self._bodies = clip.bodies
        self._position = 0
        self._begun = False  # its first frame may be left out for being late
        self._wrap = None if clip.are_messages else self.dialect.frame
        start = self._next_due
        return Speech(
            start,
            start + clip.first_audible_s,
            start + clip.last_audible_s,
            start + len(clip.bodies) * FRAME_S,
        )

    def frame_due(self, due: float) -> bool:
        """Send one frame; see `metronome.Speaker`."""
        self._next_due = due + FRAME_S
        if self._owes_end:
            self._end_turn()
        bodies = self._bodies
        if bodies:
            position = self._position
            body = bodies[position]
            if self._wrap is not None:
                body = self._wrap(body)
            if not self._begun:
                self._begun = True
                self._send(self.dialect.turn_started())
            self.link.send_nowait(body, self._is_text)
            self._position = position = position + 1
            if position == len(bodies):
                self._finish()
        elif self.send_silence:
            self.link.send_nowait(self._silence, self._is_text)
        else:
            return False
        self.frames_sent += 1
        return True

    def _send(self, messages: Iterable[Outgoing]) -> None:
        for message in messages:
            self.link.send_nowait(message.payload, message.is_text)

    def frame_skipped(self, due: float) -> None:
        """Leave one frame out; what is said goes on as time does."""
        self._next_due = due + FRAME_S
        if self._owes_end:
            self._end_turn()
        self.frames_skipped += 1
        if self._bodies:
            self._position += 1
            if self._position == len(self._bodies):
                self._finish()

    def broke(self, error: Exception) -> None:
        """Sending raised: the connection's end carries the reason."""
        self.link.broke(error)

    def _finish(self) -> None:
        self._bodies = ()
        self._owes_end = True
        self.bell.ring()

    def _end_turn(self) -> None:
        # Not with the last frame: its sound is over when the next is due.
        self._owes_end = False
        self._send(self.dialect.turn_ended())
