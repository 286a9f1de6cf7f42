import numpy as np
import pybase64
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.actors.clips import ClipShelf, prepare, read_source, silence
from coval_load.codecs.audio import g711
from coval_load.codecs.audio.files import AudioFileError, Clip
from coval_load.codecs.dialects.websocket_voice import WebSocketVoiceFormat

RATES = [8_000, 16_000, 24_000, 48_000]
RAW = "{{audio_data}}"
OWN_STREAM = '{"streamSid":"{{stream_sid}}","media":{"payload":"{{audio_data}}"}}'


def voice(rate_hz=16_000, **options):
    return WebSocketVoiceFormat(send_sample_rate_hertz=rate_hz, **options)


def tone(seconds, rate_hz, before_s=0.0, after_s=0.0, hz=440):
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    sound = (0.5 * np.cos(2 * np.pi * hz * at)).astype(np.float32)
    quiet = [np.zeros(round(s * rate_hz), np.float32) for s in (before_s, after_s)]
    return Clip(np.concatenate([quiet[0], sound, quiet[1]]), rate_hz)


def loudest_hz(pcm, rate_hz):
    samples = np.frombuffer(pcm, "<i2").astype(float)
    return np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * rate_hz / len(samples)


@pytest.mark.parametrize("to_hz", RATES)
@pytest.mark.parametrize("from_hz", [*RATES, 44_100])
def test_at_the_agents_rate_in_frames_of_20_ms(from_hz, to_hz):
    clip = prepare(tone(0.5, from_hz, before_s=0.2, after_s=0.3), voice(to_hz, send_audio_template=RAW))
    assert len(clip.bodies) == 50
    assert {len(body) for body in clip.bodies} == {to_hz // 50 * 2}
    assert clip.duration_s == pytest.approx(1.0)
    assert clip.first_audible_s == pytest.approx(0.2, abs=0.005)
    assert clip.last_audible_s == pytest.approx(0.7, abs=0.005)
    assert loudest_hz(b"".join(clip.bodies[12:33]), to_hz) == pytest.approx(440, abs=5)
    assert len(clip.pcm16k) == pytest.approx(2 * 16_000, abs=8)
    assert loudest_hz(clip.pcm16k[8_000:20_000], 16_000) == pytest.approx(440, abs=5)


@given(samples=st.integers(0, 2_000), rate_hz=st.sampled_from(RATES))
def test_the_last_frame_is_filled_up(samples, rate_hz):
    clip = prepare(Clip(np.full(samples, 0.5, np.float32), rate_hz), voice(rate_hz, send_audio_template=RAW))
    frame = rate_hz // 50
    assert len(clip.bodies) == -(-samples // frame)
    pcm = np.frombuffer(b"".join(clip.bodies), "<i2")
    assert (pcm[:samples] > 16_000).all()
    assert not pcm[samples:].any()


def test_without_a_sound_the_end_stands_for_both():
    clip = prepare(Clip(np.zeros(1_600, np.float32), 16_000), voice())
    assert clip.first_audible_s == clip.last_audible_s == clip.duration_s == pytest.approx(0.1)


def test_messages_are_made_once_where_they_are_the_same_for_all():
    form = voice()
    clip = prepare(tone(0.1, 16_000), form)
    assert clip.are_messages
    raw = prepare(tone(0.1, 16_000), voice(send_audio_template=RAW))
    dialect = form.open({})
    assert clip.bodies == tuple(dialect.frame(pybase64.b64encode(body)) for body in raw.bodies)


def test_where_each_simulation_has_its_own_only_the_audio_is_made():
    clip = prepare(tone(0.1, 16_000), voice(send_audio_template=OWN_STREAM))
    raw = prepare(tone(0.1, 16_000), voice(send_audio_template=RAW))
    assert not clip.are_messages
    assert [pybase64.b64decode(body) for body in clip.bodies] == list(raw.bodies)


def test_mu_law():
    ulaw = prepare(tone(0.1, 16_000), voice(8_000, audio_encoding="ulaw", send_audio_template=RAW))
    pcm = prepare(tone(0.1, 16_000), voice(8_000, send_audio_template=RAW))
    assert {len(body) for body in ulaw.bodies} == {160}
    assert ulaw.bodies == tuple(g711.encode(body) for body in pcm.bodies)


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_frame_of_silence(rate_hz):
    assert silence(voice(rate_hz, send_audio_template=RAW)) == bytes(rate_hz // 25)
    assert pybase64.b64decode(silence(voice(rate_hz))) == bytes(rate_hz // 25)
    ulaw = silence(voice(rate_hz, audio_encoding="ulaw", send_audio_template=RAW))
    assert set(ulaw) == {0xFF}


def test_each_is_made_once_for_each_format():
    shelf, form, other = ClipShelf(), voice(8_000), voice(16_000)
    name = "clip:" + sorted(packaged())[0]
    assert shelf.clip(name, form) is shelf.clip(name, form)
    assert shelf.clip(name, other) is not shelf.clip(name, form)
    assert len(shelf.clip(name, other).bodies) == len(shelf.clip(name, form).bodies)


def packaged():
    from coval_load.codecs.audio.packaged import CLIPS

    return CLIPS


def test_what_can_not_be_read_is_told(tmp_path):
    (tmp_path / "noise.wav").write_bytes(b"not audio")
    for path in (tmp_path / "noise.wav", tmp_path / "missing.wav"):
        with pytest.raises(AudioFileError, match=path.name):
            read_source(path)
    with pytest.raises(KeyError):
        read_source("clip:nobody-said-this")
