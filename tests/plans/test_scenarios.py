"""Plans of several scenarios: what each has of its own, what it has from the plan, and where its faults are."""

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.audio.packaged import CLIPS
from coval_load.engine.shapes.arrival_rate import ArrivalRate
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.shapes.simulations import Simulations
from coval_load.faults import Faulty
from coval_load.plans.loading import load_plan
from coval_load.plans.schema import PlanFile, ScenarioSection
from coval_load.strict import keys_of

SCHEMA = json.loads(files("coval_load.plans").joinpath("schemas/plan.schema.json").read_text("utf-8"))


def body(name="x", **metadata):
    endpoint = {"endpoint": "wss://a.example/ws", **metadata}
    return {"display_name": name, "model_type": "MODEL_TYPE_CHAT_WEBSOCKET", "metadata": endpoint}


def case(name, text="hi", **more):
    return {"id": name, "turns": [{"type": "text", "text": text}], **more}


PLAN = {
    "agents": [body("plan's")],
    "persona": {"name": "plan's", "wait_seconds": 2},
    "test_set": [case("plan's", iterations=2), case("another")],
    "choice": "shuffled",
    "load": {"concurrency": 3, "iterations": 2},
}
OWN = {
    "agents": [body("own"), body("own")],
    "persona": {"name": "own"},
    "personas": [{"name": "own"}, {"name": "own-2"}],
    "test_set": [case("own")],
    "choice": "in_order",
    "load": {"rate": "2/s", "duration": "1m"},
}


def seen(scenario):
    """What of a scenario says where it is from."""
    return {
        "agents": [agent.name for agent in scenario.agents],
        "personas": [persona.name for persona in scenario.personas],
        "test_set": [case.id for case in scenario.test_cases],
        "choice": type(scenario.choice).__name__,
        "load": type(scenario.shape).__name__,
    }


BOTH = {
    "agents": (["plan's"], ["own", "own-2"]),
    "personas": (["plan's"], ["own", "own-2"]),
    "test_set": (["plan's", "another"], ["own"]),
    "choice": ("Shuffled", "InOrder"),
    "load": ("Simulations", "ArrivalRate"),
}


@pytest.mark.parametrize("key", OWN)
def test_a_scenario_has_what_it_says_and_the_rest_from_the_plan(load, key):
    plan = load(PLAN | {"scenarios": [{"name": "a"}, {"name": "b", key: OWN[key]}, {"name": "c", key: None}]})
    of_plan = {name: plans for name, (plans, _) in BOTH.items()}
    changed = "personas" if key == "persona" else key
    own = ["own"] if key == "persona" else BOTH[changed][1]
    assert [seen(scenario) for scenario in plan.scenarios] == [of_plan, of_plan | {changed: own}, of_plan]
    assert [scenario.name for scenario in plan.scenarios] == ["a", "b", "c"]


def test_a_scenario_with_everything_needs_nothing_of_the_plan(load):
    own = {key: value for key, value in OWN.items() if key != "persona"}
    (scenario,) = load({"scenarios": [{"name": "a", "start": "4m", **own}]}).scenarios
    assert seen(scenario) == {key: value for key, (_, value) in BOTH.items()}
    assert (scenario.start_s, scenario.shape) == (240.0, ArrivalRate(2.0, 60.0))


def test_a_pass_is_one_through_the_scenarios_own_agents_and_cases(load):
    plan = load(PLAN | {"scenarios": [{"name": "a"}, {"name": "b", "test_set": [case("own", iterations=5)]}]})
    assert [scenario.shape for scenario in plan.scenarios] == [Simulations(3, 6), Simulations(3, 10)]


def test_a_pass_is_as_long_for_each_agent(load):
    scenarios = [{"name": "a", "agents": [body(str(number)) for number in range(3)]}]
    assert load(PLAN | {"scenarios": scenarios}).scenarios[0].shape == Simulations(3, 18)


