"""From a load as written to its shape."""

from coval_load.engine.shapes.arrival_rate import ArrivalRate
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.shapes.interface import Shape
from coval_load.engine.shapes.ramp import Ramp, Stage
from coval_load.engine.shapes.ramping_arrival_rate import RampingArrivalRate, RateStage
from coval_load.engine.shapes.simulations import Simulations
from coval_load.engine.shapes.soak import Soak
from coval_load.plans.load_schema import (
    AnyLoad,
    ArrivalRateLoad,
    ConstantLoad,
    RampingArrivalRateLoad,
    RampLoad,
    SimulationsLoad,
    SoakLoad,
)

USUAL_RAMP_UP = 0.05
USUAL_RAMP_UP_AT_MOST_S = 300.0


def settle_shape(load: AnyLoad, pass_length: int) -> Shape:
    """The shape of `load`; one pass through agents and test cases takes `pass_length` simulations.

    Where nothing says when to stop, each place of `concurrency` is taken once.
    """
    match load:
        case SimulationsLoad():
            passes = None if load.iterations is None else load.iterations * pass_length
            return Simulations(load.concurrency, load.simulations or passes or load.concurrency)
        case ConstantLoad():
            return Constant(load.concurrency, load.duration, load.simulations)
        case RampLoad():
            stages = tuple(Stage(stage.duration, stage.concurrency) for stage in load.stages)
            return Ramp(stages, load.start, load.simulations)
        case ArrivalRateLoad():
            return ArrivalRate(load.rate, load.duration, load.concurrency, load.when_full, load.spacing)
        case RampingArrivalRateLoad():
            rates = tuple(RateStage(stage.duration, stage.rate) for stage in load.stages)
            return RampingArrivalRate(rates, load.start_rate, load.concurrency, load.when_full, load.spacing)
        case SoakLoad():
            return Soak(load.concurrency, load.duration, ramp_up_s(load), load.ramp_down or 0.0, load.simulations)


def ramp_up_s(load: SoakLoad) -> float:
    """How slow a soak starts: as it says, or a twentieth of it, at most five minutes."""
    if load.ramp_up is not None:
        return load.ramp_up
    left = load.duration - (load.ramp_down or 0.0)
    return min(USUAL_RAMP_UP * load.duration, USUAL_RAMP_UP_AT_MOST_S, left)
