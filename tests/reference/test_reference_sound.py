"""What the agent hears and how it sounds."""

import io

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_callers import tone

from coval_load.reference.hearing import MULAW, Heard, Hearing, audio_in
from coval_load.reference.sound import fit, load_clip, to_mp3, to_mulaw, to_pcm, trim_start

RATE_HZ = 16_000


def hear(pcm, at=0.0, **more):
    return Hearing(RATE_HZ, **more).hear(pcm, at)


def test_where_a_tone_begins_and_ends():
    heard = hear(bytes(2 * 1600) + tone(0.2) + bytes(2 * 800), at=5.0)
    assert (heard.first_at, heard.last_at) == pytest.approx((5.1, 5.3), abs=0.0005)


@pytest.mark.parametrize("pcm", [b"", b"\x01", bytes(640), np.full(320, 150, "<i2").tobytes()])
def test_silence_is_not_heard(pcm):
    assert hear(pcm) is None


def test_the_threshold_is_45_db_below_full_scale():
    amplitude = 32768 * 10 ** (-45 / 20)
    assert hear(np.full(160, int(amplitude), "<i2").tobytes()) is None
    assert hear(np.full(160, int(amplitude) + 1, "<i2").tobytes()) == Heard(0.0, 0.01)


def test_a_click_in_a_quiet_window_is_not_heard():
    samples = np.zeros(160, "<i2")
    samples[80] = 1000
    assert hear(samples.tobytes()) is None


@given(st.binary(max_size=2000), st.sampled_from(["pcm", "ulaw"]))
def test_whatever_comes_is_judged(data, encoding):
    heard = hear(data, 1.0, encoding=encoding)
    samples = len(data) // (2 if encoding == "pcm" else 1)
    assert heard is None or 1.0 <= heard.first_at < heard.last_at <= 1.0 + samples / RATE_HZ + 1e-9


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_messages_of_another_shape_hold_no_audio(message):
    assert audio_in(message) is None
    assert audio_in({"type": message, "data": "AAAA"}) is None


@pytest.mark.parametrize("data", [None, 5, "***", "AAA"])
def test_what_is_not_base64_is_told(data):
    with pytest.raises(ValueError, match=r"(?i)base64|expected|padding"):
        audio_in({"type": "audio_chunk", "data": data})


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
def test_a_clip_begins_with_sound(rate_hz):
    samples = load_clip("agent-greeting", rate_hz)
    assert len(samples) / rate_hz == pytest.approx(2.08, abs=0.03)
    heard = Hearing(rate_hz).hear(to_pcm(samples), 0.0)
    assert heard.first_at == 0.0


def test_trimming_takes_only_what_is_before_the_sound():
    samples = np.concatenate([np.zeros(777), np.full(480, 0.5)]).astype(np.float32)
    assert (trim_start(samples, 24_000) == samples[777:]).all()


def test_a_reply_is_looped_or_cut():
    samples = np.arange(3, dtype=np.float32)
    assert fit(samples, 7).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert fit(samples, 2).tolist() == [0, 1]


def test_stereo_holds_the_same_twice():
    assert np.frombuffer(to_pcm(np.float32([0, 0.5, -1]), 2), "<i2").tolist() == [0, 0, 16384, 16384, -32767, -32767]


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=50))
def test_mulaw_there_and_back(values):
    samples = np.float32(values)
    back = MULAW[np.frombuffer(to_mulaw(samples), np.uint8)].astype(float)
    linear = samples * 32767.0
    # A step of the segment that a value is in (ITU-T G.711): its magnitude's 16th, and at least 8.
    assert (np.abs(back - linear) <= np.maximum(8, (np.abs(linear) + 132) / 16)).all()


def test_mulaw_is_that_of_the_recommendation():
    # ITU-T G.711, table 2a: the codes for the greatest values, for zero, and their signs.
    assert to_mulaw(np.float32([0, 1, -1])) == b"\xff\x80\x00"
    assert MULAW[[0xFF, 0x7F, 0x80, 0x00]].tolist() == [0, 0, 32124, -32124]


@pytest.mark.parametrize("rate_hz", [8_000, 24_000, 48_000])
def test_mp3_can_be_decoded(rate_hz):
    samples = load_clip("agent-reply-2", rate_hz)
    with av.open(io.BytesIO(to_mp3(samples, rate_hz)), format="mp3") as decoded:
        stream = decoded.streams.audio[0]
        length = sum(frame.samples for frame in decoded.decode(audio=0))
        assert (stream.rate, stream.channels) == (rate_hz, 1)
    assert length / rate_hz == pytest.approx(len(samples) / rate_hz, abs=0.2)
