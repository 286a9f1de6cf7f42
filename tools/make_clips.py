"""Speaks the clips that come with the package again. Needs `espeak-ng` on the PATH.

The texts and voices are in `coval_load/codecs/audio/clips/clips.json`; the FLAC files are written beside it.
Run: `python tools/make_clips.py`
"""

import io
import json
import subprocess
import wave
from pathlib import Path

import av
import numpy as np
import samplerate
from numpy.typing import NDArray

CLIPS = Path(__file__).parent.parent / "coval_load" / "codecs" / "audio" / "clips"
RATE_HZ = 24_000
LOUDNESS_DBFS = -20.0
PEAK = 0.97
MARGIN_S = 0.02
WINDOW_S = 0.01
AUDIBLE_DBFS = -45.0
WORDS_A_MINUTE = 165
STEP = 8

Samples = NDArray[np.float32]


def speak(text: str, voice: str) -> tuple[Samples, int]:
    command = ["espeak-ng", "-v", voice, "-s", str(WORDS_A_MINUTE), "--stdin", "--stdout"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    with wave.open(io.BytesIO(done.stdout)) as spoken:
        pcm = spoken.readframes(spoken.getnframes())
        return np.frombuffer(pcm, "<i2").astype(np.float32) / 32768, spoken.getframerate()


def windows_dbfs(samples: Samples) -> NDArray[np.float64]:
    """Loudness of each whole 10 ms window."""
    width = int(RATE_HZ * WINDOW_S)
    whole = samples[: len(samples) // width * width].reshape(-1, width).astype(np.float64)
    return 20 * np.log10(np.sqrt((whole**2).mean(axis=1)) + 1e-9)


def trim(samples: Samples) -> Samples:
    audible = np.flatnonzero(windows_dbfs(samples) > AUDIBLE_DBFS)
    width, margin = int(RATE_HZ * WINDOW_S), int(RATE_HZ * MARGIN_S)
    start = max(0, int(audible[0]) * width - margin)
    return samples[start : (int(audible[-1]) + 1) * width + margin]


def normalise(samples: Samples) -> Samples:
    loudness = float(np.sqrt((samples.astype(np.float64) ** 2).mean()))
    louder = samples * (10 ** (LOUDNESS_DBFS / 20) / loudness)
    # Limiting a few peaks is inaudible; scaling the whole clip down for them would make it too soft.
    return np.clip(louder, -PEAK, PEAK).astype(np.float32)


def write_flac(path: Path, samples: Samples) -> None:
    with av.open(str(path), "w", format="flac") as container:
        # Without bitexact the encoder's version would be written into the file.
        options = {"flags": "+bitexact", "compression_level": "12"}
        stream = container.add_stream("flac", rate=RATE_HZ, layout="mono", options=options)
        container.flags |= 0x400
        # Synthetic speech has nothing to be heard in its lowest 3 bits, a third of the file.
        pcm = (np.round(samples * 32767 / STEP) * STEP).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[np.newaxis, :], format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def longest_pause_s(samples: Samples) -> float:
    audible = np.flatnonzero(windows_dbfs(samples) > AUDIBLE_DBFS)
    return float(np.diff(audible).max() - 1) * WINDOW_S


def main() -> None:
    total = 0
    for name, clip in json.loads((CLIPS / "clips.json").read_text("utf-8")).items():
        spoken, rate_hz = speak(clip["text"], clip["voice"])
        resampled = samplerate.resample(spoken, RATE_HZ / rate_hz, "sinc_best")
        samples = normalise(trim(normalise(resampled)))
        path = CLIPS / f"{name}.flac"
        write_flac(path, samples)
        total += path.stat().st_size
        peak = np.abs(samples).max()
        rms = 20 * np.log10(np.sqrt((samples.astype(np.float64) ** 2).mean()))
        line = (
            f"{name:18} {len(samples) / RATE_HZ:5.2f} s  rms {rms:5.1f} dBFS  peak {peak:.2f}"
            f"  longest pause {longest_pause_s(samples) * 1000:3.0f} ms  {path.stat().st_size:6} bytes"
        )
        print(line)
    print(f"{total} bytes altogether")


if __name__ == "__main__":
    main()
