"""From a plan as written to a `Plan`, or to every fault in it."""

import json
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.audio.packaged import CLIPS, clip_text
from coval_load.engine.plan import Recording, Selection, Timeouts
from coval_load.engine.shapes.arrival_rate import ArrivalRate
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.shapes.ramp import Ramp, Stage
from coval_load.engine.shapes.ramping_arrival_rate import RampingArrivalRate, RateStage
from coval_load.engine.shapes.simulations import Simulations
from coval_load.engine.shapes.soak import Soak
from coval_load.faults import Fault, Faulty
from coval_load.plans.loading import load_plan
from coval_load.plans.overrides import Overrides, plan_from_agent
from coval_load.plans.schema import PlanFile
from coval_load.strict import keys_of


def shape_of(plan):
    (scenario,) = plan.scenarios
    return scenario.shape


def test_a_plan_with_every_default(load, folder):
    plan = load()
    assert plan.name == "load-test"
    assert [agent.name for agent in plan.agents] == ["voice"]
    assert [persona.name for persona in plan.personas] == ["default"]
    assert plan.personas[0].conversation_initiation == "speak_first"
    assert plan.test_cases[0].turns[0].audio == str(folder / "hello.wav")
    assert shape_of(plan) == Simulations(1, 1)
    assert plan.limits.per_agent == {"voice": None}
    assert plan.timeouts == Timeouts()
    assert plan.recording == Recording()
    assert plan.ca_file is None
    assert plan.seed == 0
    assert plan.secrets == frozenset()


def test_a_plan_with_every_section(load, folder):
    trustme.CA().cert_pem.write_to_path(folder / "ca.pem")
    plan = load(
        name="support line",
        agents=["voice.json"],
        personas=[{"name": "a"}, {"name": "b", "conversation_initiation": "wait_for_user", "wait_seconds": 0}],
        load={"concurrency": 50, "simulations": 500, "duration": "10m"},
        limits={"per_agent": 200},
        timeouts={"setup": "300ms", "connect": "1s", "response": 2, "close": "3s", "simulation": "1h", "grace": 4.5},
        tls={"ca_file": "ca.pem"},
        targets={"allow_plaintext": True},
        record={"transcripts": "none", "audio": {"sample": 20}},
        seed=7,
    )
    assert shape_of(plan) == Constant(50, 600.0, 500)
    assert plan.limits.per_agent == {"voice": 200}
    assert plan.timeouts == Timeouts(0.3, 1.0, 2.0, 3.0, 3600.0, 4.5)
    assert plan.recording == Recording("none", Selection(sample=20))
    assert plan.ca_file == folder / "ca.pem"
    assert plan.targets.allow_plaintext
    assert plan.personas[1].wait_seconds == 0


