"""MP3 as it streams in: cut anywhere, decoded as it comes, as mono PCM at a stated rate."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import av

MOST_BYTES_WITHOUT_FRAME = 64 * 1024
# One is what a tag between two files costs; noise costs one after another.
_MOST_BAD_PACKETS = 8
# The first frame of a file may hold a table of contents and no sound; players leave it out. Its name
# stands after the frame's header (4 bytes) and side information (9, 17 or 32 bytes).
_CONTENTS_OFFSETS = (13, 21, 36)
_CONTENTS_NAMES = (b"Xing", b"Info", b"VBRI")


class Mp3Stream:
    """A streaming MP3 decoder that buffers some 64 KB at most, whatever comes.

    So many bytes without a single frame, or one undecodable frame after another, are a problem, after
    which it starts afresh. Tags before a file and between two are passed over, tables of contents are
    left out. FFmpeg is loaded when the first byte comes.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._codec: av.AudioCodecContext | None = None
        self._resampler: av.AudioResampler | None = None
        self._source: tuple[str, str, int] | None = None
        self._bytes_without_frame = 0
        self._bad_packets = 0

    def push(self, data: bytes) -> tuple[bytes, str | None]:
        """Mono PCM of the frames that are complete now, and what is wrong, if anything. Never raises."""
        pcm: list[bytes] = []
        problem = None
        # In slices, so that one huge message of garbage is not held in one piece either.
        for start in range(0, len(data), MOST_BYTES_WITHOUT_FRAME):
            piece = data[start : start + MOST_BYTES_WITHOUT_FRAME]
            self._bytes_without_frame += len(piece)
            pcm.extend(self._decode(piece))
            problem = self._find_problem() or problem
        return b"".join(pcm), problem

    def _find_problem(self) -> str | None:
        if self._bad_packets > _MOST_BAD_PACKETS:
            problem = f"expected MP3 audio; {self._bad_packets} frames in a row can't be decoded"
        elif self._bytes_without_frame > MOST_BYTES_WITHOUT_FRAME:
            problem = f"expected MP3 audio; {self._bytes_without_frame} bytes came without one frame of it"
        else:
            return None
        self._codec = None
        self._bytes_without_frame = 0
        self._bad_packets = 0
        return problem

    def _decode(self, data: bytes) -> Iterator[bytes]:
        import av

        if self._codec is None:
            self._codec = av.AudioCodecContext.create("mp3", "r")
        for packet in self._codec.parse(data):
            try:
                frames = self._decode_packet(self._codec, packet)
            except av.error.FFmpegError:
                self._bad_packets += 1
                continue
            for frame in frames:
                self._bytes_without_frame = 0
                self._bad_packets = 0
                yield from self._resample(frame)

    def _decode_packet(self, codec: "av.AudioCodecContext", packet: "av.Packet[Any]") -> list["av.AudioFrame"]:
        import av

        data = bytes(packet)
        tag = _id3_size(data)
        if tag:
            packet = av.Packet(data[tag:])
        if any(data[tag + offset : tag + offset + 4] in _CONTENTS_NAMES for offset in _CONTENTS_OFFSETS):
            self._bytes_without_frame = 0
            return []
        return codec.decode(packet)

    def _resample(self, frame: "av.AudioFrame") -> Iterator[bytes]:
        import av

        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or source != self._source:
            # One agent, several voices: each utterance may have a rate and channels of its own.
            self._resampler = av.AudioResampler("s16", "mono", self._rate_hz)
            self._source = source
        for resampled in self._resampler.resample(frame):
            yield bytes(resampled.planes[0])[: resampled.samples * 2]


def _id3_size(data: bytes) -> int:
    """Length of the ID3v2 tag before a frame in `data` (id3.org, ID3v2.4 section 3.1), 0 without either."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 10
    for place, byte in enumerate(reversed(data[6:10])):
        size += (byte & 0x7F) << 7 * place
    # An empty packet would tell FFmpeg that the stream is over.
    return size if size < len(data) else 0
