"""Which simulations are recorded."""

from collections.abc import Callable
from random import Random

from coval_load.engine.shapes.interface import ClosedShape
from coval_load.plans.plan import Plan


def recorded(plan: Plan) -> dict[str, Callable[[int], bool]]:
    """For each scenario, by name, whether the audio of a simulation, by number, is kept.

    A sample is drawn from all simulations of the plan where their number is known beforehand; else the first
    ones of each scenario are taken.
    """
    audio = plan.recording.audio
    if not isinstance(audio, int):
        return {scenario.name: lambda number: audio == "all" for scenario in plan.scenarios}
    sizes = [
        (one.name, one.shape.simulations if isinstance(one.shape, ClosedShape) else None) for one in plan.scenarios
    ]
    drawn: dict[str, set[int]] = {name: set() for name, _ in sizes}
    everything = [(name, size) for name, size in sizes if size is not None]
    if len(everything) == len(sizes):
        population = sum(size for _, size in everything)
        for at in Random(plan.seed).sample(range(population), min(audio, population)):
            for name, size in everything:
                if at < size:
                    drawn[name].add(at)
                    break
                at -= size  # noqa: PLW2901 - counted through one scenario after the other
    else:
        for at, (name, _) in enumerate(sizes):
            drawn[name].update(range(audio * at // len(sizes), audio * (at + 1) // len(sizes)))
            drawn[name] = set(range(len(drawn[name])))
    return {name: numbers.__contains__ for name, numbers in drawn.items()}