def test_a_caller_of_its_own_is_the_one_that_is_asked_who_begins(load, faults):
    waits = {"conversation_initiation": "wait_for_user"}
    silent = {"personas": [{"name": "p", **waits}], "persona": None, "test_set": [{"id": "a", "turns": []}]}
    assert load(PLAN | silent | {"scenarios": [{"name": "a"}]})
    told = faults(PLAN | silent | {"scenarios": [{"name": "a"}, {"name": "b", "persona": {}}]})
    assert [fault.partition(": ")[0] for fault in told] == ["test_set[0].turns"]


def test_chance_is_each_scenarios_own(load):
    scenarios = [{"name": name, "test_set": [case(str(n)) for n in range(9)]} for name in "ab"]
    plan = load(PLAN | {"scenarios": scenarios})
    orders = [[scenario.choice.case(share) for share in range(9)] for scenario in plan.scenarios]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(9))
    assert orders[0] != orders[1]
    assert len({scenario.seed for scenario in plan.scenarios}) == 2


@pytest.mark.parametrize(
    ("lists", "names"),
    [
        ([["chat.json"], ["chat.json"]], [["chat"], ["chat"]]),
        ([["chat.json"], ["./chat.json"]], [["chat"], ["chat"]]),
        ([["chat.json", "chat.json"], ["chat.json"]], [["chat", "chat-2"], ["chat"]]),
        ([["chat.json", "voice.json"], ["voice.json"]], [["chat", "voice"], ["voice"]]),
        ([None, None], [["inline"], ["inline"]]),
        ([None, ["chat.json"]], [["inline"], ["chat"]]),
        ([[body("inline")], [body("inline")]], [["inline"], ["inline-2"]]),
    ],
)
def test_an_agent_that_several_scenarios_call_is_one_with_one_limit(load, lists, names):
    scenarios = [{"name": str(at), "agents": agents} for at, agents in enumerate(lists)]
    cases = [case("a", "Hello")]
    cases[0]["turns"][0]["audio"] = "hello.wav"
    plan = load({"agents": [body("inline")], "test_set": cases, "scenarios": scenarios, "limits": {"per_agent": 5}})
    assert [[agent.name for agent in scenario.agents] for scenario in plan.scenarios] == names
    every = {name for some in names for name in some}
    assert {agent.name for agent in plan.agents} == plan.limits.per_agent.keys() == every
    assert set(plan.limits.per_agent.values()) == {5}
    same = {id(agent) for scenario in plan.scenarios for agent in scenario.agents}
    assert len(same) == len(every)


def test_paths_of_scenarios_are_relative_to_the_plan(load, folder, monkeypatch):
    (folder / "plans").mkdir()
    (folder / "plans" / "cases.json").write_text(json.dumps([case("filed")]))
    scenarios = [
        {"name": "a", "agents": ["../chat.json"]},
        {"name": "b", "agents": [str(folder / "plans" / "../chat.json")]},
    ]
    plan = {"test_set": "cases.json", "scenarios": scenarios}
    (folder / "plans" / "plan.json").write_text(json.dumps(plan))
    monkeypatch.chdir("/")
    loaded = load(Path(folder / "plans" / "plan.json"))
    assert [agent.name for agent in loaded.agents] == ["chat"]
    assert [case.id for case in loaded.test_cases] == ["filed"]


