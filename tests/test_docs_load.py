"""docs/load.md: each load loads and has the keys of its class, and each graph is what `coval-load plan` draws of it."""

import itertools
import os
from functools import partial

import attrs
import pytest
import yaml
from docs_pages import blocks, is_said, rows

from coval_load.actors.protocols import known_protocols
from coval_load.engine.modelled import TurnByTurn, read_delay
from coval_load.plans import load_schema
from coval_load.plans.loading import load_plan
from coval_load.plans.preview import preview, sketch
from coval_load.plans.rehearsal import Ensemble
from coval_load.plans.schema import ScenarioSection
from coval_load.report.plan_text import plan_text
from coval_load.strict import keys_of

PLAN = {
    "agents": [
        {
            "display_name": "Support",
            "model_type": "MODEL_TYPE_CHAT",
            "metadata": {"chat_endpoint": "https://agents.example.com/chat"},
        }
    ],
    "test_set": [{"id": "a", "turns": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "Bye"}]}],
}
BLOCKS = blocks("load")
GRAPHS = [
    (shown, graph)
    for (language, shown), (following, graph) in itertools.pairwise(BLOCKS)
    if language == "yaml" and following == "text"
]
SHAPES = {
    "So many simulations: `simulations`": load_schema.SimulationsLoad(),
    "The same number for some time: `constant`": load_schema.ConstantLoad(duration=1),
    "Stages of concurrency: `ramp`": load_schema.RampLoad(stages=()),
    "So many a second: `arrival_rate`": load_schema.ArrivalRateLoad(rate=1, duration=1),
    "Stages of rate: `ramping_arrival_rate`": load_schema.RampingArrivalRateLoad(stages=()),
    "Overnight: `soak`": load_schema.SoakLoad(duration=1),
}


def planned(shown):
    plan = PLAN | yaml.safe_load(shown)
    protocols = known_protocols()
    options = {name: protocol.options for name, protocol in protocols.items()}
    return Ensemble.rehearse(load_plan(plan, environ=os.environ, options=options), protocols)


@pytest.mark.parametrize("shown", [text for language, text in BLOCKS if language == "yaml"])
def test_a_block_loads(shown):
    assert planned(shown).plan.scenarios


@pytest.mark.parametrize(("shown", "graph"), GRAPHS)
def test_a_graph_is_what_is_drawn(shown, graph):
    ensemble = planned(shown)
    plan = ensemble.plan
    lasting = partial(TurnByTurn, read_delay("3s..6s"))
    seen = preview(sketch(ensemble), plan.limits.per_agent, plan.timeouts, lasting).as_json()
    assert graph in plan_text(plan.name, seen, "", colour=False)


def test_there_is_a_graph_of_every_shape():
    assert len(GRAPHS) == len(SHAPES) + 1


@pytest.mark.parametrize(("heading", "made"), SHAPES.items())
def test_a_table_has_every_key_and_default(heading, made):
    table = rows("load", heading)
    assert set(table) == set(keys_of(type(made))) - {"shape"}
    fields = attrs.fields_dict(type(made))
    for key, cell in table.items():
        if cell != "required":
            assert is_said(cell, fields[key].default), key


def test_the_table_of_scenarios_has_every_key():
    assert set(rows("load", "Several scenarios")) == set(keys_of(ScenarioSection))
