"""How the Gemini Live agent takes its turns, in virtual time."""

import base64

import pytest
import trio
from gemini_scene import CUT_TURN, SETUP, SILENCE, WHOLE_TURN, Scene, content, interrupt, one_turn, pcm_of
from reference_callers import tone

MANUAL = SETUP | {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}}
TRANSCRIBED = SETUP | {"inputAudioTranscription": {}, "outputAudioTranscription": {}}


async def test_a_turn_from_setup_to_its_end(autojump_clock):
    scene = Scene("--delay=600ms", "--end-silence=300ms", "--reply-seconds=2")
    wire = await scene.play(one_turn)
    assert wire.kinds() == ["setupComplete", *WHOLE_TURN]
    (ready,), (began,), (ended,), (replied,), (done,) = map(
        scene.stamps.times, ("ready", "heard_start", "heard_end", "reply_start", "response_done")
    )
    assert (ready, began, ended) == (pytest.approx(0), pytest.approx(0, abs=1e-3), pytest.approx(0.5, abs=1e-3))
    assert replied - ended == pytest.approx(0.6)
    assert wire.of("audio")[0][0] == replied
    # All was sent at once; the turn is over when it has been played.
    assert wire.of("generationComplete")[0][0] == pytest.approx(replied)
    assert wire.of("turnComplete")[0][0] == done == pytest.approx(replied + 2)
    assert len(pcm_of(wire)) == 2 * 24_000 * 2
    assert all(isinstance(frame, bytes) for frame in wire.frames)
    assert content(wire.of("turnComplete")[0][1])["interactionStatus"] == "IDLE"


async def test_rate_and_frames_are_switches(autojump_clock):
    scene = Scene("--agent-rate=16000", "--text-frames", "--reply-seconds=1")
    wire = await scene.play(one_turn)
    blob = content(wire.of("audio")[0][1])["modelTurn"]["parts"][0]["inlineData"]
    assert blob["mimeType"] == "audio/pcm;rate=16000"
    assert len(pcm_of(wire)) == 16_000 * 2
    assert all(isinstance(frame, str) for frame in wire.frames)


async def test_the_caller_says_how_long_its_silence_is(autojump_clock):
    detection = {"automaticActivityDetection": {"silenceDurationMs": 900}}
    scene = Scene("--delay=300ms", "--end-silence=300ms")
    await scene.play(one_turn, SETUP | {"realtimeInputConfig": detection})
    assert scene.stamps.times("reply_start")[0] == pytest.approx(0.5 + 0.9, abs=0.021)


async def test_only_silence_that_comes_ends_a_turn(autojump_clock):
    async def stop_sending(wire):
        await wire.stream(tone(0.5))
        await trio.sleep(10)
        assert scene.stamps.times("heard_end") == []
        wire.input(audioStreamEnd=True)
        await trio.sleep(10)

    scene = Scene("--delay=600ms")
    wire = await scene.play(stop_sending)
    assert scene.stamps.times("heard_end")[0] == pytest.approx(0.5, abs=1e-3)
    assert scene.stamps.times("reply_start")[0] == pytest.approx(10.5, abs=0.02)
    assert "generationComplete" in wire.kinds()


async def test_old_media_chunks_at_another_rate(autojump_clock):
    async def speak(wire):
        data = base64.b64encode(tone(0.5, 24_000) + SILENCE[: 24_000 * 2]).decode()
        wire.say(realtime_input={"media_chunks": [{"data": data, "mime_type": "audio/pcm;rate=24000"}]})
        await trio.sleep(10)

    scene = Scene()
    await scene.play(speak)
    assert scene.stamps.times("heard_end")[0] == pytest.approx(0.5, abs=1e-3)