DIGIT = {"type": "dtmf", "digits": "1"}
FAULTS = [
    ({"scenarios": []}, ["scenarios: expected 1 to 100 items; got 0"]),
    ({"scenarios": {}}, ["scenarios: expected a list"]),
    ({"scenarios": [5]}, ["scenarios[0]: expected an object; got 5"]),
    ({"scenarios": [{}]}, ["scenarios[0].name: "]),
    ({"scenarios": [{"name": "a"}, {"name": "a"}]}, ["scenarios[1].name: expected a name of its own"]),
    ({"scenarios": [{"name": "a", "start": "soon"}]}, ["scenarios[0].start: expected a duration"]),
    ({"scenarios": [{"name": "a", "laod": {}}]}, ["scenarios[0].laod: unknown key; did you mean load?"]),
    ({"scenarios": [{"name": "a", "load": {"rate": 0, "duration": 1}}]}, ["scenarios[0].load.rate: expected a number"]),
    ({"scenarios": [{"name": "a", "scenarios": []}]}, ["scenarios[0].scenarios: unknown key"]),
    ({"scenarios": [{"name": "a", "persona": {}, "personas": [{}]}]}, ["scenarios[0].persona: expected persona or"]),
    ({"scenarios": [{"name": "a"}, {"name": "b", "agents": [5]}]}, ["scenarios[1].agents[0]: "]),
    ({"scenarios": [{"name": "a", "agents": ["no.json"]}]}, ["scenarios[0].agents[0]: expected a readable file"]),
    (
        {"scenarios": [{"name": "a"}, {"name": "b", "agents": [body(bogus=1)]}]},
        ["scenarios[1].agents[0].metadata.bogus: "],
    ),
    (
        {"scenarios": [{"name": "a"}, {"name": "b", "test_set": [{"id": "a", "turns": [{"type": "dance"}]}]}]},
        ["scenarios[1].test_set[0].turns[0].type: "],
    ),
    (
        {"scenarios": [{"name": "a"}, {"name": "b", "test_set": [{"id": "a", "turns": [DIGIT]}]}]},
        ["scenarios[1].test_set[0].turns[0]: expected a turn of text or skip"],
    ),
    ({"scenarios": [{"name": "a", "test_set": "no.json"}]}, ["scenarios[0].test_set: expected a readable file"]),
    (
        {"scenarios": [{"name": "a", "agents": ["voice.json"]}, {"name": "b", "agents": ["voice.json"]}]},
        ["test_set[0].turns[0]: expected audio", "test_set[1].turns[0]: expected audio"],
    ),
    (
        {"scenarios": [{"name": "a"}, {"name": "b", "agents": ["voice.json"]}], "test_set": [case("a")]},
        ["test_set[0].turns[0]: expected audio"],
    ),
    (
        {"agents": None, "scenarios": [{"name": "a"}, {"name": "b", "agents": ["chat.json"]}]},
        ["scenarios[0].agents: expected a list, here or in the plan; got nothing"],
    ),
    (
        {"test_set": None, "scenarios": [{"name": "a", "test_set": [case("x")]}, {"name": "b"}]},
        ["scenarios[1].test_set: expected the path of a test set, or a list of test cases, here or in the plan"],
    ),
    (
        {"scenarios": [{"name": "a"}, {"name": "b", "choice": "weighted", "load": {"simulations": 3}}]},
        ["test_set[0].iterations: expected 1"],
    ),
    (
        {"scenarios": [{"name": "b", "choice": "weighted", "test_set": [case("c")], "load": {"iterations": 3}}]},
        ["scenarios[0].load.iterations: expected simulations"],
    ),
    (
        {"scenarios": [{"name": "b", "choice": "weighted", "test_set": [case("c")]}]},
        ["load.iterations: expected simulations"],
    ),
    (
        {"scenarios": [{"name": "b", "choice": "weighted", "test_set": [case("c", iterations=3)], "load": {}}]},
        ["scenarios[0].test_set[0].iterations: expected 1"],
    ),
    (
        {"scenarios": [{"name": "b", "test_set": [case("c", iterations=600_000), case("d", iterations=600_000)]}]},
        ["scenarios[0].test_set: expected at most 1000000 iterations in all to shuffle"],
    ),
    (
        {"scenarios": [{"name": "a"}], "thresholds": {"failed{scenario=b}": "count < 1"}},
        ['thresholds["failed{scenario=b}"]: expected scenario to be "a"; got "b"'],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "told"), FAULTS, ids=str)
def test_where_the_faults_of_a_scenario_are(faults, given, told):
    found = faults(PLAN | given)
    assert len(found) == len(told), found
    for fault, expected in zip(found, told, strict=True):
        assert fault.startswith(expected)


