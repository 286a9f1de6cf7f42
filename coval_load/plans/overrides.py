"""What the command line says over the plan."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import attrs

from coval_load.faults import Fault, Faulty
from coval_load.plans.load_schema import shape_of


@attrs.frozen
class Overrides:
    """Options of the command line; None, or no agents, leaves what the plan says.

    Paths are relative to the working directory. `simulations` and `duration_s` together say when a run
    stops: giving one of them drops both of the plan's. `rate` makes the load an open one. Raises Faulty for
    what a plan of several scenarios can't be told in one word.
    """

    agents: Sequence[Path] = ()
    test_set: Path | None = None
    concurrency: int | None = None
    simulations: int | None = None
    duration_s: float | None = None
    rate: str | None = None
    soak: Mapping[str, Any] | None = None
    """Keys of a soak: whatever the load is, it becomes one."""
    seed: int | None = None
    thresholds: Sequence[tuple[str, str]] = ()
    """Names and expressions, each beside what the plan says."""
    sections: Mapping[str, Any] = attrs.field(factory=dict)
    """Keys of a plan; an object is laid over the plan's own object, key by key."""

    def applied(self, raw: Any) -> Any:
        """The plan as written, with these in place of what it says."""
        if not isinstance(raw, dict):
            return raw
        changed = dict(raw)
        for key, section in self.sections.items():
            known = changed.get(key)
            changed[key] = {**known, **section} if isinstance(known, dict) and isinstance(section, dict) else section
        if self.agents:
            changed["agents"] = [_literal(path.absolute()) for path in self.agents]
        if self.test_set is not None:
            changed["test_set"] = self._test_set(changed.get("test_set"), self.test_set)
        if self.seed is not None:
            changed["seed"] = self.seed
        if self.thresholds:
            changed["thresholds"] = self._thresholds(changed.get("thresholds") or {})
        told = list(self._for_one_load() if changed.get("scenarios") else self._for_a_soak(changed.get("load")))
        if told:
            raise Faulty(told)
        load = changed.get("load") or {}
        if isinstance(load, dict) and not changed.get("scenarios"):
            changed["load"] = self._load(load)
        return changed

    @staticmethod
    def _test_set(known: Any, file: Path) -> Any:
        """Other data for the plan's script, where it has one."""
        path = _literal(file.absolute())
        return {**known, "file": path} if isinstance(known, dict) and "file" in known else path

    def _for_one_load(self) -> Iterator[Fault]:
        if self.soak is not None:
            yield Fault("scenarios", f"{_TO_SOAK}; got scenarios with loads of their own: use run for them")
        given = {
            "--concurrency": self.concurrency,
            "--simulations": self.simulations,
            "--duration": self.duration_s,
            "--rate": self.rate,
            "--ramp-up": (self.soak or {}).get("ramp_up"),
            "--ramp-down": (self.soak or {}).get("ramp_down"),
            "--agent": self.agents or None,
            "--test-set": self.test_set,
        }
        for option, value in given.items():
            if value is not None:
                yield Fault("", f"expected no {option}, since the plan has scenarios of their own; change it there")

    def _for_a_soak(self, load: Any) -> Iterator[Fault]:
        if self.soak is None or not isinstance(load, dict | None):
            return
        shape = "arrival_rate" if self.rate is not None else shape_of(load or {})
        if shape not in ("simulations", "constant", "soak"):
            yield Fault("load", f"{_TO_SOAK}; got {shape}: use run for it")
        elif self.duration_s is None and (self.simulations is not None or not (load or {}).get("duration")):
            yield Fault("load.duration", "expected how long to soak; got nothing: give --duration, such as 8h")

    def _thresholds(self, known: Any) -> Any:
        if not isinstance(known, dict):
            return known
        changed = dict(known)
        for name, expression in self.thresholds:
            former = changed.get(name, [])
            changed[name] = [*(former if isinstance(former, list) else [former]), expression]
        return changed

    def _load(self, load: dict[str, Any]) -> dict[str, Any]:
        changed = dict(load)
        if self.rate is not None:
            is_open = shape_of(load) == "arrival_rate"
            kept = ("duration", "concurrency", "spacing", "when_full") if is_open else ("duration",)
            changed = {"rate": self.rate} | {key: load[key] for key in kept if load.get(key) is not None}
        if self.concurrency is not None:
            changed["concurrency"] = self.concurrency
        if self.soak is not None:
            of_a_soak = ("concurrency", "duration", "ramp_up", "ramp_down")
            changed = {key: changed[key] for key in of_a_soak if key in changed} | {"shape": "soak", **self.soak}
        if self.simulations is None and self.duration_s is None:
            return changed
        if shape_of(changed) == "constant":
            changed.pop("shape", None)
        if shape_of(changed) == "simulations":
            changed.pop("shape", None)
            changed.pop("iterations", None)
        ends = {"simulations": self.simulations, "duration": self.duration_s}
        rest = {key: value for key, value in changed.items() if key not in ends}
        return rest | {key: value for key, value in ends.items() if value is not None}


_TO_SOAK = "expected one load of so many at once, to soak an agent with"


def plan_from_agent(agent: Path, test_set: Path | None = None, **sections: Any) -> dict[str, Any]:
    """The plan, as it would be written, of `run --agent AGENT`: one simulation of each of two short cases.

    Without `test_set` it is the one that comes with the package. `sections` are further keys of the plan
    (`targets`, `tls`, ...).
    """
    packaged = Path(str(files("coval_load.plans").joinpath("default_test_set.yaml")))
    return {
        "name": _literal(agent.stem),
        "agents": [_literal(agent.absolute())],
        "test_set": _literal(packaged if test_set is None else test_set.absolute()),
        **sections,
    }


def _literal(path: Path | str) -> str:
    """A path as a plan has it: a `${` in it is no variable."""
    return str(path).replace("${", "$${")