@pytest.mark.parametrize(
    ("section", "settled"),
    [
        ({}, Simulations(1, 1)),
        ({"concurrency": 9}, Simulations(9, 9)),
        ({"concurrency": 9, "simulations": 2}, Simulations(9, 2)),
        ({"concurrency": 9, "iterations": 4}, Simulations(9, 4)),
        ({"duration": "1s"}, Constant(1, 1.0)),
        ({"shape": "constant", "duration": "1s", "simulations": 3}, Constant(1, 1.0, 3)),
        ({"stages": [{"duration": "1m", "concurrency": 5}], "start": 2}, Ramp((Stage(60.0, 5),), 2)),
        ({"rate": "90/min", "duration": "1m"}, ArrivalRate(1.5, 60.0)),
        (
            {"rate": 3, "duration": 60, "concurrency": 7, "when_full": "drop", "spacing": "poisson"},
            ArrivalRate(3.0, 60.0, 7, "drop", "poisson"),
        ),
        (
            {"stages": [{"duration": "1m", "rate": "5/s"}, {"duration": "1m", "rate": 0}], "start_rate": "1/s"},
            RampingArrivalRate((RateStage(60.0, 5.0), RateStage(60.0, 0.0)), 1.0),
        ),
        ({"shape": "soak", "concurrency": 5, "duration": "1h"}, Soak(5, 3600.0, 180.0)),
        ({"shape": "soak", "duration": "100h"}, Soak(1, 360_000.0, 300.0)),
        ({"duration": "1h", "ramp_up": "1m", "ramp_down": "2m"}, Soak(1, 3600.0, 60.0, 120.0)),
    ],
)
def test_the_shape_of_a_load(load, section, settled):
    assert shape_of(load(load=section)) == settled


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        ({"rate": "5/s"}, "load.duration: expected a duration above zero"),
        ({"rate": "5 a second", "duration": 1}, "load.rate: expected a rate such as 20/s"),
        ({"rate": 0, "duration": 1}, "load.rate: expected a number above 0; got 0"),
        ({"rate": 1, "duration": 1, "when_full": "wait"}, "load.when_full: expected one of queue, drop"),
        ({"stages": []}, "load.stages: expected 1 to 1000 items; got 0"),
        ({"stages": [{"duration": 1, "concurrency": 0}]}, "load.stages: expected a stage with a concurrency above 0"),
        ({"stages": [{"duration": 1, "rate": 0}]}, "load.stages: expected a stage with a rate above 0"),
        ({"shape": "constant"}, "load.duration: expected a duration above zero"),
        ({"shape": "spike"}, "load.shape: expected one of simulations, constant, ramp"),
        ({"simulations": 3, "iterations": 2}, "load.iterations: expected simulations or iterations; got both"),
        (
            {"shape": "soak", "duration": 10, "ramp_up": 8, "ramp_down": 4},
            "load.ramp_up: expected ramp_up and ramp_down",
        ),
        ({"duration": 1, "stages": [{"duration": 1, "concurrency": 1}]}, "load.duration: unknown key; expected one of"),
        ({"shape": "constant", "duration": 1, "rate": 4}, "load.rate: unknown key; expected one of shape"),
        (5, "load: expected an object; got 5"),
    ],
)
def test_a_load_that_is_none(faults, section, fault):
    (told,) = faults(load=section)
    assert told.startswith(fault)


@pytest.mark.parametrize("suffix", ["yaml", "json", "toml"])
def test_the_same_plan_in_every_format(load, folder, suffix):
    documents = {
        "yaml": "name: x\nagents: [voice.json]\ntest_set: cases.yaml\nload: {duration: 2s}\n",
        "json": '{"name": "x", "agents": ["voice.json"], "test_set": "cases.yaml", "load": {"duration": "2s"}}',
        "toml": 'name = "x"\nagents = ["voice.json"]\ntest_set = "cases.yaml"\n[load]\nduration = "2s"\n',
    }
    (folder / "cases.yaml").write_text("- {id: a, turns: [{type: skip}]}")
    (folder / f"plan.{suffix}").write_text(documents[suffix])
    assert shape_of(load(folder / f"plan.{suffix}")) == Constant(1, 2.0)


def test_paths_are_relative_to_the_file_that_names_them(load, folder, monkeypatch):
    (folder / "plans").mkdir()
    (folder / "sets" / "clips").mkdir(parents=True)
    (folder / "sets" / "clips" / "a.wav").write_bytes(b"")
    (folder / "sets" / "cases.yaml").write_text("- {id: a, turns: [{type: audio, audio: clips/a.wav}]}")
    plan = folder / "plans" / "plan.yaml"
    plan.write_text("agents: [../voice.json]\ntest_set: ../sets/cases.yaml")
    monkeypatch.chdir("/")
    loaded = load(plan)
    assert loaded.name == "plan"
    assert Path(loaded.test_cases[0].turns[0].audio).samefile(folder / "sets" / "clips" / "a.wav")


