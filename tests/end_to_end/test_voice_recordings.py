"""What a run keeps of the sound of its conversations."""

import wave

import numpy as np
import pytest
import trio
from in_process import answers


async def test_a_recording_is_what_was_heard(virtual_time, speak_with, tone_of):
    ran = await speak_with(
        answers,
        tone_of(1.0),
        tone_of(0.5),
        metadata={"receive_sample_rate_hertz": 24_000},
        record={"audio": "all"},
    )
    recording = ran.row["recording"]
    with wave.open(str(ran.folder / recording["file"])) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 16_000)
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).astype(float)
    assert len(sound) / 16_000 == pytest.approx(ran.row["ended_at"] - recording["start"], abs=0.001)
    for channel, role in enumerate(("user", "assistant")):
        expected = [(turn["start"], turn["end"]) for turn in ran.turns(role)]
        assert len(expected) == 2
        found = [(start + recording["start"], end + recording["start"]) for start, end in loud(sound[:, channel])]
        assert np.array(found) == pytest.approx(np.array(expected), abs=0.025)


def loud(samples, quiet_s=0.1):
    """Start and end in seconds of each stretch of sound."""
    at = np.flatnonzero(np.abs(samples) > 1000)
    breaks = np.flatnonzero(np.diff(at) > quiet_s * 16_000)
    return [(part[0] / 16_000, (part[-1] + 1) / 16_000) for part in np.split(at, breaks + 1)]


async def test_only_a_sample_is_recorded(virtual_time, speak_with, tone_of):
    ran = await speak_with(
        answers, tone_of(0.5), record={"audio": {"sample": 2}}, load={"concurrency": 5, "simulations": 5}
    )
    kept = [row["recording"]["file"] for row in ran.rows if row["recording"]]
    assert len(kept) == 2
    beside = [file.replace(".wav", ".labels.txt") for file in kept]
    assert {f"recordings/{path.name}" for path in (ran.folder / "recordings").iterdir()} == {*kept, *beside}


async def test_a_recording_of_a_simulation_that_failed_is_whole_too(virtual_time, speak_with, tone_of):
    async def drops(call):
        await trio.sleep(0.7)
        await call.hang_up(1011)

    ran = await speak_with(drops, tone_of(1.0), record={"audio": "all"})
    assert ran.row["outcome"] == "failed"
    with wave.open(str(ran.folder / ran.row["recording"]["file"])) as file:
        assert file.getnframes() / 16_000 == pytest.approx(0.7, abs=0.02)


async def test_the_labels_beside_a_recording_show_no_secret(virtual_time, speak_with, tone_of):
    async def tells(call):
        await call.send(type="cart_update", token="sesame-4711")
        await answers(call)

    said = tone_of(0.5, text="it is sesame-4711")
    headers = {"custom_headers": {"X-Key": "sesame-4711"}, "non_audio_event_message_types": ["cart_update"]}
    ran = await speak_with(tells, said, metadata=headers, record={"audio": "all"})
    labels = (ran.folder / ran.row["recording"]["file"]).with_suffix(".labels.txt").read_text()
    found = [line.split("\t")[2] for line in labels.splitlines()]
    assert sorted(found) == ["agent", "caller: it is ***", 'event: cart_update {"type":"cart_update","token":"***"}']


async def test_labels_without_transcripts_say_only_who_spoke_when(virtual_time, speak_with, tone_of):
    ran = await speak_with(answers, tone_of(0.5), record={"audio": "all", "transcripts": "none"})
    labels = (ran.folder / ran.row["recording"]["file"]).with_suffix(".labels.txt").read_text()
    assert ran.row["transcript"] == []
    assert [line.split("\t")[2] for line in labels.splitlines()] == ["caller", "agent"]
