"""What an agent's audio shows of wrong settings: that it comes in bursts, or with a third of it missing."""

import attrs

from coval_load.actors.listener import Reply
from coval_load.codecs.dialects.interface import VoiceFormat

_BURST_FACTOR = 2.0
_BURST_AUDIO_S = 1.0
# So much less audio than speech is told, from so long a turn on. Half is what a doubled rate leaves.
_GAPS_FACTOR = 2 / 3
_GAPS_SPEECH_S = 1.0
_BYTES_A_SAMPLE = 2


@attrs.define
class PaceNotes:
    """Of turns that are listened to one after the other. Bytes of mono 16-bit PCM are counted over the conversation."""

    form: VoiceFormat
    _bytes_before: int = attrs.field(default=0, init=False)
    _since: float = attrs.field(default=0.0, init=False)

    def listen_from(self, at: float, bytes_received: int) -> None:
        """What is heard from here on is looked at."""
        self._bytes_before, self._since = bytes_received, at

    def on(self, reply: Reply, bytes_received: int) -> list[str]:
        """What to tell the user about a reply."""
        heard_s = (bytes_received - self._bytes_before) / _BYTES_A_SAMPLE / self.form.receive_rate_hz
        notes = []
        if not self.form.is_paced and self._is_burst(reply, heard_s):
            notes.append(
                "audio arrived faster than real time and pace_inbound_binary_audio is off, so arrival counts as "
                "hearing: callers answer early, and recordings hold it as fast as it came; set it to true to play the "
                "audio out"
            )
        if self.form.advice_on_gaps and self._has_gaps(reply, heard_s):
            notes.append(
                "its audio had gaps, with a third or more of a turn missing: if it speaks in real time, "
                f"{self.form.advice_on_gaps}"
            )
        return notes

    @staticmethod
    def _is_burst(reply: Reply, heard_s: float) -> bool:
        took_s = max(reply.ended_at - reply.arrived_at, 0.1)
        return heard_s > _BURST_AUDIO_S and heard_s > _BURST_FACTOR * took_s

    def _has_gaps(self, reply: Reply, heard_s: float) -> bool:
        # Of an agent that speaks in real time, a rate or a channel count that is too high shows in nothing else.
        spoke_s = reply.ended_at - reply.onset_at
        counted = reply.arrived_at >= self._since
        return counted and spoke_s > _GAPS_SPEECH_S and heard_s < _GAPS_FACTOR * spoke_s