def test_agents_of_one_name_are_told_apart(load):
    body = {
        "display_name": "voice-2",
        "model_type": "MODEL_TYPE_WEBSOCKET",
        "metadata": {"endpoint": "wss://a.example"},
    }
    plan = load(agents=["voice.json", "voice.json", body, body, "voice.json"])
    assert [agent.name for agent in plan.agents] == ["voice", "voice-2", "voice-2-2", "voice-2-3", "voice-3"]


def test_chat_agents_have_a_limit_of_their_own(load):
    assert load(agents=["chat.json", "voice.json"]).limits.per_agent == {"chat": 8, "voice": None}
    assert load(agents=["chat.json"], limits={"per_agent": 9}).limits.per_agent == {"chat": 9}


def test_all_faults_of_all_documents_come_together(faults, folder):
    (folder / "bad.json").write_text(
        '{"display_name": "x", "model_type": "MODEL_TYPE_WEBSOCKET", "metadata": {"a": 1}}'
    )
    (folder / "cases.yaml").write_text("- {id: a, turns: [{type: dtmf, digits: x}]}\n- {id: a, turns: []}")
    told = faults(
        agents=["nothing.json", "bad.json", 5],
        laod={},
        load={"concurrency": 0, "simulations": "8", "duration": "soon"},
        persona={"wait_seconds": -1},
        test_set="cases.yaml",
        tls={"ca_file": "ca.pem"},
        record={"audio": {"sample": 0}},
    )
    assert {fault.partition(": ")[0] for fault in told} == {
        "laod", "load.concurrency", "load.simulations", "load.duration", "persona.wait_seconds", "record.audio.sample",
        "tls.ca_file", "agents[0]", "agents[1].metadata.a", "agents[1].metadata.endpoint", "agents[2]",
        "test_set[0].turns[0].digits", "test_set[1].id", "test_set[1].turns",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"agents": []}, "agents: expected 1 to 1000 items; got 0"),
        ({"agents": "voice.json"}, 'agents: expected a list; got "voice.json"'),
        ({"test_set": []}, "test_set: expected a list of test cases; got an empty one"),
        ({"test_set": "nothing.yaml"}, "test_set: expected a readable file at "),
        ({"load": {"concurrency": 100_001}}, "load.concurrency: expected a number from 1 to 100000; got 100001"),
        ({"seed": -1}, "seed: expected a number from 0 to "),
        ({"record": {"audio": "some"}}, "record.audio: expected one of "),
        ({"record": {"audio": {}}}, "record.audio: expected at least one of slowest, failed, sample; got none of them"),
        ({"record": {"transcripts": {"failed": None}}}, "record.transcripts: expected at least one of slowest, "),
        ({"record": {"audio": {"slowest": 0}}}, "record.audio.slowest: expected a number from 1 to 100000; got 0"),
        ({"record": {"transcripts": {"fail": 1, "sample": 1}}}, "record.transcripts.fail: unknown key; did you mean"),
        ({"persona": {}, "personas": [{}]}, "persona: expected persona or personas; got both, take one out"),
        (
            {"persona": {"initialization_parameters": {"a": "x" * 16_384}}},
            "persona.initialization_parameters: expected at most 16384 bytes of JSON; got 16392",
        ),
        ({"personas": [{}, {}]}, "personas[1].name: expected a name of its own"),
        ({"timeouts": {"connect": 0}}, "timeouts.connect: expected a duration above zero"),
        ({"targets": {"allow_private": 1}}, "targets.allow_private: expected true or false; got 1"),
    ],
)
def test_what_a_section_refuses(faults, given, fault):
    assert faults(**given)[0].startswith(fault)


def test_an_agent_in_place_of_a_plan(folder):
    (folder / "agent.json").write_text('{"display_name": "a", "model_type": "MODEL_TYPE_WEBSOCKET", "metadata": {}}')
    with pytest.raises(Faulty) as caught:
        load_plan(folder / "agent.json", environ={})
    assert [str(fault) for fault in caught.value.faults] == [
        "expected a plan; got an agent: run it with --agent, or name it in a plan's agents"
    ]


