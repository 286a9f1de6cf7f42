"""Conversations that only take time: how long real ones would, without an agent, for a preview of a plan."""

import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Protocol

import attrs
import numpy as np
from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from coval_load.engine.labels import Labels
from coval_load.engine.outcome import Failure, Outcome, SimulationFailed, Stage
from coval_load.engine.results import Results
from coval_load.engine.tally import Account
from coval_load.limits import Duration

Seconds = NDArray[np.float64]

SHORTEST_S = 0.01
"""No conversation is shorter: without any length the same instant would never end."""

_DRAWN_AT_ONCE = 4096
_P95 = 1.6448536269514722
"""Standard deviations from the mean that 95 % of normally distributed values stay below."""
_UNREADABLE = (
    HdrCookieException,
    HdrHistogramSettingsException,
    HdrLengthException,
    zlib.error,
    LookupError,
    TypeError,
    ValueError,
)


class Delay(Protocol):
    """How long an agent takes to respond."""

    @property
    def mean_s(self) -> float:
        """The average in seconds."""
        ...

    def draw(self, random: np.random.Generator, number: int) -> Seconds:
        """So many delays in seconds."""
        ...


@attrs.frozen
class Uniform:
    """Any delay from `low_s` to `high_s`; always the same where both are."""

    low_s: float
    high_s: float

    @property
    def mean_s(self) -> float:
        """See `Delay`."""
        return (self.low_s + self.high_s) / 2

    def draw(self, random: np.random.Generator, number: int) -> Seconds:
        """See `Delay`."""
        return random.uniform(self.low_s, self.high_s, number)


@attrs.frozen
class Lognormal:
    """Half of the delays are below `p50_s`, 95 % below `p95_s`; a few are very long, as they are in life."""

    p50_s: float
    p95_s: float

    @property
    def _sigma(self) -> float:
        return float(np.log(self.p95_s / self.p50_s)) / _P95

    @property
    def mean_s(self) -> float:
        """See `Delay`."""
        return self.p50_s * float(np.exp(self._sigma**2 / 2))

    def draw(self, random: np.random.Generator, number: int) -> Seconds:
        """See `Delay`."""
        return random.lognormal(np.log(self.p50_s), self._sigma, number)


def read_delay(text: str) -> Delay:
    """`600ms`, `400ms..900ms` or `p50=600ms,p95=1.2s`. Raises ValueError that says what was expected."""
    low, dots, high = text.partition("..")
    if dots:
        return _spread(Uniform, _seconds(low, text), _seconds(high, text), text)
    if "=" not in text:
        return Uniform(_seconds(text, text), _seconds(text, text))
    named = dict(part.strip().partition("=")[::2] for part in text.split(","))
    if named.keys() != {"p50", "p95"} or text.count("=") != 2:
        raise _unreadable(text)
    middle, high_s = _seconds(named["p50"], text), _seconds(named["p95"], text)
    if not middle > 0:
        raise ValueError(f"expected a p50 above 0; got {text!r}")
    return Uniform(middle, middle) if middle == high_s else _spread(Lognormal, middle, high_s, text)


def _spread(kind: Callable[[float, float], Delay], low_s: float, high_s: float, text: str) -> Delay:
    if low_s > high_s:
        raise ValueError(f"expected the lower delay first; got {text!r}")
    return kind(low_s, high_s)


def _seconds(written: str, text: str) -> float:
    seconds = Duration().read(written.strip())
    if not isinstance(seconds, float):
        raise _unreadable(text)
    return seconds


def _unreadable(text: str) -> ValueError:
    return ValueError(f"expected a delay such as 600ms, 400ms..900ms or p50=600ms,p95=1.2s; got {text!r}")


@attrs.frozen
class Script:
    """What one conversation takes: `fixed_s` that the agent's speed does not change, and `replies` of the agent."""

    fixed_s: float
    replies: int


class Lengths(Protocol):
    """How long conversations take."""

    def mean_s(self, script: Script) -> float:
        """The average length in seconds of conversations that follow `script`."""
        ...

    def length_s(self, script: Script) -> float:
        """The length of one of them, in seconds."""
        ...


