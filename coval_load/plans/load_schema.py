"""How much and when: what may stand under `load`, one class for each shape."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import attrs

from coval_load.engine.shapes.soak import ROUNDING
from coval_load.faults import Fault
from coval_load.limits import Between, Duration, Length, Tagged, Wrong

MOST_AT_ONCE = 100_000

AtOnce = Annotated[int, Between(least=1, most=MOST_AT_ONCE)]
Places = Annotated[int, Between(least=0, most=MOST_AT_ONCE)]
Many = Annotated[int, Between(least=1, most=1_000_000_000)]
Seconds = Annotated[float, Duration()]
WhenFull = Literal["queue", "drop"]
Spacing = Literal["even", "poisson"]


@attrs.frozen
class Rate:
    """Text such as `20/s`, `90/min`, `500/h`, or a number a second; gives a number a second."""

    expected: str = "a rate such as 20/s, 90/min, 500/h or a number a second, at most 100000/s"

    _PER: ClassVar[Mapping[str, float]] = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}

    def read(self, raw: Any) -> Any:
        rate = raw
        if isinstance(raw, str):
            found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?/ ?(s|min|m|h)", raw.strip())
            rate = float(found[1]) / self._PER[found[2]] if found else None
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= MOST_AT_ONCE:
            return Wrong(self.expected, raw)
        return float(rate)


PerSecond = Annotated[float, Rate()]


@attrs.frozen(kw_only=True)
class SimulationsLoad:
    """So many simulations, at most `concurrency` at once; `iterations` counts passes through the test set instead."""

    shape: Literal["simulations"] = "simulations"
    concurrency: AtOnce = 1
    simulations: Many | None = None
    iterations: Many | None = None

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Fault]:
        """One way to say how many."""
        if values.get("simulations") is not None and values.get("iterations") is not None:
            yield Fault("iterations", "expected simulations or iterations; got both, take one out")


@attrs.frozen(kw_only=True)
class ConstantLoad:
    """`concurrency` at once, until `duration` has passed or `simulations` were started."""

    shape: Literal["constant"] = "constant"
    concurrency: AtOnce = 1
    duration: Seconds
    simulations: Many | None = None


@attrs.frozen(kw_only=True)
class RampStage:
    """From the level before to `concurrency` at once, within `duration`."""

    duration: Seconds
    concurrency: Places


@attrs.frozen(kw_only=True)
class RampLoad:
    """Stages of concurrency, one after the other; before the first there are `start` at once."""

    shape: Literal["ramp"] = "ramp"
    stages: Annotated[Sequence[RampStage], Length(1, 1000)]
    start: Places = 0
    simulations: Many | None = None

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Fault]:
        """Somebody calls."""
        stages = values.get("stages") or ()
        if stages and not values.get("start") and not any(stage.concurrency for stage in stages):
            yield Fault("stages", "expected a stage with a concurrency above 0; got none")


@attrs.frozen(kw_only=True)
class ArrivalRateLoad:
    """So many a second whatever the agent does, up to `concurrency` at once."""

    shape: Literal["arrival_rate"] = "arrival_rate"
    rate: Annotated[float, Rate(), Between(above=0)]
    duration: Seconds
    concurrency: AtOnce = 1000
    when_full: WhenFull = "queue"
    spacing: Spacing = "even"


@attrs.frozen(kw_only=True)
class RateStage:
    """From the rate before to `rate`, within `duration`."""

    duration: Seconds
    rate: PerSecond


@attrs.frozen(kw_only=True)
class RampingArrivalRateLoad:
    """Stages of arrival rate, one after the other; before the first it is `start_rate`."""

    shape: Literal["ramping_arrival_rate"] = "ramping_arrival_rate"
    stages: Annotated[Sequence[RateStage], Length(1, 1000)]
    start_rate: PerSecond = 0.0
    concurrency: AtOnce = 1000
    when_full: WhenFull = "queue"
    spacing: Spacing = "even"

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Fault]:
        """Somebody calls."""
        stages = values.get("stages") or ()
        if stages and not values.get("start_rate") and not any(stage.rate for stage in stages):
            yield Fault("stages", "expected a stage with a rate above 0; got none")


@attrs.frozen(kw_only=True)
class SoakLoad:
    """`concurrency` at once for `duration`, of which `ramp_up` and `ramp_down` are the slow start and the end."""

    shape: Literal["soak"] = "soak"
    concurrency: AtOnce = 1
    duration: Seconds
    ramp_up: Seconds | None = None
    ramp_down: Seconds | None = None
    simulations: Many | None = None

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Fault]:
        """Start and end fit into the whole."""
        duration = values.get("duration")
        slow = (values.get("ramp_up") or 0.0) + (values.get("ramp_down") or 0.0)
        if duration is not None and slow > duration * (1 + ROUNDING):
            wanted = f"ramp_up and ramp_down within the duration of {duration:g} s"
            yield Fault("ramp_up", f"expected {wanted}; got {slow:g} s")


@attrs.frozen
class WithShape:
    """A load that names no shape has the one that its keys belong to."""

    expected: str = "an object"

    def read(self, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return Wrong(self.expected, raw)
        return raw if raw.get("shape") is not None else raw | {"shape": shape_of(raw)}


def shape_of(load: Mapping[str, Any]) -> str:
    """The shape of a load as written."""
    shape = load.get("shape")
    if isinstance(shape, str):
        return shape
    stages = load.get("stages")
    if stages is not None:
        rates = isinstance(stages, list) and any(isinstance(stage, dict) and "rate" in stage for stage in stages)
        return "ramping_arrival_rate" if rates or "start_rate" in load else "ramp"
    if load.get("rate") is not None:
        return "arrival_rate"
    if load.get("ramp_up") is not None or load.get("ramp_down") is not None:
        return "soak"
    return "simulations" if load.get("duration") is None else "constant"


AnyLoad = SimulationsLoad | ConstantLoad | RampLoad | ArrivalRateLoad | RampingArrivalRateLoad | SoakLoad
LoadKey = Annotated[AnyLoad, WithShape(), Tagged("shape")]