async def test_a_turn_whose_ends_the_caller_tells(autojump_clock):
    async def speak(wire):
        await wire.stream(tone(0.2))  # not yet part of a turn
        wire.input(activityStart={})
        await wire.be_silent(0.1)
        await wire.stream(tone(0.3))
        await wire.be_silent(2)
        assert scene.stamps.times("heard_end") == []
        wire.input(activityEnd={})
        await trio.sleep(10)

    scene = Scene("--delay=600ms")
    wire = await scene.play(speak, MANUAL)
    assert scene.stamps.times("heard_start") == [pytest.approx(0.3, abs=1e-3)]
    assert scene.stamps.times("heard_end") == [pytest.approx(0.6, abs=1e-3)]
    assert scene.stamps.times("reply_start") == [pytest.approx(2.6, abs=0.02)]
    assert wire.kinds() == ["setupComplete", *WHOLE_TURN]


async def test_a_turn_of_silence_that_the_caller_tells_of(autojump_clock):
    async def say_nothing(wire):
        wire.input(activityStart={})
        await wire.be_silent(0.5)
        wire.input(activityEnd={})
        await trio.sleep(10)

    scene = Scene("--delay=600ms")
    await scene.play(say_nothing, MANUAL)
    assert scene.stamps.times("heard_start") == [pytest.approx(0)]
    assert scene.stamps.times("reply_start") == [pytest.approx(1.1)]


@pytest.mark.parametrize(
    ("setup", "message"),
    [
        (SETUP, {"activityStart": {}}),
        (SETUP, {"activityEnd": {}}),
        (MANUAL, {"audioStreamEnd": True}),
    ],
)
async def test_who_detects_activity_is_settled_by_the_setup(autojump_clock, setup, message):
    async def speak(wire):
        wire.input(**message)
        await trio.sleep(1)

    wire = await Scene().play(speak, setup)
    assert wire.closed[0] == 1007


async def test_transcripts_in_pieces(autojump_clock):
    wire = await Scene("--reply-seconds=1").play(one_turn, TRANSCRIBED)
    heard = [content(message)["inputTranscription"] for _, message in wire.of("inputTranscription")]
    said = [content(message)["outputTranscription"] for _, message in wire.of("outputTranscription")]
    assert "".join(piece["text"] for piece in heard) == "what the caller said in turn 1"
    assert "".join(piece["text"] for piece in said) == "Sure, I can help you with that. What else would you like?"
    assert [piece.get("finished", False) for piece in (*heard, said[-1])] == [False, True, True]


@pytest.mark.parametrize(("setup", "argument"), [(SETUP, "--transcripts"), (TRANSCRIBED, "--no-transcripts")])
async def test_no_transcripts_that_nobody_asked_for(autojump_clock, setup, argument):
    wire = await Scene(argument).play(one_turn, setup)
    assert not wire.of("inputTranscription")
    assert not wire.of("outputTranscription")


async def test_tokens_by_modality(autojump_clock):
    async def twice(wire):
        await one_turn(wire)
        await one_turn(wire)

    wire = await Scene("--reply-seconds=2").play(twice)
    first, second = [message["usageMetadata"] for _, message in wire.of("usageMetadata")]
    assert first["promptTokensDetails"] == [{"modality": "AUDIO", "tokenCount": 12}]
    assert first["responseTokensDetails"] == [{"modality": "AUDIO", "tokenCount": 50}]
    assert second["promptTokenCount"] == first["totalTokenCount"] + 12


@pytest.mark.parametrize("mode", ["paced", "burst"])
async def test_a_caller_speaks_over_the_reply(autojump_clock, mode):
    scene = Scene(f"--mode={mode}", "--reply-seconds=3", "--delay=600ms")
    wire = await scene.play(interrupt)
    # A burst was sent long before: its generation was complete.
    cut = ["audio", *(["generationComplete"] if mode == "burst" else []), *CUT_TURN]
    assert wire.kinds() == ["setupComplete", *cut, *WHOLE_TURN]
    (heard,) = scene.stamps.times("barge_in_heard")
    assert heard == pytest.approx(2.1, abs=0.001)
    assert wire.of("interrupted")[0][0] - heard < 0.021
    assert wire.of("turnComplete")[0][0] == wire.of("interrupted")[0][0]
    said = [stamp["audio_s"] for stamp in scene.stamps.of("reply_end")]
    assert said == [pytest.approx(1.0 if mode == "paced" else 3.0, abs=0.03), pytest.approx(3.0)]
    assert [stamp["status"] for stamp in scene.stamps.of("response_done")] == ["cancelled", "completed"]


