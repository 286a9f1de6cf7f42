"""The agent that speaks OpenAI Realtime, in virtual time, and what its callers say."""

from realtime_scenes import Scene, silence
from reference_callers import tone

from coval_load.reference.realtime.openai import OpenAIAgent

RATE_HZ = 24_000
DELTA = "response.output_audio.delta"


def scene(*arguments, **more):
    return Scene(OpenAIAgent, "--model-type=openai_realtime", *arguments, **more)


def append(audio):
    return {"type": "input_audio_buffer.append", "audio": audio}


def update(audio_input=None, **session):
    audio = {} if audio_input is None else {"audio": {"input": audio_input}}
    return {"type": "session.update", "event_id": "mine", "session": {"type": "realtime", **audio, **session}}


async def speak(wire, seconds=0.5, quiet_s=0.5):
    await wire.stream(tone(seconds, RATE_HZ) + silence(quiet_s, RATE_HZ), append, RATE_HZ)


def error(wire, nth=0):
    return wire.events("error")[nth]["error"]
