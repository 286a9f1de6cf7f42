import re
import uuid
from types import SimpleNamespace

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from coval_load.actors import persona as cast
from coval_load.actors.protocols import known_protocols
from coval_load.actors.services import Services
from coval_load.codecs.audio.packaged import CLIPS
from coval_load.engine.plan import Timeouts
from coval_load.engine.results import Results
from coval_load.faults import Faulty
from coval_load.plans.casting import Casting
from coval_load.plans.loading import load_plan
from coval_load.plans.rehearsal import Ensemble, named_hex, named_id
from coval_load.plans.samples import recorded as sampled

CLIP = "clip:" + sorted(CLIPS)[0]
VOICE = {"display_name": "voice", "model_type": "MODEL_TYPE_WEBSOCKET", "metadata": {"endpoint": "wss://a.example/v"}}
CHAT = {
    "display_name": "chat",
    "model_type": "MODEL_TYPE_CHAT_WEBSOCKET",
    "metadata": {"endpoint": "wss://a.example/c"},
    "attributes": {"team": "blue"},
}
CASES = [
    {"id": name, "turns": [{"type": "text", "text": name, "audio": CLIP}], "attributes": {"n": name}} for name in "xyz"
]


def rehearse(*agents, cases=CASES, **sections):
    plan = {"agents": list(agents), "test_set": cases, **sections}
    return Ensemble.rehearse(load_plan(plan, environ={}, clip_names=CLIPS), known_protocols())


def casting(ensemble, **options):
    parts = dict.fromkeys(("reactor", "metronome", "keepalive", "faults"))
    services = Services(**parts, results=Results(), timeouts=Timeouts(), origin=0.0)
    ways = {role.agent.name: f"way to {role.agent.name}" for role in ensemble.roles}
    (troupe,) = ensemble.troupes
    return Casting(ensemble.plan, troupe, services, ways, "run1", **options)


def call_of(simulation):
    return simulation.make_call(simulation)


def test_agents_in_turn_their_cases_and_personas_in_order():
    ensemble = rehearse(VOICE, CHAT, personas=[{"name": "p"}, {"name": "q"}])
    identities = [casting(ensemble)(number).identity for number in range(8)]
    assert [identity.agent for identity in identities] == ["voice", "chat"] * 4
    assert [identity.test_case for identity in identities] == ["x", "x", "y", "y", "z", "z", "x", "x"]
    assert [identity.persona for identity in identities] == ["p", "p", "q", "q", "p", "p", "q", "q"]
    assert [identity.model_type for identity in identities[:2]] == [VOICE["model_type"], CHAT["model_type"]]


def test_each_simulation_has_an_id_and_a_way_of_its_own():
    ensemble = rehearse(VOICE, CHAT)
    several = [casting(ensemble)(number) for number in range(20)]
    assert len({simulation.identity.simulation_output_id for simulation in several}) == 20
    assert [call_of(simulation).connector for simulation in several[:2]] == ["way to voice", "way to chat"]
    again = casting(ensemble)(7).identity
    assert again == several[7].identity


def test_what_fills_the_templates():
    simulation = casting(rehearse(CHAT))(1)
    values, own_id = call_of(simulation).values, simulation.identity.simulation_output_id
    assert re.fullmatch("MZ[0-9a-f]{32}", values["stream_sid"])
    assert re.fullmatch("CA[0-9a-f]{32}", values["call_sid"])
    assert values["stream_sid"][2:] != values["call_sid"][2:]
    assert (values["run_id"], values["simulation_output_id"], values["simulation_id"]) == ("run1", own_id, own_id)
    assert values["agent"] == {"team": "blue"}
    assert values["test_case"] == {"id": "y", "n": "y"}
    assert values["run_metadata"]["run_id"] == "run1"


ACCOUNTS = [
    {"id": "a", "turns": [{"type": "text", "text": "hi"}], "attributes": {"account": "1"}},
    {"id": "b", "turns": [{"type": "text", "text": "hi"}]},
    {"id": "c", "turns": [{"type": "text", "text": "hi"}]},
]


@pytest.mark.parametrize(
    ("metadata", "fault"),
    [
        (
            {"initialization_json": {"a": "{{test_case.account}}"}},
            "initialization_json: {{test_case.account}}: no such value in this simulation: "
            "add it to the attributes of test case b, or name another test set",
        ),
        (
            {"custom_headers": {"X-A": "{{agent.tem}}"}},
            "custom_headers.X-A: {{agent.tem}}: no such value in this simulation: add it to the agent's attributes",
        ),
        (
            {"send_template": '{"m": "{{message}}", "x": "{{run_metadata.x}}"}'},
            "send_template: {{run_metadata.x}}: no such value in this simulation: "
            "there are run_metadata.run_id and run_metadata.plan",
        ),
    ],
)
def test_a_placeholder_without_a_value_is_a_fault_before_anything_is_dialled(metadata, fault):
    agent = CHAT | {"metadata": CHAT["metadata"] | metadata}
    with pytest.raises(Faulty) as caught:
        rehearse(CHAT, agent, cases=ACCOUNTS)
    assert [str(one) for one in caught.value.faults] == [f"agents[1].metadata.{fault}"]


@pytest.mark.parametrize("field", ["custom_headers", "http_headers", "http_request_body", "initialization_json"])
def test_what_has_a_value_in_each_test_case_is_none(field):
    names = ("run_id", "simulation_output_id", "simulation_id", "stream_sid", "call_sid", "agent.team", "test_case.id")
    metadata = {field: {f"X-{at}": f"{{{{{name}}}}}" for at, name in enumerate(names)}}
    rehearse(CHAT | {"metadata": CHAT["metadata"] | metadata}, cases=ACCOUNTS)


