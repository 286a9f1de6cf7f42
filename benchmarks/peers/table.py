"""What was measured, as a table for people and as JSON."""

from collections.abc import Mapping

import attrs
from measuring import Measured

OURS = "coval-load"
FLOORS = {"frames": "picows-uvloop", "chat": "picows-uvloop", "connections": "tls-handshakes"}
TITLES = {
    "frames": "voice frames each 20 ms, out and back: CPU for a pair",
    "chat": "conversations of {turns} turns, each on a new connection: CPU for a turn, all in",
    "connections": "connections opened, upgraded and closed: CPU for one",
    "http_chat": "conversations of {turns} turns over HTTP, the whole history in each: CPU for a turn",
}
HEAD = (
    f"{'':18}{'us/unit':>9}{'to ours':>9}{'CPU':>6}{'wait':>6}{'agent':>7}{'late p50':>10}{'p99':>10}{'KiB each':>10}"
)
HEAD += f"{'MiB':>10}{'units':>9}{'of due':>8}  errors"


def title(work: str, turns: int) -> str:
    return f"{work}: {TITLES[work].format(turns=turns)}"


def row(name: str, measured: Measured, ours: Measured | None) -> str:
    """One line; a dash where the work does not have it."""
    ratio = f"{measured.cpu_a_unit_s / ours.cpu_a_unit_s:.2f}x" if ours else "-"
    each, share = measured.memory_a_session_bytes, measured.share
    errors = ", ".join(f"{kind} {number}" for kind, number in measured.errors.items()) or "none"
    return (
        f"{name:18}{measured.cpu_a_unit_s * 1e6:9.1f}{ratio:>9}"
        f"{measured.cpu:6.0%}{measured.waited:6.0%}{measured.agent_cpu:7.0%}"
        f"{milliseconds(measured.late_p50_s):>10}{milliseconds(measured.late_p99_s):>10}"
        f"{'-' if each is None else f'{each / 1024:.0f}':>10}{measured.memory_bytes / 2**20:10.0f}"
        f"{measured.units:9,}{'-' if share is None else f'{share:.0%}':>8}  {errors}"
    )


def milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.2f} ms"


def verdict(work: str, results: Mapping[str, Measured | str]) -> str | None:
    """Ours against the floor of the work, where both were measured."""
    ours, floor = results.get(OURS), results.get(FLOORS.get(work, ""))
    if not isinstance(ours, Measured) or not isinstance(floor, Measured):
        return None
    return f"{OURS} costs {ours.cpu_a_unit_s / floor.cpu_a_unit_s:.2f} times {FLOORS[work]}"


def as_json(results: Mapping[str, Mapping[str, Measured | str]]) -> dict:
    """By work and peer: the fields of `Measured`, or `{"failed": why}`."""
    return {
        work: {
            name: attrs.asdict(found) if isinstance(found, Measured) else {"failed": found}
            for name, found in found_by_name.items()
        }
        for work, found_by_name in results.items()
    }
