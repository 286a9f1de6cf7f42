"""What an agent is: the body that connects it ("Connect an agent"), loaded."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import attrs

from coval_load.agents.model_types import ModelType
from coval_load.faults import Fault
from coval_load.limits import JsonObject, JsonSize, Length, Pattern

TEN_MEGABYTES = 10 * 1024 * 1024

E164 = r"\+[1-9][0-9]{6,14}"
SIP = r"sips?:[^\s@]+@[^\s@]+"
E164_NUMBER = "an E.164 number such as +12345678901"
PHONE_NUMBER = f"{E164_NUMBER} or an address such as sip:user@domain.com"
WEBHOOK = "a webhook URL starting with https:// or http://"

FreeObject = Annotated[Mapping[str, Any], JsonObject(), JsonSize(TEN_MEGABYTES)]
MetricId = Annotated[str, Pattern(r"[A-Za-z0-9]{22}", "22 characters of A-Z, a-z and 0-9")]
TestSetId = Annotated[str, Pattern(r"[A-Za-z0-9]{8}", "8 characters of A-Z, a-z and 0-9")]
Tag = Annotated[str, Length(1, 200)]


@attrs.frozen(repr=False)
class Body:
    """The body as written. `metadata` is what `options` of the `Agent` are made of.

    Its repr names the model type only: any other value may hold a secret.
    """

    display_name: Annotated[str, Length(1, 200)]
    model_type: ModelType
    phone_number: Annotated[str, Length(1, 200), Pattern(f"{E164}|{SIP}", PHONE_NUMBER)] | None = None
    endpoint: Annotated[str, Length(1, 200), Pattern(r"https?://[^\s/]\S*", WEBHOOK)] | None = None
    prompt: Annotated[str, Length(0, 50_000)] | None = None
    customer_agent_id: Annotated[str, Length(1, 200)] | None = None
    language: Annotated[str, Length(1, 200)] | None = None
    attributes: FreeObject = attrs.field(factory=dict)
    metadata: FreeObject = attrs.field(factory=dict)
    workflows: FreeObject = attrs.field(factory=dict)
    metric_ids: Sequence[MetricId] = ()
    test_set_ids: Sequence[TestSetId] = ()
    tags: Annotated[Sequence[Tag], Length(0, 20)] = ()

    def __repr__(self) -> str:
        return f"Body({self.model_type})"

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Fault]:
        """What holds between the keys: which model type needs which."""
        yield from _phone_faults(values)
        yield from _webhook_faults(values)


def _phone_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    number, model_type = values.get("phone_number", ""), values.get("model_type")
    if number is None and model_type in (ModelType.VOICE, ModelType.SMS):
        yield Fault("phone_number", f"expected {PHONE_NUMBER}, required for {model_type}; got nothing")
    if number and model_type is ModelType.SMS and not re.fullmatch(E164, number):
        yield Fault("phone_number", f"expected {E164_NUMBER} for {model_type}; got a SIP address")


def _webhook_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    if values.get("endpoint", "") is None and values.get("model_type") is ModelType.OUTBOUND_VOICE:
        yield Fault("endpoint", f"expected {WEBHOOK}, required for MODEL_TYPE_OUTBOUND_VOICE; got nothing")


@attrs.frozen(repr=False)
class Agent:
    """An agent ready to be simulated against.

    `name` stands in result rows: the stem of the file it came from, else its display name. `options` is
    `metadata` as the model type's options class. `secrets` are texts that must be shown nowhere, `hidden`
    where in the body something out of the environment stands.
    """

    name: str
    body: Body
    options: Any
    secrets: frozenset[str] = frozenset()
    hidden: tuple[tuple[str | int, ...], ...] = ()

    @property
    def model_type(self) -> ModelType:
        return self.body.model_type

    @property
    def display_name(self) -> str:
        return self.body.display_name

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What `{{agent.<key>}}` takes its values from."""
        return self.body.attributes

    def __repr__(self) -> str:
        return f"Agent({self.body.model_type})"
