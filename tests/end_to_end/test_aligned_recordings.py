"""Recordings of calls to real processes over real sockets, held to the transcripts of the same calls."""

import wave
from itertools import pairwise

import numpy as np
import pytest
from in_process import run, write_tone
from processes import agents, plan_for_all

from coval_load.codecs.audio.onset import audible_span

RATE_HZ = 16_000
WITHIN_S = 0.02
AGENTS = {
    "8 kHz, all at once": ["--agent-rate=8000", "--mode=burst"],
    "16 kHz, in real time": ["--agent-rate=16000", "--mode=paced", "--leading-silence=70ms"],
    "24 kHz, faster than real time": ["--agent-rate=24000", "--mode=fast", "--message-ms=35"],
    "48 kHz, in real time": ["--agent-rate=48000", "--mode=paced", "--message-ms=110"],
}


async def test_every_turn_lies_where_the_transcript_has_it(tmp_path):
    clip = write_tone(tmp_path / "tone.wav", 0.5)
    say = {"type": "text", "text": "la", "audio": clip}
    turns = [say, {**say, "barge_in": {"after": "250ms"}}]
    options = ["--delay=300ms", "--reply-seconds=0.6"]
    async with agents(tmp_path, {name: [*options, *more] for name, more in AGENTS.items()}) as running:
        plan = plan_for_all(
            running,
            tmp_path,
            turns,
            persona={"wait_seconds": 0.1},
            load={"concurrency": 8, "simulations": 8},
            record={"audio": "all"},
            generator={"accept_invalid": True},
        )
        paced = [body | {"display_name": f"{body['display_name']}, played out"} for body in plan["agents"]]
        plan["agents"] = [*paced, *map(not_paced, plan["agents"])]
        ran = await run(plan, tmp_path / "run")
    assert len({row["agent"] for row in ran.rows}) == 8
    for row in ran.rows:
        assert row["error"] is None
        sound = read(ran.folder / row["recording"]["file"])
        for side, role in enumerate(("user", "assistant")):
            said = [(turn["start"], turn["end"]) for turn in row["transcript"] if turn["role"] == role]
            assert len(said) == 2
            found = heard(sound[:, side], np.array(said) - row["recording"]["start"])
            off_s = found + row["recording"]["start"] - np.array(said)
            assert np.abs(off_s).max() <= WITHIN_S, (row["agent"], role, off_s)

        assert labels(ran.folder / row["recording"]["file"]) == [
            (pytest.approx(turn["start"] - row["recording"]["start"], abs=1e-5), named(turn))
            for turn in row["transcript"]
        ]


def labels(recording):
    lines = recording.with_suffix(".labels.txt").read_text().splitlines()
    return [(float(start), label) for start, _, label in (line.split("\t") for line in lines)]


def named(turn):
    how = " (interrupted)" if "interrupted" in turn else " (interrupts)" if "interrupted_caller" in turn else ""
    return {"user": "caller: la", "assistant": "agent"}[turn["role"]] + how


def not_paced(body):
    return body | {"metadata": body["metadata"] | {"pace_inbound_binary_audio": False}}


def read(path):
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


def heard(samples, said):
    """When the sound around each of these turns begins and ends, in seconds."""
    middles = (said[1:, 0] + said[:-1, 1]) / 2
    edges = [0, *(round(middle * RATE_HZ) for middle in middles), len(samples)]
    spans = []
    for first, last in pairwise(edges):
        span = audible_span(samples[first:last].tobytes(), RATE_HZ)
        spans.append(((first + span[0]) / RATE_HZ, (first + span[1]) / RATE_HZ))
    return np.array(spans)
