"""Which simulations are recorded."""

from collections.abc import Callable, Sequence
from random import Random

from coval_load.engine.shapes.interface import ClosedShape
from coval_load.plans.plan import Plan


def recorded(plan: Plan) -> dict[str, Callable[[int], bool]]:
    """For each scenario, by name, whether the audio of a simulation, by number, is kept.

    A sample is drawn from all simulations of the plan where their number is known beforehand. Where it is not, the
    first ones of each scenario are taken, as many of one as of another, or all of one that has fewer.
    """
    audio = plan.recording.audio
    if not isinstance(audio, int):
        return {scenario.name: lambda number: audio == "all" for scenario in plan.scenarios}
    sizes = [one.shape.simulations if isinstance(one.shape, ClosedShape) else None for one in plan.scenarios]
    known = [size for size in sizes if size is not None]
    numbers = _drawn(known, audio, Random(plan.seed)) if len(known) == len(sizes) else _first(sizes, audio)
    return {one.name: chosen.__contains__ for one, chosen in zip(plan.scenarios, numbers, strict=True)}


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


def _first(sizes: Sequence[int | None], wanted: int) -> Sequence[range]:
    """So many numbers from 0 on for each scenario, `wanted` in all; a size of None is endless."""
    most = [wanted if size is None else min(size, wanted) for size in sizes]
    shares: dict[int, range] = {}
    # The smallest first: what they have too few for is left to the others.
    for dealt, at in enumerate(sorted(range(len(sizes)), key=most.__getitem__)):
        shares[at] = range(min(wanted // (len(sizes) - dealt), most[at]))
        wanted -= len(shares[at])
    return [shares[at] for at in range(len(sizes))]
