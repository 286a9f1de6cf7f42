"""Each turn is one that every agent of the plan can take, and its files are there."""

from pathlib import Path

import pytest

from coval_load.plans import files
from coval_load.plans.speech import CannotSpeak

WAIT = {"conversation_initiation": "wait_for_user"}
HI = {"type": "text", "text": "Hi", "audio": "hello.wav"}


def cases(*turns):
    return [{"id": "a", "turns": list(turns)}]


def test_files_of_turns_become_absolute(load, folder):
    turns = (
        load(test_set=cases(HI, {"type": "audio", "audio": "clip:thanks-bye"}, {"type": "media", "file": "menu.png"}))
        .test_cases[0]
        .turns
    )
    assert [turn.audio for turn in turns[:2]] == [str(folder / "hello.wav"), "clip:thanks-bye"]
    assert turns[2].file == str(folder / "menu.png")


@pytest.mark.parametrize(
    ("turn", "fault"),
    [
        ({"type": "audio", "audio": "no.wav"}, ".audio: expected a file at "),
        ({"type": "audio", "audio": "x" * 4000}, ".audio: expected a file at "),
        ({"type": "text", "text": "a", "audio": "no.wav"}, ".audio: expected a file at "),
        ({"type": "audio", "audio": "clip:nope"}, ".audio: expected one of clip:pizza-order, "),
        ({"type": "media", "file": "no.png"}, ".file: expected a file at "),
        ({"type": "media", "file": "hello.wav"}, ".file: expected an image (.png, .jpg, .webp, ...); got hello.wav"),
        ({"type": "media", "file": "."}, ".file: expected a file at "),
        ({"type": "skip", "barge_in": {"after": 1}}, ".barge_in: unknown key; expected one of type, expects_reply"),
        ({"type": "dtmf", "digits": "1 2"}, '.digits: expected keypad digits 0-9, *, #, A-D; got "1 2"'),
        ({"type": "dtmf", "digits": 12}, ".digits: expected a string; got 12"),
        ({"type": "text"}, ".text: expected a string; got nothing"),
        ({"type": "txt"}, '.type: expected one of text, audio, skip, dtmf, media; got "txt"'),
        (HI | {"barge_in": {}}, ".barge_in.after: expected a duration above zero such as"),
    ],
)
def test_what_a_turn_refuses(faults, turn, fault):
    (told,) = faults(test_set=cases(HI, turn))
    assert told.startswith(f"test_set[0].turns[1]{fault}")


def test_images_have_a_limit(faults, monkeypatch):
    monkeypatch.setattr(files, "LARGEST_IMAGE", 2)
    (told,) = faults(test_set=cases({"type": "media", "file": "menu.png"}))
    assert told == "test_set[0].turns[0].file: expected an image of at most 2 bytes; got 3"


@pytest.mark.parametrize(
    ("turn", "fault"),
    [
        (
            {"type": "dtmf", "digits": "1"},
            ": expected a turn of text or skip, since agent chat is written to; got dtmf",
        ),
        ({"type": "media", "file": "menu.png"}, ": expected a turn of text or skip, since agent chat is written to"),
        (
            {"type": "audio", "audio": "hello.wav"},
            ".text: expected what the audio says, since agent chat is written to",
        ),
        (HI | {"barge_in": {"after": "1s"}}, ".barge_in: expected it for voice agents only"),
    ],
)
def test_what_chat_agents_can_not_take(faults, turn, fault):
    for agents in (["chat.json"], ["voice.json", "chat.json"]):
        (told,) = faults(agents=agents, test_set=cases(HI, turn))
        assert told.startswith(f"test_set[0].turns[1]{fault}")


def test_chat_agents_take_text_and_ignore_audio(load):
    turns = [{"type": "text", "text": "a", "audio": "no.wav"}, {"type": "audio", "audio": "no.wav", "text": "b"},
             {"type": "skip"}]  # fmt: skip
    plan = load(agents=["chat.json"], test_set=cases(*turns))
    assert [turn.type for turn in plan.test_cases[0].turns] == ["text", "audio", "skip"]
    assert plan.needs_speech == ()


RESULTS = [{"tool": "look_up", "arguments": {"id": 7}, "result": None}, {"tool": "look_up", "result": ["none"]}]


