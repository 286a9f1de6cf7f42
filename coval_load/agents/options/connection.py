"""How a WebSocket is reached: directly, or by way of an HTTP request that says where it is."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import attrs

from coval_load.agents.addresses import Purpose
from coval_load.agents.authorization import authorization_headers
from coval_load.agents.destination import Destination, SetUp
from coval_load.agents.headers import Authorization, HttpHeaders, WebSocketHeaders, repeated_headers
from coval_load.faults import Fault
from coval_load.limits import JsonObject, Length, Pattern, Secret

DotPath = Annotated[
    str, Length(1, 1000), Pattern(r"[^.]+(\.[^.]+)*", "a path in dot notation such as payload.audio.data")
]
OptionalDotPath = Annotated[
    str,
    Length(0, 1000),
    Pattern(r"([^.]+(\.[^.]+)*)?", "a path in dot notation such as payload.type, or an empty text"),
]
# Payloads may hold keys and tokens: marked secret, so that a message about one shows none of it.
Payload = Annotated[Mapping[str, Any], JsonObject(), Secret()]


@attrs.frozen(repr=False, kw_only=True)
class ConnectionOptions:
    """The keys of `metadata` that voice and chat over WebSocket share ("Connection Modes").

    Placeholders in `initialization_json`, `custom_headers`, `http_request_body` and `http_headers` stand
    here unfilled. The repr shows the mode only: any other value may hold a secret.
    """

    URLS: ClassVar[Mapping[str, Purpose]] = {"endpoint": "websocket", "http_url": "http"}
    """Which keys are URLs, and of what kind; checked when the agent is loaded."""

    connection_mode: Literal["direct", "http_first"] = "direct"
    endpoint: str | None = None
    http_url: str | None = None
    http_method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    http_request_body: Payload | None = None
    http_headers: HttpHeaders = attrs.field(factory=dict)
    websocket_url_response_path: OptionalDotPath | None = None
    authorization_header: Annotated[str, Authorization(), Secret()] | None = None
    custom_headers: WebSocketHeaders = attrs.field(factory=dict)
    initialization_json: Payload | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.connection_mode})"

    @staticmethod
    def check(values: Mapping[str, Any]) -> Iterator[Fault]:
        """What each connection mode requires, and headers that would be sent twice."""
        mode = values.get("connection_mode")
        if mode is not None:
            for key, what in _REQUIRED[mode].items():
                if values.get(key, what) in (None, ""):
                    yield Fault(key, f"expected {what}, required in connection_mode {mode}; got nothing")
        yield from repeated_headers(values)


_REQUIRED = {
    "direct": {"endpoint": "a WebSocket URL starting with wss://"},
    "http_first": {
        "http_url": "the URL of the setup request, starting with https://",
        "websocket_url_response_path": "the path of the WebSocket URL in the answer",
    },
}


def destination(options: Any) -> Destination:
    """Where agents are dialled whose `options` are `ConnectionOptions`, or have its attributes."""
    authorization = options.authorization_header
    is_direct = options.connection_mode == "direct"
    return Destination(
        url=options.endpoint if is_direct else None,
        headers=options.custom_headers,
        fixed_headers=authorization_headers(authorization) if authorization else {},
        set_up=None if is_direct else _set_up(options),
    )


def _set_up(options: Any) -> SetUp:
    return SetUp(
        method=options.http_method,
        url=options.http_url,
        headers=options.http_headers,
        body=options.http_request_body,
        url_path=options.websocket_url_response_path,
    )
