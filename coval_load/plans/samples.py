"""Which simulations may come to be recorded: all, none, or those of a sample that was drawn beforehand."""

from collections.abc import Callable, Sequence
from random import Random

from coval_load.engine.plan import Selection
from coval_load.engine.shapes.interface import ClosedShape
from coval_load.plans.plan import Plan


def recorded(plan: Plan) -> dict[str, Callable[[int], bool]]:
    """For each scenario, by name, whether a simulation, by number, may come to be recorded."""
    audio = plan.recording.audio
    drawn = drawn_beforehand(plan)
    if drawn is None:
        return {scenario.name: lambda number: audio != "none" for scenario in plan.scenarios}
    return {one.name: chosen.__contains__ for one, chosen in zip(plan.scenarios, drawn, strict=True)}


def drawn_beforehand(plan: Plan) -> Sequence[set[int]] | None:
    """The numbers to record of each scenario, where nothing but chance decides and the number of all is known.

    None where all or none are recorded, or where it shows only when a simulation is over which of them are kept.
    """
    audio = plan.recording.audio
    if not isinstance(audio, Selection) or audio.slowest or audio.failed:
        return None
    sizes = [one.shape.simulations if isinstance(one.shape, ClosedShape) else None for one in plan.scenarios]
    known = [size for size in sizes if size is not None]
    return _drawn(known, audio.sample, Random(plan.seed)) if len(known) == len(sizes) else None


def _drawn(sizes: Sequence[int], wanted: int, random: Random) -> Sequence[set[int]]:
    chosen: list[set[int]] = [set() for _ in sizes]
    everything = sum(sizes)
    for drawn in random.sample(range(everything), min(wanted, everything)):
        number, scenario = drawn, 0
        while number >= sizes[scenario]:
            number -= sizes[scenario]
            scenario += 1
        chosen[scenario].add(number)
    return chosen