def test_tools_answer_chat_agents(load, faults):
    case = {"id": "a", "turns": [HI], "tool_results": RESULTS}
    for agents in (["chat.json"], ["voice.json", "chat.json"]):
        first, second = load(agents=agents, test_set=[case]).test_cases[0].tool_results
        assert (first.tool, first.arguments, first.result) == ("look_up", {"id": 7}, None)
        assert (second.tool, second.arguments, second.result) == ("look_up", None, ["none"])
    assert faults(test_set=[case]) == [
        "test_set[0].tool_results: expected it for chat agents and realtime APIs only; every agent of the plan is "
        "spoken to over a WebSocket without tools, take it out"
    ]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ({"tool": "t"}, ".result: expected a JSON value; got nothing"),
        ({"result": 1}, ".tool: expected a string; got nothing"),
        ({"tool": "t", "result": 1, "arguments": [1]}, ".arguments: expected an object; got a list"),
        ({"tool": "t", "result": 1, "name": "t"}, ".name: unknown key; expected one of tool, arguments, result"),
    ],
)
def test_what_the_result_of_a_tool_refuses(faults, answer, fault):
    case = {"id": "a", "turns": [HI], "tool_results": [answer]}
    assert faults(agents=["chat.json"], test_set=[case]) == [f"test_set[0].tool_results[0]{fault}"]


@pytest.mark.parametrize("model_type", ["MODEL_TYPE_CHAT", "MODEL_TYPE_CHAT_A2A"])
def test_agents_over_http_are_written_to(faults, load, model_type):
    body = {"display_name": "x", "model_type": model_type, "metadata": {"chat_endpoint": "http://a.example/chat"}}
    for turn in ({"type": "dtmf", "digits": "1"}, {"type": "media", "file": "menu.png"}):
        (told,) = faults(agents=[body], test_set=cases(HI, turn))
        assert told == f"test_set[0].turns[1]: expected a turn of text, since agent x is written to; got {turn['type']}"
    plan = load(agents=[body], test_set=cases(HI))
    assert plan.agents[0].options.chat_endpoint == "https://a.example/chat"
    assert plan.limits.per_agent == {"x": None}


@pytest.mark.parametrize("others", [[], ["voice.json"], ["chat.json"]])
def test_what_agents_over_http_can_not_do_is_told_at_once(faults, load, others):
    body = {"display_name": "x", "model_type": "MODEL_TYPE_CHAT", "metadata": {"chat_endpoint": "https://a.example"}}
    turns = cases(HI, {"type": "skip"}, HI | {"expects_reply": False})
    personas = [{"name": "a"}, {"name": "b"} | WAIT]
    assert faults(agents=[*others, body], personas=personas, test_set=turns) == [
        "personas[1].conversation_initiation: expected speak_first, since agent x is reached over HTTP and can't speak "
        "first; got wait_for_user",
        "test_set[0].turns[1]: expected a turn of text, since agent x is reached over HTTP and only answers what it is "
        "asked; got skip, take it out",
        "test_set[0].turns[2].expects_reply: expected true, since agent x is reached over HTTP and answers every "
        "message; got false, take it out",
    ]
    (told,) = faults(agents=[*others, body], persona=WAIT, test_set=cases(HI))
    assert told.startswith("persona.conversation_initiation: expected speak_first, since agent x is reached over HTTP")
    if others:
        assert load(agents=others, personas=personas, test_set=turns).test_cases


def test_digits_need_a_template(faults, load):
    body = {"display_name": "mute", "model_type": "MODEL_TYPE_WEBSOCKET", "metadata": {"endpoint": "wss://a.example"}}
    digits = cases({"type": "dtmf", "digits": "0*#A"})
    assert load(test_set=digits)
    (told,) = faults(agents=[body], test_set=digits)
    assert (
        told == "test_set[0].turns[0]: expected metadata.send_dtmf_template in agent mute, to send digits; it has none"
    )


def test_turns_are_checked_against_agents_with_faults_too(faults):
    body = {"display_name": "x", "model_type": "MODEL_TYPE_CHAT_WEBSOCKET", "metadata": {}}
    told = faults(agents=[body], test_set=cases({"type": "dtmf", "digits": "1"}))
    assert [fault.partition(":")[0] for fault in told] == ["agents[0].metadata.endpoint", "test_set[0].turns[0]"]


def test_who_may_stay_silent(load, faults):
    assert load(persona=WAIT, test_set=cases()).test_cases[0].turns == ()
    (told,) = faults(test_set=cases())
    assert told.startswith("test_set[0].turns: expected at least one turn")
    both = [{"name": "a", **WAIT}, {"name": "b"}]
    assert len(faults(personas=both, test_set=cases())) == 1


