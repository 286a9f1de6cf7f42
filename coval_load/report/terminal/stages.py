"""Where a load stands, in words: which stage of its shape, how much is asked for now, and how far it has come."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import attrs

from coval_load.engine.shapes.arrival_rate import ArrivalRate
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.shapes.interface import Shape
from coval_load.engine.shapes.ramp import Ramp
from coval_load.engine.shapes.ramping_arrival_rate import RampingArrivalRate
from coval_load.engine.shapes.simulations import Simulations
from coval_load.engine.shapes.soak import Soak
from coval_load.report.units import clock, many

OVER = "no new ones, the rest finishes"


@attrs.frozen
class Standing:
    """How a load stands, in `words`; `share` of its time or number has passed, None where no end is known."""

    words: str
    share: float | None


@attrs.frozen
class _Line:
    """A stage: a straight line from one number to another."""

    begins_s: float
    lasts_s: float
    start: float
    end: float


def standing(shape: Shape, since_s: float, wanted: int | None, ended: int) -> Standing:
    """How `shape` stands `since_s` seconds after its start, which may lie ahead.

    `wanted` is how many at once it asks for now, None where that is not known; `ended` how many have been settled.
    """
    if since_s < 0:
        return Standing(f"not begun, starts in {clock(-since_s)}", 0.0)
    share = _share(shape, since_s, ended)
    if shape.duration_s is not None and since_s >= shape.duration_s:
        return Standing(OVER, 1.0)
    return Standing(_words(shape, since_s, wanted), share)


def _share(shape: Shape, since_s: float, ended: int) -> float | None:
    shares = []
    if shape.duration_s:
        shares.append(since_s / shape.duration_s)
    number = getattr(shape, "simulations", None)
    if number:
        shares.append(ended / number)
    return min(max(shares), 1.0) if shares else None


def _words(shape: Shape, since_s: float, wanted: int | None) -> str:
    match shape:
        case Simulations():
            changed = _changed(shape.most_at_once, wanted)
            return f"{many(shape.simulations, 'simulation')}, {changed}"
        case Constant():
            return f"{_changed(shape.concurrency, wanted)} for {clock(shape.duration_s)}"
        case Soak():
            return _of_soak(shape, since_s, wanted)
        case Ramp():
            pairs = [(stage.duration_s, float(stage.concurrency)) for stage in shape.stages]
            now = "" if wanted is None else f", {wanted:,} asked for now"
            return _of_stages(list(_lines(float(shape.start), pairs)), since_s, "", now)
        case ArrivalRate():
            return f"{_number(shape.rate_per_s)} a second for {clock(shape.duration_s)}"
        case RampingArrivalRate():
            pairs = [(stage.duration_s, stage.rate_per_s) for stage in shape.stages]
            return _of_stages(list(_lines(shape.start_rate_per_s, pairs)), since_s, " a second", None)
        case _:
            return f"up to {shape.most_at_once:,} at once"


def _changed(planned: int, wanted: int | None) -> str:
    if wanted is None or wanted == planned:
        return f"{planned:,} at once"
    return f"{wanted:,} at once ({planned:,} in the plan)"


def _of_soak(shape: Soak, since_s: float, wanted: int | None) -> str:
    now = "" if wanted is None else f", {wanted:,} asked for now"
    if since_s < shape.ramp_up_s:
        return f"ramp up to {shape.concurrency:,} over {clock(shape.ramp_up_s)}{now}"
    if since_s < shape.duration_s - shape.ramp_down_s:
        return f"hold {shape.concurrency:,} for {clock(shape.duration_s - shape.ramp_up_s - shape.ramp_down_s)}"
    return f"ramp down over {clock(shape.ramp_down_s)}{now}"


def _lines(start: float, stages: Sequence[tuple[float, float]]) -> Iterator[_Line]:
    at_s = 0.0
    levels = [start, *(level for _, level in stages)]
    for (lasts_s, _), (before, after) in zip(stages, pairwise(levels), strict=True):
        yield _Line(at_s, lasts_s, before, after)
        at_s += lasts_s


def _of_stages(lines: Sequence[_Line], since_s: float, unit: str, now: str | None) -> str:
    at = max((number for number, line in enumerate(lines) if line.begins_s <= since_s), default=0)
    line = lines[at]
    place = f"stage {at + 1} of {len(lines)}: "
    if line.start == line.end:
        return f"{place}hold {_number(line.end)}{unit} for {clock(line.lasts_s)}"
    if now is None:
        passed = (since_s - line.begins_s) / line.lasts_s if line.lasts_s else 1.0
        now = f", {_number(line.start + (line.end - line.start) * passed)} now"
    return f"{place}{_number(line.start)} -> {_number(line.end)}{unit} over {clock(line.lasts_s)}{now}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:.3g}"
