"""What the command line says over the plan."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import attrs


@attrs.frozen
class Overrides:
    """Options of the command line; None, or no agents, leaves what the plan says.

    Paths are relative to the working directory. `simulations` and `duration_s` together say when a run
    stops: giving one of them drops both of the plan's.
    """

    agents: Sequence[Path] = ()
    test_set: Path | None = None
    concurrency: int | None = None
    simulations: int | None = None
    duration_s: float | None = None
    seed: int | None = None
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
            changed["test_set"] = _literal(self.test_set.absolute())
        if self.seed is not None:
            changed["seed"] = self.seed
        load = changed.get("load") or {}
        if isinstance(load, dict):
            changed["load"] = self._load(load)
        return changed

    def _load(self, load: dict[str, Any]) -> dict[str, Any]:
        changed = dict(load)
        if self.concurrency is not None:
            changed["concurrency"] = self.concurrency
        if self.simulations is not None or self.duration_s is not None:
            changed |= {"simulations": self.simulations, "duration": self.duration_s}
        return changed


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