def test_who_waits_for_an_agent_over_http(faults):
    over_http = {
        "display_name": "http",
        "model_type": "MODEL_TYPE_CHAT",
        "metadata": {"chat_endpoint": "https://a.example/chat"},
    }
    waits = {"conversation_initiation": "wait_for_user"}
    scenarios = [
        {"name": "a", "agents": [over_http]},
        {"name": "b", "agents": [over_http], "personas": [{}, {"name": "q", **waits}]},
        {"name": "c"},
    ]
    told = faults(PLAN | {"persona": waits, "scenarios": scenarios})
    assert [fault.partition(": ")[0] for fault in told] == [
        "persona.conversation_initiation",
        "scenarios[1].personas[1].conversation_initiation",
    ]


def test_thresholds_know_every_scenario(load):
    names = {"scenario": "b", "agent": "own", "test_case": "plan's", "persona": "own-2"}
    keys = {f'failed{{{label}="{name}"}}': "count < 1" for label, name in names.items()}
    scenarios = [{"name": "a"}, {"name": "b", "agents": OWN["agents"], "personas": OWN["personas"]}]
    plan = load(PLAN | {"scenarios": scenarios, "thresholds": keys})
    assert [dict(one.selector.wanted) for one in plan.thresholds] == [{label: name} for label, name in names.items()]


def test_what_is_kept_of_scenarios_is_a_valid_plan(load):
    scenarios = [{"name": "a"}, *({"name": key, key: value} for key, value in OWN.items())]
    shown = json.loads(json.dumps(load(PLAN | {"scenarios": scenarios}).masked()))
    jsonschema.Draft202012Validator(SCHEMA).validate(shown)
    assert shown["test_set"] is None
    first = shown["scenarios"][0]
    assert first["agents"] == ["plan's"]
    assert first["load"] == {"shape": "simulations", "concurrency": 3, "simulations": 6, "iterations": 2}
    assert [first["personas"][0]["wait_seconds"], first["persona"]] == [2.0, None]
    assert [case["id"] for case in first["test_set"]] == ["plan's", "another"]
    assert [agent["name"] for agent in shown["agents"]] == ["plan's", "own", "own-2"]


PLACES = {
    "plan's agent": {"agents": [body(authorization_header="Bearer ${X}")]},
    "plan's test set": {"test_set": [case("a", "my pin is ${X}", attributes={"pin": "${X}"})]},
    "filled": {"test_set": [case("a", "my pin is {{test_case.pin}}", attributes={"pin": "${X}"})]},
    "plan's persona": {"persona": {"initialization_parameters": {"who": ["${X}"]}}},
    "plan's personas": {"persona": None, "personas": [{"name": "p"}, {"name": "${X}"}]},
}
OWN_PLACES = {
    "agent": {"agents": [body(authorization_header="Bearer ${X}", custom_headers={"X-Y": "${X}"})]},
    "test set": {"test_set": [case("a", attributes={"deep": {"pin": ["${X}"]}})]},
    "text": {"test_set": [case("a", "${X}")]},
    "tools": {"test_set": [case("a", tool_results=[{"tool": "t", "result": {"pin": "${X}"}}])]},
    "persona": {"persona": {"name": "${X}"}},
    "personas": {"personas": [{}, {"name": "q", "initialization_parameters": {"a": "${X}"}}]},
    "name": {"name": "${X}"},
}


