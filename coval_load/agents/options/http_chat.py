"""How an agent over HTTP is asked: what chat completions and A2A share."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

import attrs

from coval_load.agents.addresses import Purpose
from coval_load.agents.authorization import authorization_headers
from coval_load.agents.headers import Authorization, ChatHeaders, repeated_headers
from coval_load.agents.model_types import ModelType
from coval_load.faults import Fault
from coval_load.limits import JsonObject, JsonSize, Length, Secret

SIXTEEN_KILOBYTES = 16 * 1024
THIRTY_TWO_KILOBYTES = 32 * 1024

SmallPayload = Annotated[Mapping[str, Any], JsonObject(), JsonSize(SIXTEEN_KILOBYTES), Secret()]
CustomData = Annotated[Mapping[str, Any], JsonObject(), JsonSize(THIRTY_TWO_KILOBYTES), Secret()]


@attrs.frozen(repr=False, kw_only=True)
class HttpChatOptions:
    """The keys of `metadata` that both model types have ("For CHAT agents", "Configuration reference").

    Placeholders in `custom_headers` and `initialization_payload` stand here unfilled. URLs are as they are
    dialled once the agent is loaded: http:// is upgraded to https:// unless the plan allows plain text. The
    repr shows no value: any may hold a secret.
    """

    URLS: ClassVar[Mapping[str, Purpose]] = {"chat_endpoint": "chat", "initialization_endpoint": "chat"}
    """Which keys are URLs, and of what kind; checked and upgraded when the agent is loaded."""

    chat_endpoint: str | None = None
    authorization_header: Annotated[str, Authorization(), Secret()] | None = None
    custom_headers: ChatHeaders = attrs.field(factory=dict)
    custom_data: CustomData | None = None
    initialization_endpoint: Annotated[str, Length(1)] | None = None
    initialization_payload: SmallPayload | None = None
    honor_retry_after: bool = False

    @property
    def authorization(self) -> Mapping[str, str]:
        """The header that authorizes each request, if there is one."""
        return authorization_headers(self.authorization_header) if self.authorization_header else {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def endpoint_faults(values: Mapping[str, Any], model_type: ModelType) -> Iterator[Fault]:
    """What both model types require, and headers that would be sent twice."""
    if values.get("chat_endpoint", "absent for its own fault") in (None, ""):
        yield Fault(
            "chat_endpoint",
            f"expected the chat endpoint's URL, starting with https://, required for {model_type}; got nothing",
        )
    if values.get("initialization_payload") and values.get("initialization_endpoint", "") is None:
        yield Fault(
            "initialization_payload", "expected initialization_endpoint beside it, where it is sent to; got nothing"
        )
    yield from repeated_headers(values)