@pytest.mark.parametrize(
    ("argument", "handling"), [("--ignores-barge-in", "START_OF_ACTIVITY_INTERRUPTS"), ("--yields", "NO_INTERRUPTION")]
)
async def test_a_caller_is_not_let_in(autojump_clock, argument, handling):
    scene = Scene("--mode=paced", "--reply-seconds=3", argument)
    wire = await scene.play(interrupt, SETUP | {"realtimeInputConfig": {"activityHandling": handling}})
    assert wire.kinds() == ["setupComplete", *WHOLE_TURN, *WHOLE_TURN]
    assert len(scene.stamps.times("barge_in_heard")) == 1


async def test_a_caller_goes_on_before_the_answer(autojump_clock):
    async def hesitate(wire):
        await wire.stream(tone(0.2))
        await wire.be_silent(0.4)
        await one_turn(wire)

    scene = Scene("--delay=1s", "--end-silence=300ms")
    wire = await scene.play(hesitate)
    assert [stamp["turn"] for stamp in scene.stamps.of("reply_start")] == [2]
    assert wire.kinds() == ["setupComplete", *WHOLE_TURN]


async def test_two_turns_at_once_are_answered_as_one(autojump_clock):
    async def hurry(wire):
        wire.sound(tone(0.2) + SILENCE[:16_000] + tone(0.2) + SILENCE)
        await trio.sleep(20)

    scene = Scene("--delay=600ms")
    wire = await scene.play(hurry)
    assert len(scene.stamps.of("heard_end")) == 2
    assert [stamp["turn"] for stamp in scene.stamps.of("reply_start")] == [2]
    assert wire.kinds() == ["setupComplete", *WHOLE_TURN]


async def test_voice_activity(autojump_clock):
    wire = await Scene("--voice-activity").play(one_turn)
    assert [message["voiceActivity"] for _, message in wire.of("voiceActivity")] == [
        {"type": "ACTIVITY_START", "audioOffset": "0s"},
        {"type": "ACTIVITY_END", "audioOffset": "0.5s"},
    ]


async def test_turns_that_are_written(autojump_clock):
    async def write(wire):
        wire.say(client_content={"turns": [{"role": "user", "parts": [{"text": "hello"}]}], "turn_complete": True})
        await trio.sleep(10)
        wire.input(text="hello again")
        await trio.sleep(10)

    scene = Scene("--delay=600ms", "--reply-seconds=1")
    wire = await scene.play(write)
    assert wire.kinds() == ["setupComplete", *WHOLE_TURN, *WHOLE_TURN]
    assert scene.stamps.times("reply_start") == [pytest.approx(0.6), pytest.approx(10.6)]
    assert [stamp["kind"] for stamp in scene.stamps.of("message_in")] == ["clientContent", "text"]


async def test_what_is_written_interrupts(autojump_clock):
    async def write(wire):
        await wire.stream(tone(0.5))
        await wire.be_silent(1.1)
        wire.input(text="stop")
        await trio.sleep(10)

    scene = Scene("--mode=paced", "--reply-seconds=3")
    wire = await scene.play(write)
    assert wire.kinds() == ["setupComplete", "audio", *CUT_TURN, *WHOLE_TURN]


async def test_the_agent_is_asked_to_speak_first(autojump_clock):
    async def go_on(wire):
        await trio.sleep(1)
        wire.say(clientContent={"turns": [], "turnComplete": True})
        await trio.sleep(10)
        await one_turn(wire)

    scene = Scene("--tool-rounds=1", "--replies=text")
    wire = await scene.play(go_on)
    assert wire.of("audio")[0][0] == pytest.approx(1)
    assert [stamp["turn"] for stamp in scene.stamps.of("reply_start")] == [0]
    assert [stamp["turn"] for stamp in scene.stamps.of("heard_start")] == [1]