def test_a_plan_that_is_no_object(folder):
    (folder / "plan.json").write_text("[1]")
    with pytest.raises(Faulty, match="expected an object; got a list"):
        load_plan(folder / "plan.json", environ={})
    with pytest.raises(Faulty, match="agents: expected a list; got nothing"):
        load_plan({}, environ={})


def test_checks_of_the_protocols_are_told_under_their_agent(faults):
    told = faults(checks=lambda agent: [Fault("metadata.send_audio_template", f"expected better of {agent.name}")])
    assert told == ["agents[0].metadata.send_audio_template: expected better of voice"]


def test_targets_reach_the_agents(load, faults):
    body = {"display_name": "x", "model_type": "MODEL_TYPE_WEBSOCKET", "metadata": {"endpoint": "ws://localhost:8000"}}
    assert load(agents=[body], targets={"allow_plaintext": True, "allow_private": True})
    assert "targets.allow_plaintext: true" in faults(agents=[body])[0]


def test_options_of_the_command_line_overrule_the_plan(load, folder):
    (folder / "cases.json").write_text('[{"id": "b", "turns": [{"type": "skip"}]}]')
    overrides = Overrides(
        agents=[Path("chat.json")], test_set=Path("cases.json"), concurrency=3, duration_s=1.5, seed=4
    )
    plan = load(None, overrides, load={"concurrency": 50, "simulations": 500})
    assert [agent.name for agent in plan.agents] == ["chat"]
    assert [case.id for case in plan.test_cases] == ["b"]
    assert (shape_of(plan), plan.seed) == (Constant(3, 1.5), 4)


@pytest.mark.parametrize(
    ("options", "written", "settled"),
    [
        ({"simulations": 7}, {"duration": "1h"}, Simulations(1, 7)),
        ({"concurrency": 7}, {}, Simulations(7, 7)),
        ({"simulations": 7}, {"concurrency": 2, "iterations": 9}, Simulations(2, 7)),
        ({"duration_s": 5.0}, {"shape": "simulations", "simulations": 9}, Constant(1, 5.0)),
        ({"duration_s": 5.0, "simulations": 9}, {"concurrency": 2}, Constant(2, 5.0, 9)),
        ({"duration_s": 50.0}, {"shape": "soak", "duration": "1h", "ramp_up": 3}, Soak(1, 50.0, 3.0)),
        ({"duration_s": 5.0}, {"rate": 3, "duration": "1h"}, ArrivalRate(3.0, 5.0)),
        ({"rate": "3/s", "duration_s": 5.0}, {"concurrency": 2, "simulations": 9}, ArrivalRate(3.0, 5.0)),
        ({"rate": "3/s", "concurrency": 9}, {"duration": "1m"}, ArrivalRate(3.0, 60.0, 9)),
        (
            {"rate": "3/s"}, {"rate": 1, "duration": 2, "when_full": "drop", "spacing": "poisson"},
            ArrivalRate(3.0, 2.0, when_full="drop", spacing="poisson"),
        ),
    ],
)  # fmt: skip
def test_how_much_on_the_command_line(load, options, written, settled):
    assert shape_of(load(None, Overrides(**options), load=written)) == settled


def test_thresholds_of_the_command_line_stand_beside_the_plans(load):
    given = [("failed", "rate < 1%"), ("failed", "count < 3"), ("turns", "count > 1")]
    plan = load(None, Overrides(thresholds=given), thresholds={"failed": "rate < 5%"})
    assert [(one.name, one.text) for one in plan.thresholds] == [("failed", "rate < 5%"), *given]


def test_a_fault_on_the_command_line_is_a_fault(faults):
    assert faults(None, Overrides(concurrency=0)) == ["load.concurrency: expected a number from 1 to 100000; got 0"]
    assert len(faults(None, Overrides(concurrency=3), load=5)) == 1


