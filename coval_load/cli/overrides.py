"""The plan, and the options that overrule what it says: of `run`, `soak` and `plan` alike."""

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
import click

from coval_load.cli.parameters import DURATION, FILE, FOLDER, reach_options, reach_sections
from coval_load.cli.preparing import refuse
from coval_load.faults import Fault, Faulty
from coval_load.plans.overrides import Overrides, plan_from_agent

_OPTIONS = (
    click.argument("plan", required=False, type=FILE),
    click.option("--agent", "agents", multiple=True, type=FILE, help="A connect-an-agent body; not the plan's."),
    click.option("--test-set", type=FILE, help="Test cases; in place of the plan's."),
    click.option("--concurrency", type=click.IntRange(1), help="Simulations at once; of --rate: at most."),
    click.option("--simulations", type=click.IntRange(1), help="How many in all."),
    click.option("--duration", type=DURATION, help="Start no more after this long, such as 10m."),
    click.option("--rate", help="Start so many, such as 20/s, whatever the agent does."),
    click.option("--per-agent", type=click.IntRange(1), help="At once that one agent gets; WebSocket chat: 8."),
    click.option("--threshold", "thresholds", multiple=True, help="Such as 'response_latency: p95 < 1.5s'."),
    click.option("--baseline", type=FOLDER, help="A run that limits such as 'baseline + 10%' are taken from."),
    reach_options,
    click.option("--record-audio", is_flag=True, help="Keep a stereo recording of each voice conversation."),
    click.option("--accept-invalid", is_flag=True, help="Exit as usual where the generator was the bottleneck."),
    click.option("--seed", type=click.IntRange(0), help="The same seed takes the same test cases, in the same order."),
)


def _paths(values: Iterable[str]) -> tuple[Path, ...]:
    return tuple(map(Path, values))


_PATHS: Mapping[str, Callable[[Any], Any]] = {
    "plan": Path,
    "agents": _paths,
    "test_set": Path,
    "baseline": Path,
    "ca_file": Path,
}


@attrs.frozen(kw_only=True)
class Asked:
    """What the command line asks for: a plan, or an agent, and what overrules it."""

    plan: Path | None = None
    agents: tuple[Path, ...] = ()
    test_set: Path | None = None
    concurrency: int | None = None
    simulations: int | None = None
    duration: float | None = None
    rate: str | None = None
    per_agent: int | None = None
    thresholds: tuple[str, ...] = ()
    baseline: Path | None = None
    ca_file: Path | None = None
    allow_private: bool = False
    allow_plaintext: bool = False
    record_audio: bool = False
    accept_invalid: bool = False
    seed: int | None = None
    soak: Mapping[str, float] | None = attrs.field(default=None, metadata={"of_soak": True})

    @classmethod
    def told(cls, told: Mapping[str, Any]) -> "Asked":
        """What `tell` told. Raises ValueError where it is no such thing."""
        values: dict[str, Any] = {}
        for name, value in told.items():
            plain = tuple(value) if isinstance(value, list) else value
            values[name] = _PATHS[name](plain) if name in _PATHS else plain
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(str(error)) from None

    def tell(self) -> dict[str, Any]:
        """In JSON, for `run.json`: where the plan is, and what overrules it. Paths are absolute."""

        def plain(value: Any) -> Any:
            if isinstance(value, Path):
                return str(value.absolute())
            return [plain(one) for one in value] if isinstance(value, tuple) else value

        given = {field.name: getattr(self, field.name) for field in attrs.fields(Asked)}
        return {name: plain(value) for name, value in given.items() if value is not None}

    @property
    def source(self) -> Path | Mapping[str, Any]:
        """The plan's file, or the plan that an agent by itself stands for; exits with 2 where there is neither."""
        if self.plan is not None:
            return self.plan
        if not self.agents:
            raise click.UsageError("expected a PLAN or --agent AGENT.json; got neither: see --help")
        return plan_from_agent(self.agents[0], self.test_set)

    @property
    def overrides(self) -> Overrides:
        """What overrules the plan; exits with 2 for a threshold that is none."""
        sections = reach_sections(self.ca_file, self.allow_private, self.allow_plaintext)
        if self.per_agent is not None:
            sections["limits"] = {"per_agent": self.per_agent}
        if self.record_audio:
            sections["record"] = {"audio": "all"}
        if self.accept_invalid:
            sections["generator"] = {"accept_invalid": True}
        if self.baseline is not None:
            sections["baseline"] = str(self.baseline.absolute()).replace("${", "$${")
        return Overrides(
            agents=self.agents,
            test_set=self.test_set,
            concurrency=self.concurrency,
            simulations=self.simulations,
            duration_s=self.duration,
            rate=self.rate,
            thresholds=tuple(map(_read_threshold, self.thresholds)),
            soak=self.soak,
            seed=self.seed,
            sections=sections,
        )


def overridable(command: Callable[..., object]) -> Callable[..., object]:
    """Give `command` the argument PLAN and the options that overrule it; it gets them as its first one, an `Asked`."""
    names = [field.name for field in attrs.fields(Asked) if not field.metadata]

    @functools.wraps(command)
    def with_asked(**values: Any) -> object:
        return command(Asked(**{name: values.pop(name) for name in names}), **values)

    taking: Callable[..., object] = with_asked
    for option in reversed(_OPTIONS):
        taking = option(taking)
    return taking


def _read_threshold(text: str) -> tuple[str, str]:
    from coval_load.plans.threshold_text import parse_option

    try:
        return parse_option(text)
    except Faulty as faulty:
        refuse(Faulty(Fault("--threshold", fault.message) for fault in faulty.faults))