async def test_what_is_written_may_bring_what_was_said_before(autojump_clock):
    async def tell(wire):
        said = [{"role": role, "parts": [{"text": "hm"}]} for role in ("user", "model", "user")]
        wire.say(clientContent={"turns": said, "turnComplete": True})
        await trio.sleep(10)

    scene = Scene()
    await scene.play(tell)
    assert [stamp["turn"] for stamp in scene.stamps.of("reply_start")] == [2]


async def test_what_was_said_before_counts(autojump_clock):
    async def tell(wire):
        said = [
            {"role": role, "parts": [{"text": "hm"}]} for role in ("user", "model", "user", "model", "user", "model")
        ]
        wire.say(clientContent={"turns": said, "turnComplete": False})
        await one_turn(wire)

    scene = Scene()
    await scene.play(tell)
    assert [stamp["turn"] for stamp in scene.stamps.of("reply_start")] == [4]


@pytest.mark.parametrize("turns", [["user"], ["user", "model"]])
async def test_a_history_is_not_answered(autojump_clock, turns):
    async def tell(wire):
        said = [{"role": role, "parts": [{"text": "hm"}]} for role in turns]
        wire.say(clientContent={"turns": said, "turnComplete": False})
        wire.say(clientContent={"turns": said, "turnComplete": True})
        await one_turn(wire)

    scene = Scene()
    await scene.play(tell, SETUP | {"historyConfig": {"initialHistoryInClientContent": True}})
    assert [stamp["turn"] for stamp in scene.stamps.of("reply_start")] == [3]


async def test_replies_in_text(autojump_clock):
    text = SETUP | {"generationConfig": {"responseModalities": ["TEXT"]}}
    for scene, setup in ((Scene(), text), (Scene("--replies=text"), SETUP)):
        wire = await scene.play(one_turn, setup)
        parts = [content(message)["modelTurn"]["parts"][0]["text"] for _, message in wire.of("text")]
        assert "".join(parts) == "Sure, I can help you with that. What else would you like?"
        assert wire.kinds() == ["setupComplete", "text", *WHOLE_TURN[1:]]
        assert len(scene.stamps.times("message_out")) == 1


@pytest.mark.parametrize(
    ("arguments", "kinds", "reason"),
    [
        (["--replies=nothing"], ["waitingForInput", *WHOLE_TURN[2:]], None),
        (["--reply-status=incomplete"], ["audio", *WHOLE_TURN[2:]], "MAX_REGENERATION_REACHED"),
        (["--reply-status=incomplete", "--replies=text"], ["text", *WHOLE_TURN[2:]], "MAX_REGENERATION_REACHED"),
        (["--reply-status=failed"], WHOLE_TURN[2:], "RESPONSE_REJECTED"),
        (["--reply-status=cancelled"], ["audio", *CUT_TURN], None),
    ],
)
async def test_how_turns_end(autojump_clock, arguments, kinds, reason):
    scene = Scene("--reply-seconds=2", *arguments)
    wire = await scene.play(one_turn)
    assert wire.kinds() == ["setupComplete", *kinds]
    assert content(wire.of("turnComplete")[0][1]).get("turnCompleteReason") == reason
    if "audio" in kinds:
        assert len(pcm_of(wire)) == 24_000 * 2


async def test_the_spread_is_the_same_for_the_same_seed(autojump_clock):
    latencies = []
    for seed in (1, 1, 2):
        scene = Scene("--delay=600ms", "--spread=200ms", f"--seed={seed}")
        await scene.play(one_turn)
        latencies.append(scene.stamps.times("reply_start")[0] - scene.stamps.times("heard_end")[0])
    assert latencies[0] == pytest.approx(latencies[1]) != pytest.approx(latencies[2])
    assert all(0.4 <= latency <= 0.8 for latency in latencies)
