"""How connections of the Gemini Live agent begin, go wrong and end, and sessions go on, in virtual time."""

import pytest
import trio
from gemini_scene import KEY, SETUP, WHOLE_TURN, Scene, interrupt, one_turn


async def test_a_session_goes_on_over_another_connection(autojump_clock):
    scene = Scene("--reply-seconds=1")
    first = await scene.play(one_turn)
    handle = first.last_handle()
    resumed = SETUP | {"sessionResumption": {"handle": handle}}
    second = await scene.play(one_turn, resumed, number=1)
    assert [(s["connection"], s["turn"]) for s in scene.stamps.of("reply_start")] == [(0, 1), (1, 2)]
    usage = [wire.of("usageMetadata")[0][1]["usageMetadata"] for wire in (first, second)]
    assert usage[1]["promptTokenCount"] == usage[0]["totalTokenCount"] + 12
    assert second.last_handle() != handle
    # A handle leads to what the session was when it was given out, as often as it is used.
    await scene.play(one_turn, resumed, number=2)
    assert scene.stamps.of("reply_start")[-1]["turn"] == 2


async def test_a_handle_is_of_the_turn_after_which_it_came(autojump_clock):
    async def twice(wire):
        await one_turn(wire)
        handles.append(wire.last_handle())
        await one_turn(wire)

    handles = []
    scene = Scene()
    await scene.play(twice)
    await scene.play(one_turn, SETUP | {"sessionResumption": {"handle": handles[0]}}, number=1)
    assert [stamp["turn"] for stamp in scene.stamps.of("reply_start")] == [1, 2, 2]


async def test_the_callers_id_goes_on_too(autojump_clock):
    scene = Scene()

    async def converse(line):
        line.simulation_output_id = "sim-7" if line.number == 0 else None
        await scene_converse(line)

    scene_converse, scene.agent.converse = scene.agent.converse, converse
    wire = await scene.play(one_turn)
    await scene.play(one_turn, SETUP | {"sessionResumption": {"handle": wire.last_handle()}}, number=1)
    assert [stamp["simulation_output_id"] for stamp in scene.stamps.of("ready")] == ["sim-7", "sim-7"]


async def test_a_handle_that_nobody_gave(autojump_clock):
    wire = await Scene().play(one_turn, SETUP | {"sessionResumption": {"handle": "nobody's"}})
    assert wire.closed == (1008, "BidiGenerateContent session not found")
    assert wire.sent == []


@pytest.mark.parametrize("is_sole", [True, False])
async def test_a_session_whose_connection_is_still_open(autojump_clock, is_sole):
    async def resume_meanwhile(wire):
        await one_turn(wire)
        resumed = SETUP | {"sessionResumption": {"handle": wire.last_handle()}}
        others.append(await scene.play(one_turn, resumed, number=1))

    others = []
    scene = Scene(*(["--sole-connection"] if is_sole else []))
    wire = await scene.play(resume_meanwhile)
    assert (others[0].closed and others[0].closed[0]) == (1011 if is_sole else None)
    resumed = SETUP | {"sessionResumption": {"handle": wire.last_handle()}}
    assert (await scene.play(one_turn, resumed, number=2)).closed is None


@pytest.mark.parametrize(
    ("setup", "argument"), [({"model": "models/gemini-live"}, "--resumption"), (SETUP, "--no-resumption")]
)
async def test_no_handles(autojump_clock, setup, argument):
    assert not (await Scene(argument).play(one_turn, setup)).of("sessionResumptionUpdate")


@pytest.mark.parametrize(
    ("arguments", "told_at", "left", "ended_at"),
    [
        (["--go-away-after=5s", "--session-limit=8s"], [5], "3s", 8),
        (["--go-away-after=5s"], [5], "10s", 15),
        (["--session-limit=8s"], [], None, 8),
    ],
)
async def test_a_connection_ends_in_time(autojump_clock, arguments, told_at, left, ended_at):
    scene = Scene(*arguments)
    wire = await scene.play(one_turn)
    assert [at for at, _ in wire.of("goAway")] == told_at
    assert [message["goAway"]["timeLeft"] for _, message in wire.of("goAway")] == [left] * len(told_at)
    assert wire.closed == (1008, "The operation was aborted.")
    assert scene.stamps.times("rejected") == scene.stamps.times("closed") == [pytest.approx(ended_at)]


async def test_a_rate_limit(autojump_clock):
    async def thrice(wire):
        for _ in range(3):
            await one_turn(wire)

    wire = await Scene("--requests-limit=2").play(thrice)
    assert wire.kinds() == ["setupComplete", *WHOLE_TURN, *WHOLE_TURN]
    assert wire.closed[0] == 1011
    assert "RESOURCE_EXHAUSTED" in wire.closed[1]


@pytest.mark.parametrize(
    ("setup", "headers", "closed"),
    [
        (SETUP | {"voice": "Puck"}, KEY, 1007),
        (SETUP, {}, 1008),
        (SETUP, {"x-goog-api-key": "wrong"}, 1007),
        (None, KEY, None),
    ],
)
async def test_who_is_let_in(autojump_clock, setup, headers, closed):
    async def wait(wire):
        await trio.sleep(1)

    wire = await Scene().play(wait, setup, headers=headers)
    assert (wire.closed and wire.closed[0]) == closed
    assert wire.sent == []


async def test_the_setup_comes_first_and_once(autojump_clock):
    async def early(wire):
        wire.input(text="hello")
        await trio.sleep(1)

    async def late(wire):
        wire.say(setup=SETUP)
        await trio.sleep(1)

    assert (await Scene().play(early, None)).closed[0] == 1007
    assert (await Scene().play(late)).closed[0] == 1007


@pytest.mark.parametrize(
    ("kind", "kinds"),
    [
        ("no-ready", []),
        ("refused-setup", []),
        ("silence", ["setupComplete"]),
        ("unfinished", ["setupComplete", "audio"]),
        ("unknown-event", ["setupComplete", "futureEvent", "futureField", *WHOLE_TURN]),
        ("bad-base64", ["setupComplete", "audio", "generationComplete", "turnComplete"]),
    ],
)
async def test_what_goes_wrong(autojump_clock, kind, kinds):
    scene = Scene("--reply-seconds=1")
    wire = await scene.play(one_turn, kinds=[kind])
    assert wire.kinds() == kinds
    if kind != "no-ready":
        assert [stamp["kind"] for stamp in scene.stamps.of("misbehaved")] == [kind]
    assert (wire.closed and wire.closed[0]) == (1007 if kind == "refused-setup" else None)


async def test_audio_goes_on_after_an_interruption(autojump_clock):
    wire = await Scene("--mode=paced", "--reply-seconds=3").play(interrupt, kinds=["stray-audio"])
    stray = ["interrupted", "audio", "turnComplete"]
    assert wire.kinds()[: 2 + len(stray)] == ["setupComplete", "audio", *stray]


async def test_a_complaint_ends_nothing(autojump_clock):
    wire = await Scene("--complaints").play(one_turn)
    assert wire.kinds() == ["setupComplete", "error", *WHOLE_TURN]
