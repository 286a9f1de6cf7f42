"""What the command line makes of each load: more or less of it, an open one, a soak; or what is wrong with that."""

import pytest

from coval_load.engine.shapes.arrival_rate import ArrivalRate
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.shapes.ramp import Ramp, Stage
from coval_load.engine.shapes.simulations import Simulations
from coval_load.engine.shapes.soak import Soak
from coval_load.plans.overrides import Overrides

RAMP = {"stages": [{"duration": "1m", "concurrency": 5}]}
RATES = {"stages": [{"duration": "1m", "rate": 5}]}
OPEN = {"rate": 3, "duration": "1m"}
SOAK = {"shape": "soak", "concurrency": 4, "duration": "1h", "ramp_up": "10m", "ramp_down": "5m"}
EXPECTED = "expected one load of so many at once, to soak an agent with"
SCENARIOS = [{"name": "a"}, {"name": "b", "load": OPEN}]


@pytest.fixture
def shape_after(load):
    def shape_after(options, written):
        (scenario,) = load(None, Overrides(**options), load=written).scenarios
        return scenario.shape

    return shape_after


@pytest.mark.parametrize(
    ("options", "written", "settled"),
    [
        ({"duration_s": 100.0}, {}, Soak(1, 100.0, 5.0)),
        ({"duration_s": 100.0}, {"concurrency": 7, "simulations": 9}, Soak(7, 100.0, 5.0)),
        ({"duration_s": 100.0}, {"concurrency": 7, "iterations": 9}, Soak(7, 100.0, 5.0)),
        ({"duration_s": 100.0}, {"shape": "simulations", "concurrency": 7}, Soak(7, 100.0, 5.0)),
        ({}, {"concurrency": 7, "duration": "1h"}, Soak(7, 3600.0, 180.0)),
        ({}, {"shape": "constant", "concurrency": 7, "duration": "1h", "simulations": 2}, Soak(7, 3600.0, 180.0)),
        ({}, {"duration": "100h"}, Soak(1, 360_000.0, 300.0)),
        ({}, SOAK, Soak(4, 3600.0, 600.0, 300.0)),
        ({"duration_s": 2000.0, "concurrency": 2}, SOAK, Soak(2, 2000.0, 600.0, 300.0)),
        ({"soak": {"ramp_up": 9.0}, "duration_s": 60.0}, {"concurrency": 3}, Soak(3, 60.0, 9.0)),
        ({"soak": {"ramp_down": 59.0}, "duration_s": 60.0}, {}, Soak(1, 60.0, 1.0, 59.0)),
        ({"soak": {"ramp_up": 1.0, "ramp_down": 2.0}}, SOAK, Soak(4, 3600.0, 1.0, 2.0)),
        ({"soak": {"ramp_up": 0.1, "ramp_down": 0.2}, "duration_s": 0.3}, {}, Soak(1, 0.3, 0.1, 0.2)),
        ({"duration_s": 60.0, "simulations": 5}, {"concurrency": 3}, Soak(3, 60.0, 3.0, simulations=5)),
    ],
)
def test_a_soak_of_a_load(shape_after, options, written, settled):
    assert shape_after({"soak": {}} | options, written) == settled


@pytest.mark.parametrize(
    ("options", "written", "fault"),
    [
        ({}, {}, "load.duration: expected how long to soak; got nothing: give --duration, such as 8h"),
        ({}, {"concurrency": 3, "simulations": 9}, "load.duration: expected how long to soak"),
        ({"simulations": 9}, {"duration": "1h"}, "load.duration: expected how long to soak"),
        ({"duration_s": 9.0}, OPEN, f"load: {EXPECTED}; got arrival_rate"),
        ({"duration_s": 9.0}, RATES, f"load: {EXPECTED}; got ramping_arr"),
        ({"duration_s": 9.0}, RAMP, f"load: {EXPECTED}; got ramp: use run"),
        ({"duration_s": 9.0, "rate": "3/s"}, {}, f"load: {EXPECTED}"),
        ({"duration_s": 9.0, "soak": {"ramp_up": 10.0}}, {}, "load.ramp_up: expected ramp_up and ramp_down within"),
        ({"duration_s": 9.0}, {"shape": "spike"}, f"load: {EXPECTED}; got spike: use run"),
        ({"duration_s": 9.0}, 5, "load: expected an object; got 5"),
    ],
)  # fmt: skip
def test_what_can_not_be_soaked(faults, options, written, fault):
    told = faults(None, Overrides(**{"soak": {}} | options), load=written)
    (only,) = told
    assert only.startswith(fault)