def test_an_attribute_may_be_called_id():
    cases = [{"id": "x", "turns": [{"type": "text", "text": "hi"}], "attributes": {"id": "mine"}}]
    assert call_of(casting(rehearse(CHAT, cases=cases))(0)).values["test_case"]["id"] == "mine"


def test_options_reach_the_simulation():
    voice = VOICE | {
        "metadata": VOICE["metadata"] | {"handshake_ready_message_type": "go", "handshake_timeout_seconds": 7}
    }
    simulation = casting(rehearse(voice, record={"transcripts": "none"}))(0)
    call = call_of(simulation)
    awaited = call.form.handshake
    assert (awaited.ready_message, awaited.timeout_s, call.most_session_s) == ("a message of type 'go'", 7, None)
    assert not simulation.keeps_transcript
    assert casting(rehearse(VOICE))(0).keeps_transcript


def test_voice_hears_clips_and_chat_reads():
    ensemble = rehearse(VOICE, VOICE | {"display_name": "again"}, CHAT)
    voice, again, chat = (role.cases[0].turns[0].action for role in ensemble.roles)
    assert voice.text == again.text == chat.text == "x"
    assert voice.clip.bodies
    assert chat.clip is None
    (one, other, text_role) = ensemble.roles
    assert one.cases[1].turns[0].action.clip is voice.clip
    assert (bool(one.silence_body), bool(other.silence_body), text_role.silence_body) == (True, True, b"")


def test_every_kind_of_turn(tmp_path):
    image = tmp_path / "menu.png"
    image.write_bytes(b"PNG")
    turns = [
        {"type": "skip"},
        {"type": "text", "text": "hi", "audio": CLIP, "barge_in": {"after": "1.5s"}},
        {"type": "dtmf", "digits": "12#", "expects_reply": False},
        {"type": "media", "file": str(image)},
        {"type": "audio", "audio": CLIP},
    ]
    voice = VOICE | {"metadata": VOICE["metadata"] | {"send_dtmf_template": '{"digit": "{{digit}}"}'}}
    skipped, said, pressed, shown, played = rehearse(voice, cases=[{"id": "x", "turns": turns}]).roles[0].cases[0].turns
    assert (said.barge_in_after_s, said.expects_reply, skipped.barge_in_after_s) == (1.5, True, None)
    assert skipped.action == cast.Skip()
    assert (pressed.action, pressed.expects_reply) == (cast.Press("12#"), False)
    assert shown.action == cast.Show("menu.png", "image/png", b"PNG")
    assert (played.action.text, played.action.clip) == (None, said.action.clip)


def test_a_file_that_is_no_audio_is_a_fault_once(tmp_path):
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"not audio")
    turn = {"type": "text", "text": "hi", "audio": str(noise)}
    with pytest.raises(Faulty) as caught:
        rehearse(VOICE, VOICE | {"display_name": "b"}, cases=[{"id": "x", "turns": [turn, turn]}])
    (fault,) = caught.value.faults
    assert fault.path == str(noise)
    assert "expected WAV" in fault.message


def test_personas_keep_their_manners():
    manners = {
        "name": "shy",
        "conversation_initiation": "wait_for_user",
        "wait_seconds": 2,
        "send_silence": False,
        "onset_threshold_dbfs": -30,
        "end_of_turn_silence_seconds": 1.5,
        "yield_silence_seconds": 0.1,
    }
    (persona,) = rehearse(CHAT, persona=manners).troupes[0].personas
    assert persona == cast.Persona("shy", "wait_for_user", 2, False, -30, 1.5, 0.1)
    assert rehearse(CHAT).troupes[0].personas == (cast.Persona(),)


def recorded(audio, simulations, seed=0):
    """Which of the simulations may come to be recorded."""
    ensemble = rehearse(CHAT, record={"audio": audio}, load=simulations, seed=seed)
    opened = []

    async def main():
        is_recorded = sampled(ensemble.plan)["default"]
        troupe = casting(
            ensemble,
            open_recording=lambda identity, at: opened.append(identity.simulation_output_id),
            is_recorded=is_recorded,
        )
        for number in range(40):
            simulation = SimpleNamespace(identity=SimpleNamespace(simulation_output_id=number))
            troupe._recording(simulation, number)

    trio.run(main, clock=MockClock())
    return opened


def test_which_simulations_are_recorded():
    assert recorded("none", {"simulations": 40}) == []
    assert recorded("all", {"simulations": 40}) == list(range(40))
    drawn = recorded({"sample": 5}, {"simulations": 40}, seed=1)
    assert len(drawn) == 5
    assert drawn == recorded({"sample": 5}, {"simulations": 40}, seed=1)
    assert drawn != recorded({"sample": 5}, {"simulations": 40}, seed=2)
    assert recorded({"sample": 5}, {"simulations": 3})[:3] == [0, 1, 2]
    for undecided in ({"sample": 5}, {"slowest": 5}, {"failed": 1, "sample": 5}):
        assert recorded(undecided, {"duration": "1m"}) == list(range(40))
    assert recorded({"slowest": 5}, {"simulations": 40}) == list(range(40))


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_names_are_those_of_the_standard_library(name):
    known = uuid.uuid5(uuid.NAMESPACE_OID, name)
    assert (named_id(name), named_hex(name)) == (str(known), known.hex)
