"""What a coordinator and its workers say to each other: sans-I/O, msgpack, several messages to a piece.

Times are in seconds: `due_s` of the run, all others by the clock of the worker's process (`trio.current_time()` there).
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, get_args

import attrs
import msgpack


@attrs.frozen
class Setting:
    """The plan with all it needs (`cloudpickle`, of the same release), what the worker's rows are numbered with, and
    the id of the run."""

    plan: bytes = attrs.field(repr=False)
    number: int
    run_id: str


@attrs.frozen
class Ping:
    """To be answered at once. `origin`: when the run began by the worker's own clock, as far as it is known by now."""

    number: int
    origin: float | None = None


@attrs.frozen
class Origin:
    """When the run began, or will, by the worker's own clock."""

    at: float


@attrs.frozen
class Start:
    """Simulation `number` of the scenario at index `scenario`: it begins when it is due, or when this is heard if that
    is later. `at_once`: another one had to end first, so nobody is late then. `waited`: what its actions are late by
    is not counted from its due time. `recorded`: its audio may come to be kept.
    """

    scenario: int
    number: int
    due_s: float
    at_once: bool = False
    waited: bool = False
    recorded: bool = False


@attrs.frozen
class Cancel:
    """The run ends before this simulation did."""

    scenario: int
    number: int


@attrs.frozen
class Recording:
    """Whether the recording of a simulation that has ended is wanted."""

    simulation_output_id: str
    wanted: bool


@attrs.frozen
class Finish:
    """Nothing more will be started: report what is left, and end."""


ToWorker: TypeAlias = Setting | Ping | Origin | Start | Cancel | Recording | Finish


@attrs.frozen
class Hello:
    """A worker's process is up; `versions` as in `run.json`."""

    host: str
    pid: int
    versions: dict[str, str]
    most_descriptors: int | None = None


@attrs.frozen
class Ready:
    """The plan is loaded: simulations may be started."""


@attrs.frozen
class Unable:
    """The plan can't be run here; why, a sentence each."""

    reasons: list[str]


@attrs.frozen
class Pong:
    """Answers a ping; `at` is when, by the worker's clock."""

    number: int
    at: float


@attrs.frozen
class Ended:
    """A simulation is settled. `row` is its line of `simulations.jsonl`, masked; it has `status` and `error`, too."""

    scenario: int
    number: int
    row: bytes
    status: str
    error: dict[str, Any] | None = None


@attrs.frozen
class Report:
    """What was measured since the last one; see `measured.py`."""

    body: dict[str, Any]


@attrs.frozen
class Sound:
    """A piece of a recording's file, in their order; `is_last`: the file is whole. `fault`: there will be none, why."""

    simulation_output_id: str
    data: bytes
    is_last: bool
    fault: str | None = None


@attrs.frozen
class FaultText:
    """A traceback of a fault of our own, masked."""

    text: str


@attrs.frozen
class Bye:
    """All that was to be reported was."""


FromWorker: TypeAlias = Hello | Ready | Unable | Pong | Ended | Report | Sound | FaultText | Bye

_TO_WORKER: Sequence[type] = get_args(ToWorker)
_FROM_WORKER: Sequence[type] = get_args(FromWorker)


def encode_to_worker(messages: Iterable[ToWorker]) -> bytes:
    """One piece of several messages; see `decode_to_worker`."""
    return _encode(messages, _TO_WORKER)


def decode_to_worker(data: bytes) -> list[ToWorker]:
    """The messages of a piece. Raises ValueError for what is none, or comes from another release."""
    return _decode(data, _TO_WORKER)


def encode_from_worker(messages: Iterable[FromWorker]) -> bytes:
    """One piece of several messages; see `decode_from_worker`."""
    return _encode(messages, _FROM_WORKER)


def decode_from_worker(data: bytes) -> list[FromWorker]:
    """The messages of a piece. Raises ValueError for what is none, or comes from another release."""
    return _decode(data, _FROM_WORKER)


def _encode(messages: Iterable[Any], kinds: Sequence[type]) -> bytes:
    packed: bytes = msgpack.packb(
        [[kinds.index(type(one)), *_values(one)] for one in messages],
        unicode_errors="surrogatepass",  # what agents say is in examples and faults
    )
    return packed


def _values(message: Any) -> list[Any]:
    return [getattr(message, field.name) for field in attrs.fields(type(message))]


def _decode(data: bytes, kinds: Sequence[type]) -> list[Any]:
    try:
        pieces = msgpack.unpackb(data, strict_map_key=False, unicode_errors="surrogatepass")
        return [kinds[_index(kind)](*values) for kind, *values in pieces]
    except (msgpack.UnpackException, ValueError, TypeError, LookupError) as error:
        raise ValueError(
            f"expected messages of this release of coval-load; got {len(data)} bytes that are none: "
            f"{type(error).__name__}: install the same release everywhere"
        ) from error


def _index(kind: Any) -> int:
    if not isinstance(kind, int) or isinstance(kind, bool) or kind < 0:
        raise ValueError("no kind of message")
    return kind