@attrs.define
class TurnByTurn:
    """Every reply of a script comes after a delay of its own."""

    delay: Delay
    seed: int = 0
    _sums: dict[int, Iterator[float]] = attrs.field(factory=dict, init=False)

    def mean_s(self, script: Script) -> float:
        """See `Lengths`."""
        return max(script.fixed_s + script.replies * self.delay.mean_s, SHORTEST_S)

    def length_s(self, script: Script) -> float:
        """See `Lengths`."""
        sums = self._sums.get(script.replies)
        if sums is None:
            sums = self._sums[script.replies] = self._draw_sums(script.replies)
        return max(script.fixed_s + next(sums), SHORTEST_S)

    def _draw_sums(self, replies: int) -> Iterator[float]:
        random = np.random.default_rng((self.seed, replies))
        rows = max(_DRAWN_AT_ONCE // max(replies, 1), 1)
        while True:
            yield from self.delay.draw(random, rows * replies).reshape(rows, replies).sum(axis=1).tolist()


@attrs.define
class AsRecorded:
    """Lengths of whole conversations as an earlier run had them, whatever the script.

    A conversation's delays depend on each other and on more than the agent's speed (set-up, length of what it says);
    its length as a whole has all of that in it, and the mix of agents and test cases of that run.
    """

    _values_s: Seconds
    _upto: Seconds
    seed: int = 0
    _drawn: Iterator[float] = attrs.field(init=False)

    @classmethod
    def of(cls, summary: Mapping[str, Any], seed: int = 0) -> "AsRecorded":
        """From a `summary.json`. Raises ValueError where it has no completed conversation, or none to be read."""
        entry = summary["metrics"].get("simulation_time")
        if entry is None:
            raise ValueError("expected a run with completed simulations; got one without: name another run folder")
        try:
            histogram = HdrHistogram.decode(entry["histogram"])
        except _UNREADABLE as error:
            raise ValueError(f"expected a histogram of simulation_time; got what can't be read: {error}") from error
        counts = np.array(histogram.counts[:], dtype=np.float64)
        found = np.flatnonzero(counts)
        if not found.size:
            raise ValueError("expected lengths of conversations in the histogram of simulation_time; got none")
        values_us = [histogram.get_value_from_index(int(at)) for at in found]
        return cls(np.array(values_us, dtype=np.float64) / 1e6, np.cumsum(counts[found]), seed)

    @_drawn.default
    def _draw(self) -> Iterator[float]:
        random = np.random.default_rng(self.seed)
        while True:
            ranks = random.uniform(0, self._upto[-1], _DRAWN_AT_ONCE)
            yield from self._values_s[np.searchsorted(self._upto, ranks, side="right")].tolist()

    @property
    def samples(self) -> int:
        """Conversations of the earlier run."""
        return int(self._upto[-1])

    def mean_s(self, script: Script) -> float:
        """See `Lengths`; the same for every script."""
        return max(float(np.average(self._values_s, weights=np.diff(self._upto, prepend=0.0))), SHORTEST_S)

    def length_s(self, script: Script) -> float:
        """See `Lengths`."""
        return max(next(self._drawn), SHORTEST_S)


class Watch(Protocol):
    """Sees simulations of a scenario begin and end."""

    def began(self, agent: str) -> None:
        """A simulation with `agent` begins now."""
        ...

    def ended(self, agent: str) -> None:
        """One that had begun ends now."""
        ...


@attrs.define(eq=False)
class ModelledActor:
    """Sleeps as long as a conversation would take; see `engine.scenario.Actor`."""

    account: Account
    agent: str
    length_s: float
    cast: "ModelledCast"
    stage: Stage = Stage.QUEUE

    async def run(self, due: float) -> None:
        """The conversation."""
        self.stage = Stage.CONVERSATION
        self.cast.watch.began(self.agent)
        await self.cast.sleep(self.length_s)

    def failure_of(self, error: BaseException) -> Failure:
        """The simulation's deadline; raises anything else, for there is no agent that it could come from."""
        if not isinstance(error, SimulationFailed):
            raise error
        return Failure(error.kind, self.stage, error.message)

    def row(self) -> dict[str, Any]:
        """Nothing is kept of it."""
        return {"metrics": {}}

    def finished(self, outcome: Outcome) -> None:
        """It has ended, or will never begin."""
        if self.stage is Stage.CONVERSATION:
            self.cast.watch.ended(self.agent)


@attrs.define(eq=False)
class ModelledCast:
    """Conversations that only take time; see `engine.scenario.Cast`.

    `deal(number)` names the agent and the script of a simulation; `sleep` waits so many seconds.
    """

    scenario: str
    results: Results
    deal: Callable[[int], tuple[str, Script]]
    lengths: Lengths
    watch: Watch
    sleep: Callable[[float], Awaitable[object]]
    _known: dict[str, tuple[Labels, Account]] = attrs.field(factory=dict, init=False)

    def labels(self, number: int) -> Labels:
        """Scenario and agent."""
        return self._of(self.deal(number)[0])[0]

    def __call__(self, number: int) -> ModelledActor:
        """Simulation `number`, with a length of its own."""
        agent, script = self.deal(number)
        return ModelledActor(self._of(agent)[1], agent, self.lengths.length_s(script), self)

    def _of(self, agent: str) -> tuple[Labels, Account]:
        known = self._known.get(agent)
        if known is None:
            labels = Labels(self.scenario, agent)
            known = self._known[agent] = (labels, self.results.account(labels))
        return known
