"""What may stand in a plan and in a test set. Each class is one object of the file; its attributes are the keys."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import attrs

from coval_load.agents.addresses import Targets
from coval_load.faults import Fault
from coval_load.limits import Between, Duration, JsonSize, Length, Pattern, Tagged
from coval_load.plans.check_schema import CheckKey
from coval_load.plans.load_schema import AtOnce, LoadKey, Seconds, SimulationsLoad

Name = Annotated[str, Length(1, 200)]
FilePath = Annotated[str, Length(1, 4096), Pattern(r"[^\0]*", "a path without null characters")]
Text = Annotated[str, Length(1, 10_000)]
Attributes = Mapping[str, Any]
Parameters = Annotated[Mapping[str, Any], JsonSize(16 * 1024)]
Wait = Annotated[float, Between(least=0, most=3600)]
Silence = Annotated[float, Between(above=0, most=60)]


@attrs.frozen(kw_only=True)
class BargeIn:
    """Begin to speak `after` seconds of the agent's turn, whatever the agent does."""

    after: Seconds


@attrs.frozen(kw_only=True)
class TextTurn:
    """Say `text`: chat agents read it, voice agents hear `audio`, or speech made of it where there is none."""

    type: Literal["text"]
    text: Text = attrs.field(repr=False)
    audio: FilePath | None = None
    barge_in: BargeIn | None = None
    expects_reply: bool = True


@attrs.frozen(kw_only=True)
class AudioTurn:
    """Play `audio`; `text` is what it says, for the transcript and for chat agents."""

    type: Literal["audio"]
    audio: FilePath
    text: Text | None = attrs.field(default=None, repr=False)
    barge_in: BargeIn | None = None
    expects_reply: bool = True


@attrs.frozen(kw_only=True)
class SkipTurn:
    """Say nothing, and let the agent go on."""

    type: Literal["skip"]
    expects_reply: bool = True


@attrs.frozen(kw_only=True)
class DtmfTurn:
    """Press keys of the keypad."""

    type: Literal["dtmf"]
    digits: Annotated[str, Length(1, 100), Pattern(r"[0-9*#A-D]+", "keypad digits 0-9, *, #, A-D")] = attrs.field(
        repr=False
    )
    barge_in: BargeIn | None = None
    expects_reply: bool = True


@attrs.frozen(kw_only=True)
class MediaTurn:
    """Show an image."""

    type: Literal["media"]
    file: FilePath
    barge_in: BargeIn | None = None
    expects_reply: bool = True


AnyTurn = TextTurn | AudioTurn | SkipTurn | DtmfTurn | MediaTurn
TurnKey = Annotated[AnyTurn, Tagged("type")]


@attrs.frozen(kw_only=True)
class ToolAnswer:
    """What the tool `tool` gives back to a chat agent that calls it.

    With `arguments` only to calls whose arguments have these, and maybe more; the first answer that fits is given.
    """

    tool: Name
    arguments: Attributes | None = attrs.field(default=None, repr=False)
    result: Any = attrs.field(repr=False)


Turns = Annotated[Sequence[TurnKey], Length(0, 10_000)]
ToolAnswers = Annotated[Sequence[ToolAnswer], Length(0, 10_000)]
Checks = Annotated[Sequence[CheckKey], Length(0, 1000)]


@attrs.frozen(kw_only=True)
class TestCase:
    """A script for the caller; `attributes` fill `{{test_case.<key>}}`, `tool_results` answer tool calls.

    A pass through the test set takes the case `iterations` times; where cases are drawn, `weight` says how often
    it is, against the weights of the others.
    """

    __test__ = False  # not one of pytest's

    id: Name
    turns: Turns
    attributes: Attributes = attrs.field(factory=dict, repr=False)
    tool_results: ToolAnswers = ()
    checks: Checks = ()
    weight: Annotated[float, Between(above=0), Between(least=0, most=1e6)] = 1.0
    iterations: Annotated[int, Between(least=1, most=1_000_000)] = 1