def test_who_may_barge_in(load, faults):
    barging = HI | {"barge_in": {"after": "1.5s"}}
    assert load(test_set=cases(HI, barging)).test_cases[0].turns[1].barge_in.after == 1.5
    assert load(persona=WAIT, test_set=cases(barging))
    (told,) = faults(test_set=cases(barging))
    assert told.startswith("test_set[0].turns[0].barge_in: expected it on a later turn")


def test_text_without_audio_is_spoken_once_for_each_text(load):
    spoken = []

    def speech(text):
        spoken.append(text)
        return Path("/speech") / f"{len(spoken)}.wav"

    words = [{"type": "text", "text": text} for text in ("a", "b", "a")]
    plan = load(test_set=cases(*words), speech=speech)
    assert spoken == ["a", "b"]
    assert plan.needs_speech == ("a", "b")
    assert [turn.audio for turn in plan.test_cases[0].turns] == ["/speech/1.wav", "/speech/2.wav", "/speech/1.wav"]


def test_speech_that_can_not_be_made(faults):
    words = cases({"type": "text", "text": "a"})
    (told,) = faults(test_set=words)
    assert "espeak-ng" in told
    assert "pip install 'coval-load[speech]'" in told

    def speech(text):
        raise CannotSpeak("expected words")

    assert faults(test_set=words, speech=speech) == ["test_set[0].turns[0]: expected words"]


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_test_set_file_names_its_faults(faults, load, folder, wrapped):
    good = "[{id: a, turns: [{type: skip}], attributes: {x: '${X}'}}]"
    bad = "[{id: a, turns: [{type: skp}]}, {id: '${NOPE}', turns: [{type: skip}]}]"
    for content in (good, bad):
        (folder / "cases.yaml").write_text(f"test_cases: {content}" if wrapped else content)
        if content == good:
            plan = load(test_set="cases.yaml", environ={"X": "y7"})
            assert plan.test_cases[0].attributes == {"x": "y7"}
            assert plan.masked()["test_set"][0]["attributes"] == {"x": "***"}
    at = "test_set.test_cases" if wrapped else "test_set"
    assert [fault.partition(":")[0] for fault in faults(test_set="cases.yaml")] == [
        f"{'test_set.test_cases' if wrapped else 'test_set'}[1].id", f"{at}[0].turns[0].type",
    ]  # fmt: skip


def test_a_test_set_file_that_is_none(faults, folder):
    (folder / "cases.yaml").write_text("{test_cases: [{id: a, turns: [{type: skip}]}], more: 1}")
    assert faults(test_set="cases.yaml") == ['test_set: unknown key "more"; expected test_cases']
    (folder / "cases.yaml").write_text("a: 1")
    assert faults(test_set="cases.yaml") == ["test_set: expected a list of test cases; got an object"]


REALTIME = [
    {"display_name": "R", "model_type": "MODEL_TYPE_OPENAI_REALTIME", "metadata": {"openai_realtime_api_key": "k"}},
    {"display_name": "R", "model_type": "MODEL_TYPE_GEMINI_REALTIME", "metadata": {"gemini_realtime_api_key": "k"}},
]


@pytest.mark.parametrize("agent", REALTIME)
def test_tools_answer_agents_of_realtime_apis(load, agent):
    case = {"id": "a", "turns": [HI], "tool_results": RESULTS}
    for agents in ([agent], [agent, "voice.json"]):
        assert len(load(agents=agents, test_set=[case]).test_cases[0].tool_results) == 2


@pytest.mark.parametrize("agent", REALTIME)
def test_there_are_no_digits_for_agents_of_realtime_apis(faults, agent):
    assert faults(agents=["voice.json", agent], test_set=cases({"type": "dtmf", "digits": "1"})) == [
        "test_set[0].turns[0]: expected no dtmf, since agent R has no message for digits; got it, take it out"
    ]


def test_nothing_is_said_of_digits_or_tools_to_an_agent_that_is_wrong_by_itself(faults):
    case = {"id": "a", "turns": [{"type": "dtmf", "digits": "1"}], "tool_results": RESULTS}
    (told,) = faults(agents=[REALTIME[0] | {"metadata": {}}], test_set=[case])
    assert told.startswith("agents[0].metadata.openai_realtime_api_key: ")