@pytest.mark.parametrize(
    ("options", "written", "settled"),
    [
        ({"rate": "90/min"}, {"duration": "1m"}, ArrivalRate(1.5, 60.0)),
        ({"rate": "90/min"}, {"duration": "1m", "concurrency": 3, "simulations": 7}, ArrivalRate(1.5, 60.0)),
        ({"rate": "9/s"}, OPEN | {"concurrency": 3}, ArrivalRate(9.0, 60.0, 3)),
        ({"rate": "9/s", "concurrency": 4}, OPEN | {"concurrency": 3}, ArrivalRate(9.0, 60.0, 4)),
        ({"rate": "9/s", "duration_s": 2.0}, OPEN | {"spacing": "poisson"}, ArrivalRate(9.0, 2.0, spacing="poisson")),
        ({"rate": "9/s", "duration_s": 2.0}, RAMP, ArrivalRate(9.0, 2.0)),
        ({"rate": "9/s", "duration_s": 2.0}, RATES, ArrivalRate(9.0, 2.0)),
        ({"rate": "9/s", "duration_s": 2.0}, SOAK, ArrivalRate(9.0, 2.0)),
        ({"concurrency": 9}, OPEN, ArrivalRate(3.0, 60.0, 9)),
        ({"simulations": 9}, RAMP, Ramp((Stage(60.0, 5),), simulations=9)),
        ({"simulations": 9}, {"shape": "constant", "duration": "1h"}, Simulations(1, 9)),
        ({"simulations": 9, "duration_s": 2.0}, {"iterations": 5}, Constant(1, 2.0, 9)),
    ],
)
def test_a_load_with_options(shape_after, options, written, settled):
    assert shape_after(options, written) == settled


@pytest.mark.parametrize(
    ("options", "written", "path"),
    [
        ({"rate": "9/s"}, {}, "load.duration"),
        ({"rate": "9/s"}, RAMP, "load.duration"),
        ({"rate": "fast"}, OPEN, "load.rate"),
        ({"rate": "0/s"}, OPEN, "load.rate"),
        ({"duration_s": 5.0}, RAMP, "load.duration"),
        ({"duration_s": 5.0}, RATES, "load.duration"),
        ({"concurrency": 5}, RAMP, "load.concurrency"),
        ({"rate": "9/s", "duration_s": 5.0, "simulations": 3}, {}, "load.simulations"),
    ],
)
def test_options_that_a_load_has_no_place_for(faults, options, written, path):
    assert [fault.partition(": ")[0] for fault in faults(None, Overrides(**options), load=written)] == [path]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"concurrency": 3}, ["--concurrency"]),
        ({"simulations": 3, "duration_s": 2.0}, ["--simulations", "--duration"]),
        ({"rate": "3/s"}, ["--rate"]),
        ({"agents": ["voice.json"]}, ["--agent"]),
        ({"test_set": "cases.json"}, ["--test-set"]),
    ],
)
def test_a_plan_of_scenarios_takes_no_load_from_the_command_line(faults, folder, options, told):
    paths = {
        name: [folder / one for one in value] if name == "agents" else folder / value
        for name, value in options.items()
        if name in ("agents", "test_set")
    }
    expected = [f"expected no {option}, since the plan has scenarios of their own; change it there" for option in told]
    assert faults(None, Overrides(**options | paths), scenarios=SCENARIOS) == expected


@pytest.mark.parametrize("ramps", [{}, {"ramp_up": 2.0, "ramp_down": 1.0}])
def test_a_plan_of_scenarios_is_not_soaked(faults, ramps):
    told = faults(None, Overrides(soak=ramps), scenarios=SCENARIOS)
    assert told[0].startswith(f"scenarios: {EXPECTED}; got scenarios")
    assert len(told) == 1 + len(ramps)


def test_a_plan_of_scenarios_takes_the_rest(load):
    overrides = Overrides(seed=4, thresholds=[("failed", "rate < 1%")], sections={"limits": {"per_agent": 3}})
    plan = load(None, overrides, scenarios=SCENARIOS)
    assert (plan.seed, plan.limits.per_agent) == (4, {"voice": 3})
    assert [one.name for one in plan.thresholds] == ["failed"]
    assert [scenario.shape for scenario in plan.scenarios] == [Simulations(1, 1), ArrivalRate(3.0, 60.0)]