@attrs.frozen(kw_only=True)
class TestSetFile:
    """Test cases in `file`; `turns`, `tool_results` and `checks` are those of all of them, where given here."""

    __test__ = False  # not one of pytest's

    file: FilePath
    turns: Turns | None = attrs.field(default=None, repr=False)
    tool_results: ToolAnswers | None = attrs.field(default=None, repr=False)
    checks: Checks | None = None


@attrs.frozen(kw_only=True)
class Persona:
    """How a caller behaves. Times are in seconds, the threshold of what counts as sound in dBFS.

    `initialization_parameters` fill `{{persona.<field>}}` ("Initialization Payload").
    """

    name: Name = "default"
    conversation_initiation: Literal["speak_first", "wait_for_user"] = "speak_first"
    wait_seconds: Wait = 0.5
    send_silence: bool = True
    onset_threshold_dbfs: Annotated[float, Between(least=-90, most=0)] = -45.0
    end_of_turn_silence_seconds: Silence = 0.8
    yield_silence_seconds: Silence = 0.25
    initialization_parameters: Parameters = attrs.field(factory=dict, repr=False)


@attrs.frozen(kw_only=True)
class LimitsSection:
    """`per_agent` overrules how many simultaneous simulations the model type allows."""

    per_agent: AtOnce | None = None


@attrs.frozen(kw_only=True)
class TimeoutsSection:
    """Deadlines for each stage of a simulation, in seconds, and for the end of the run."""

    setup: Seconds = 30.0
    connect: Seconds = 10.0
    response: Seconds = 30.0
    close: Seconds = 5.0
    simulation: Seconds = 600.0
    grace: Seconds = 30.0


@attrs.frozen(kw_only=True)
class ReconnectSection:
    """A dial that failed is tried again `attempts` times; the bound of a wait is `first`, and doubles up to `most`."""

    attempts: Annotated[int, Between(least=1, most=1000)] = 5
    first: Seconds = 0.5
    most: Seconds = 30.0

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Fault]:
        """`first` is within `most`."""
        first, most = values.get("first"), values.get("most")
        if first is not None and most is not None and first > most:
            yield Fault("first", f"expected at most what most says, {most:g} s; got {first:g} s")


@attrs.frozen(kw_only=True)
class ConnectionsSection:
    """`most_age`: an HTTP connection that has been open for longer is not used again."""

    most_age: Seconds | None = None


@attrs.frozen(kw_only=True)
class TlsSection:
    """`ca_file`: a PEM file of authorities to trust besides the system's."""

    ca_file: FilePath | None = None


KeptAtMost = Annotated[int, Between(least=1, most=100_000)]


@attrs.frozen(kw_only=True)
class Sample:
    """Keep at most so many simulations: the slowest, failed ones, a random sample; at least one of these."""

    slowest: KeptAtMost | None = None
    failed: KeptAtMost | None = None
    sample: KeptAtMost | None = None

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Fault]:
        """At least one is given."""
        if all(values.get(key, "faulty") is None for key in ("slowest", "failed", "sample")):
            yield Fault("", "expected at least one of slowest, failed, sample; got none of them")


@attrs.frozen(kw_only=True)
class RecordSection:
    """What is kept of each simulation; what was measured is kept each `timeline` seconds, as often as fits if None."""

    transcripts: Literal["all", "none"] | Sample = "all"
    audio: Literal["none", "all"] | Sample = "none"
    timeline: Annotated[float, Duration(), Between(least=0.1)] | None = None


@attrs.frozen(kw_only=True)
class GeneratorSection:
    """`accept_invalid`: a run that can't be trusted exits as any other."""

    accept_invalid: bool = False


@attrs.frozen(kw_only=True)
class WorkersSection:
    """`when_lost`: the load that a lost worker had is left, or the others take it over."""

    when_lost: Literal["leave", "take_over"] = "leave"


