"""Whether this machine lets a run have what its peak takes: judged before anything is dialled."""

import math
from collections.abc import Iterator, Mapping

import attrs

from coval_load.engine import resources
from coval_load.faults import Fault

RESERVE = 64
"""Descriptors that a run takes beside its connections: its files, the event loop, names that are looked up."""
CLOSE_TO_LIMIT = 0.8
"""Connections that close linger, and a set-up request may take one more: above this it may not fit."""


def _most_descriptors() -> int | None:
    return resources.descriptor_limits()[1]


@attrs.frozen
class Room:
    """What a process may have; None where nothing limits it, or nobody says."""

    descriptors: int | None = attrs.field(factory=_most_descriptors)
    """The hard limit: a run raises its own up to there."""
    ports: range | None = attrs.field(factory=resources.ephemeral_ports)


def check_before_start(
    peak_per_agent: Mapping[str, int],
    peak: int,
    *,
    peak_is_a_cap: bool = False,
    recordings: int = 0,
    processes: int = 1,
    room: Room | None = None,
) -> tuple[list[Fault], list[str]]:
    """What the limits of this machine forbid, and notes on what comes close to them.

    `peak` is how many simulations go on at once at most, `peak_per_agent` the same with each agent; they are dealt
    evenly to `processes` of this machine. `recordings` is how many files each of these writes at once beside them.
    `peak_is_a_cap` says that the load may stay far below (an open load's cap on concurrency): then nothing is
    forbidden, all are notes.
    """
    room = room or Room()
    findings = [*_descriptors(peak, recordings, processes, room), *_ports(peak_per_agent, room)]
    too_much = [message for forbidden, message in findings if forbidden and not peak_is_a_cap]
    notes = [message for forbidden, message in findings if not forbidden or peak_is_a_cap]
    return [Fault("load", message) for message in too_much], notes


def share(peak: int, processes: int) -> int:
    """How many of `peak` one of `processes` gets at most."""
    return math.ceil(peak / processes)


def _descriptors(peak: int, recordings: int, processes: int, room: Room) -> Iterator[tuple[bool, str]]:
    needed = share(peak, processes) + recordings + RESERVE
    if room.descriptors is None or needed <= CLOSE_TO_LIMIT * room.descriptors:
        return
    whole = f"{peak:,} simulations at once take some {needed:,} file descriptors; this process"
    shared = (
        f"{peak:,} simulations at once over {processes:,} processes take some {needed:,} file descriptors each; one"
    )
    yield (
        needed > room.descriptors,
        f"{whole if processes == 1 else shared} may open "
        f"{room.descriptors:,}: run `ulimit -n {_ample(needed)}` before, or set LimitNOFILE={_ample(needed)} for "
        "the service",
    )


def _ports(peak_per_agent: Mapping[str, int], room: Room) -> Iterator[tuple[bool, str]]:
    for agent, peak in peak_per_agent.items():
        if room.ports is None or peak <= CLOSE_TO_LIMIT * len(room.ports):
            continue
        yield (
            peak > len(room.ports),
            f"{peak:,} connections at once to {agent} take as many ports; this machine gives out "
            f"{len(room.ports):,} ({room.ports.start} to {room.ports.stop - 1}): widen "
            "net.ipv4.ip_local_port_range, or use more machines",
        )


def _ample(needed: int) -> int:
    """Enough that there is no note any more."""
    return int(needed / CLOSE_TO_LIMIT) + 1