@given(
    st.lists(st.sampled_from(sorted(PLACES)), max_size=2),
    st.lists(st.lists(st.sampled_from(sorted(OWN_PLACES)), max_size=2), min_size=1, max_size=3),
    st.sampled_from(["Zq", "Zqx", "Zq-sesame", 'Zq"\\', "Zq é"]),
)
def test_no_secret_of_any_place_is_shown(places, scenarios, secret):
    plan = PLAN | {"choice": "in_order"}
    for place in places:
        plan |= PLACES[place]
    plan["scenarios"] = [{"name": str(at)} for at in range(len(scenarios))]
    for at, its_own in enumerate(scenarios):
        for place in its_own:
            plan["scenarios"][at] |= OWN_PLACES[place]
    try:
        loaded = load_plan(plan, environ={"X": secret}, clip_names=CLIPS)
    except Faulty as faulty:
        assert not any("Zq" in str(fault) for fault in faulty.faults)
        return
    shown = json.dumps(loaded.masked())
    assert "Zq" not in shown
    assert "Zq" not in repr([loaded, loaded.scenarios, loaded.test_cases, loaded.agents])


@pytest.mark.parametrize("own", [False, True])
def test_a_load_out_of_the_environment_is_shown_nowhere(load, own):
    written = {"load": {"rate": "${X}", "duration": "1m"}}
    scenarios = [{"name": "a", **(written if own else {})}, {"name": "b", "load": {"duration": "77s"}}]
    plan = load(PLAN | ({} if own else written) | {"scenarios": scenarios}, environ={"X": "33/s"})
    assert [scenario.shape for scenario in plan.scenarios] == [ArrivalRate(33.0, 60.0), Constant(1, 77.0)]
    shown = plan.masked()
    assert shown["scenarios"][0]["load"]["rate"] == "***"
    assert shown["scenarios"][1]["load"]["duration"] == 77.0
    assert "33" not in json.dumps(shown)


def test_what_a_scenario_has_of_its_own_is_not_masked_for_the_plans_sake(load):
    scenarios = [{"name": "a", "personas": [{"name": "mine"}]}, {"name": "b"}]
    shown = load(PLAN | {"persona": {"name": "${X}"}, "scenarios": scenarios}, environ={"X": "Z"}).masked()
    assert [one["personas"][0]["name"] for one in shown["scenarios"]] == ["mine", "***"]


def test_variables_of_a_scenarios_agents_are_the_agents_own(load, faults):
    scenarios = [{"name": "a", "agents": [body("mine", authorization_header="Bearer ${X}")]}]
    shown = load(PLAN | {"scenarios": scenarios}, environ={"X": "Z"}).masked()
    assert shown["scenarios"][0]["agents"] == [shown["agents"][0]["name"]] == ["mine"]
    assert shown["agents"][0]["metadata"]["authorization_header"] == "***"
    (fault,) = faults(PLAN | {"scenarios": scenarios})
    assert fault.startswith("scenarios[0].agents[0].metadata.authorization_header: expected the environment variable X")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("chat.json") | st.just("${X}"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)
SECTIONS = st.dictionaries(st.sampled_from(keys_of(ScenarioSection)), JSON) | JSON
GOOD = st.fixed_dictionaries({"name": st.sampled_from("abc")}, optional={key: st.just(OWN[key]) for key in OWN})
SCENARIOS = st.lists(SECTIONS | GOOD, max_size=3) | JSON


@given(st.dictionaries(st.sampled_from(keys_of(PlanFile)), JSON), SCENARIOS, st.booleans())
def test_whatever_scenarios_say_they_load_or_are_faulted(raw, scenarios, has_own):
    plan = (PLAN if has_own else {}) | raw | {"scenarios": scenarios}
    try:
        loaded = load_plan(plan, environ={"X": "x"}, clip_names=CLIPS)
    except Faulty as faulty:
        assert faulty.faults
    else:
        assert len(loaded.scenarios) == len(scenarios or [1])
        json.dumps(loaded.masked())


def test_names_show_nothing_out_of_the_environment(load, faults):
    named = PLAN | {"scenarios": [{"name": "a"}, {"name": "of ${X}"}]}
    (fault,) = faults(named, environ={"X": "sesame-street"})
    assert fault.startswith("scenarios[1].name: expected a name without ${...}")
    assert "sesame" not in fault
    assert load(PLAN | {"name": "nightly ${X}"}, environ={"X": "sesame-street"}).name == "nightly ***"