AgentEntries = Annotated[Sequence[FilePath | Mapping[str, Any]], Length(1, 1000)]
Personas = Annotated[Sequence[Persona], Length(1, 1000)]
TestSetKey = FilePath | TestSetFile | Sequence[Any]
Choice = Literal["in_order", "shuffled", "weighted"]


@attrs.frozen(kw_only=True)
class ScenarioSection:
    """One of several loads that go on in the same run; what it does not say is as the plan says."""

    name: Name
    start: Seconds | None = None
    agents: AgentEntries | None = attrs.field(default=None, repr=False)
    persona: Persona | None = None
    personas: Personas | None = None
    test_set: TestSetKey | None = attrs.field(default=None, repr=False)
    choice: Choice | None = None
    load: LoadKey | None = None

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Fault]:
        """`persona` or `personas`, and a name of its own for each."""
        yield from _check_personas(values)


@attrs.frozen(kw_only=True)
class PlanFile:
    """The plan as written. `agents` and test cases are loaded by themselves; here is only their outer shape."""

    name: Name | None = None
    agents: AgentEntries | None = attrs.field(default=None, repr=False)
    persona: Persona | None = None
    personas: Personas | None = None
    test_set: TestSetKey | None = attrs.field(default=None, repr=False)
    choice: Choice = "in_order"
    load: LoadKey = attrs.field(factory=SimulationsLoad)
    scenarios: Annotated[Sequence[ScenarioSection], Length(1, 100)] | None = None
    limits: LimitsSection = attrs.field(factory=LimitsSection)
    timeouts: TimeoutsSection = attrs.field(factory=TimeoutsSection)
    reconnect: ReconnectSection | None = None
    connections: ConnectionsSection = attrs.field(factory=ConnectionsSection)
    tls: TlsSection = attrs.field(factory=TlsSection)
    targets: Targets = attrs.field(factory=Targets)
    record: RecordSection = attrs.field(factory=RecordSection)
    thresholds: Mapping[str, Any] = attrs.field(factory=dict)
    baseline: FilePath | None = None
    generator: GeneratorSection = attrs.field(factory=GeneratorSection)
    workers: WorkersSection = attrs.field(factory=WorkersSection)
    seed: Annotated[int, Between(least=0, most=2**63 - 1)] = 0

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Fault]:
        """`persona` or `personas`, names of their own, and agents and test cases for every scenario."""
        yield from _check_personas(values)
        scenarios = values.get("scenarios") or ()
        names = [scenario.name for scenario in scenarios]
        for at, name in enumerate(names):
            if name in names[:at]:
                yield Fault(f"scenarios[{at}].name", "expected a name of its own; another scenario has the same")
        for key, expected in (("agents", "a list"), ("test_set", "the path of a test set, or a list of test cases")):
            if values.get(key, "") is not None:  # one that has a fault of its own is not there
                continue
            if not scenarios:
                yield Fault(key, f"expected {expected}; got nothing")
            for at, scenario in enumerate(scenarios):
                if getattr(scenario, key) is None:
                    yield Fault(f"scenarios[{at}].{key}", f"expected {expected}, here or in the plan; got nothing")


def callers_of(*sections: PlanFile | ScenarioSection) -> tuple[Persona, ...]:
    """The personas of the first section that has any; one with every default where none has."""
    for section in sections:
        if section.personas or section.persona:
            return tuple(section.personas or ()) or (section.persona or Persona(),)
    return (Persona(),)


def _check_personas(values: Mapping[str, Any]) -> Iterator[Fault]:
    personas = values.get("personas") or ()
    if personas and values.get("persona") is not None:
        yield Fault("persona", "expected persona or personas; got both, take one out")
    names = [persona.name for persona in personas]
    for at, name in enumerate(names):
        if name in names[:at]:
            yield Fault(f"personas[{at}].name", "expected a name of its own; another persona has the same")