@pytest.mark.parametrize("agent", ["voice.json", "chat.json"])
def test_a_plan_is_made_from_an_agent(load, agent, folder):
    plan = load(plan_from_agent(Path(agent), targets={"allow_private": True}))
    assert plan.name == Path(agent).stem
    assert len(plan.test_cases) == 2
    assert plan.targets.allow_private
    for case in plan.test_cases:
        for turn in case.turns:
            assert turn.text == clip_text(turn.audio.removeprefix("clip:"))


def test_a_path_with_a_dollar_is_no_variable(load, folder):
    odd = folder / "a ${b}.json"
    odd.write_text((folder / "voice.json").read_text())
    assert load(plan_from_agent(odd)).agents[0].name == "a ${b}"
    assert load(None, Overrides(agents=[odd])).agents[0].name == "a ${b}"


def test_a_file_of_authorities_holds_certificates(load, folder):
    (folder / "ca.pem").write_text("not a certificate")
    with pytest.raises(Faulty) as caught:
        load(tls={"ca_file": "ca.pem"})
    (fault,) = caught.value.faults
    assert fault.path == "tls.ca_file"
    assert "certificates in PEM" in fault.message


def test_no_secret_is_shown(load, folder):
    (folder / "cases.yaml").write_text(
        "- {id: a, turns: [{type: skip}], attributes: {pin: '${PIN}', api_key: in-sesame}}"
    )
    body = {
        "display_name": "x",
        "model_type": "MODEL_TYPE_WEBSOCKET",
        "metadata": {"endpoint": "wss://a.example", "authorization_header": "Bearer ${TOKEN}"},
    }
    environ = {"PIN": "9x", "TOKEN": "my-sesame", "FILE": "cases.yaml", "NAME": "sesame-run"}
    plan = load(agents=[body], test_set="${FILE}", name="${NAME}", environ=environ)
    text = json.dumps(plan.masked())
    assert "sesame" not in text
    assert "9x" not in text
    assert {"my-sesame", "9x", "in-sesame"} <= plan.secrets
    assert plan.masked()["test_set"][0]["attributes"] == {"pin": "***", "api_key": "***"}
    for thing in (plan, plan.test_cases, plan.personas):
        assert "sesame" not in repr(thing)
        assert "9x" not in repr(thing)


def test_masked_has_the_keys_of_a_plan_settled(load, folder):
    shown = load(load={"concurrency": 4}).masked()
    assert set(shown) == set(keys_of(PlanFile)) - {"persona"}
    assert shown["load"] == {"shape": "simulations", "concurrency": 4, "simulations": 4, "iterations": None}
    assert shown["personas"][0]["wait_seconds"] == 0.5
    assert shown["agents"][0]["name"] == "voice"
    assert shown["agents"][0]["metadata"]["send_sample_rate_hertz"] == 16000
    assert shown["timeouts"]["simulation"] == 600.0


@pytest.mark.parametrize(
    "given",
    [
        {"name": "${NOPE}"},
        {"load": {"concurrency": "${SECRET}"}},
        {"tls": {"ca_file": "${SECRET}"}},
        {"test_set": "${SECRET}.yaml"},
        {"agents": ["${SECRET}.json"]},
        {"test_set": [{"id": "a", "turns": [{"type": "audio", "audio": "${SECRET}"}]}]},
        {"test_set": [{"id": "a", "turns": [{"type": "${SECRET}"}]}]},
    ],
)
def test_no_fault_shows_a_secret(faults, given):
    (fault,) = faults(environ={"SECRET": "sesame"}, **given)
    assert "sesame" not in fault


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(keys_of(PlanFile)), JSON))
def test_whatever_a_plan_says_it_loads_or_is_faulted(raw):
    with pytest.raises(Faulty) as caught:
        load_plan({"agents": [5]} | raw, environ={}, clip_names=CLIPS)
    assert caught.value.faults
