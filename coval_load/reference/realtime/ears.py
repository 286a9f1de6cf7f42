"""How a realtime agent hears when its caller begins and stops to speak: by energy, on the audio's own clock.

As in a provider's own detection of speech, silence counts only where it comes as audio: of a caller that stops sending
the agent never knows whether it has finished.
"""

import attrs
import trio

from coval_load.reference.hearing import Hearing

BLOCK_S = 0.02
MOST_AHEAD_S = 0.1
SAMPLE_BYTES = {"pcm": 2, "ulaw": 1, "alaw": 1}


@attrs.frozen
class SpeechStarted:
    """`at` is when the first audible sample was heard, in seconds on the clock of arrivals.

    `offset_s` is where that sample is in all audio that came on this connection.
    """

    at: float
    offset_s: float


@attrs.frozen
class SpeechStopped:
    """`at` is when the last audible sample was over, in seconds on the clock of arrivals.

    `offset_s` is where its end is in all audio that came; `known_offset_s` is where the silence was long enough,
    `known_at` when that was.
    """

    at: float
    offset_s: float
    known_offset_s: float
    known_at: float


Edge = SpeechStarted | SpeechStopped


class Ears:
    """Hears mono audio at `rate_hz`, `encoding` being `pcm` (16-bit little-endian), `ulaw` or `alaw`.

    `end_silence_s` of silence in the audio end what the caller says.
    """

    def __init__(self, rate_hz: int, encoding: str = "pcm", end_silence_s: float = 0.3) -> None:
        self.end_silence_s = end_silence_s
        self.is_speaking = False
        self.last_audible_at = 0.0
        self.heard_s = 0.0
        self._hearing = Hearing(rate_hz, encoding)
        self._bytes_per_s = rate_hz * SAMPLE_BYTES[encoding]
        self._sample_bytes = SAMPLE_BYTES[encoding]
        self._block_bytes = round(rate_hz * BLOCK_S) * self._sample_bytes
        self._last_audible_s = 0.0
        self._half_sample = b""

    def hear(self, audio: bytes, at: float) -> list[Edge]:
        """What began and ended in `audio`, whose first sample is heard at `at`."""
        audio = self._half_sample + audio
        whole = len(audio) - len(audio) % self._sample_bytes
        self._half_sample = audio[whole:]
        edges: list[Edge] = []
        began_s = self.heard_s
        for start in range(0, whole, self._block_bytes):
            block = audio[start : min(start + self._block_bytes, whole)]
            self._hear_block(block, at - began_s, edges)
        return edges

    def _hear_block(self, block: bytes, zero_at: float, edges: list[Edge]) -> None:
        heard = self._hearing.hear(block, self.heard_s)
        self.heard_s += len(block) / self._bytes_per_s
        if heard is not None:
            self._last_audible_s = heard.last_at
            self.last_audible_at = zero_at + heard.last_at
            if not self.is_speaking:
                self.is_speaking = True
                edges.append(SpeechStarted(zero_at + heard.first_at, heard.first_at))
        # A hair less: sums of binary fractions.
        elif self.is_speaking and self.heard_s - self._last_audible_s >= self.end_silence_s - 1e-9:
            edges.append(self._stop(zero_at + self.heard_s))

    def finish(self) -> SpeechStopped | None:
        """The caller said by a message of its own that it has finished; None where it was not speaking."""
        return self._stop(self.last_audible_at) if self.is_speaking else None

    def _stop(self, known_at: float) -> SpeechStopped:
        self.is_speaking = False
        return SpeechStopped(self.last_audible_at, self._last_audible_s, self.heard_s, known_at)


async def hear_until(at: float) -> None:
    """Waits until what is heard at `at` has been heard: audio comes a whole message at once, before it is played.

    Nobody is answered before he spoke; but a caller that sends audio faster than it plays is not waited for.
    """
    ahead_s = at - trio.current_time()
    if ahead_s > 0:
        await trio.sleep(min(ahead_s, MOST_AHEAD_S))
