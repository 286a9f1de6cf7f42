"""The way to one agent: where to dial, with which headers, after which request. Shared by its simulations."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import attrs
from websockets.client import ClientProtocol

from coval_load.actors.http_first import SessionRequest, ask_for_url
from coval_load.actors.redialling import Redialling
from coval_load.agents.authorization import authorization_headers
from coval_load.agents.headers import can_be_sent
from coval_load.codecs.templates import TemplateError, fill_json
from coval_load.engine.dialling import Dialler
from coval_load.engine.http_pool import HttpPool
from coval_load.engine.outcome import ErrorKind, SimulationFailed
from coval_load.engine.wire import Socket


class ConnectionOptions(Protocol):
    """The part of an agent's options that says how to reach it ("Connection Modes" of agent-docs 001 and 002)."""

    @property
    def connection_mode(self) -> str: ...
    @property
    def endpoint(self) -> str | None: ...
    @property
    def authorization_header(self) -> str | None: ...
    @property
    def custom_headers(self) -> Mapping[str, str]: ...
    @property
    def http_url(self) -> str | None: ...
    @property
    def http_method(self) -> str: ...
    @property
    def http_request_body(self) -> Any: ...
    @property
    def http_headers(self) -> Mapping[str, str]: ...
    @property
    def websocket_url_response_path(self) -> str | None: ...


@attrs.frozen
class Connector:
    """`wrong_with(url)` holds a URL that came over HTTP to the same rules as one in an agent file."""

    options: ConnectionOptions
    dialler: Dialler
    http: HttpPool
    wrong_with: Callable[[str], str | None]
    redialling: Redialling = attrs.field(factory=Redialling)

    @property
    def asks_first(self) -> bool:
        """Whether an HTTP request comes before the WebSocket."""
        return self.options.connection_mode == "http_first"

    async def ask(self, values: Mapping[str, Any]) -> str:
        """The WebSocket URL from the agent's set-up endpoint; errors as of `ask_for_url`."""
        options = self.options
        assert options.http_url is not None
        assert options.websocket_url_response_path is not None
        request = SessionRequest(
            method=options.http_method,
            url=options.http_url,
            headers=dict(_filled(options.http_headers, values, "http_headers")),
            body=_fill(options.http_request_body, values, "http_request_body"),
            url_path=options.websocket_url_response_path,
        )
        return await ask_for_url(self.http, request, self.wrong_with)

    async def dial(self, url: str | None, values: Mapping[str, Any]) -> tuple[Socket, ClientProtocol]:
        """An open WebSocket to `url`, or to the agent's own endpoint; errors as of `Dialler.dial`."""
        where = url or self.options.endpoint
        assert where is not None
        headers = list(_filled(self.options.custom_headers, values, "custom_headers"))
        if self.options.authorization_header:
            headers += authorization_headers(self.options.authorization_header).items()
        return await self.dialler.dial(where, headers)


def _filled(headers: Mapping[str, str], values: Mapping[str, Any], name: str) -> Iterator[tuple[str, str]]:
    for header, template in headers.items():
        value = _fill(template, values, f"{name}.{header}")
        if not can_be_sent(value):
            raise SimulationFailed(
                ErrorKind.SETUP_FAILED,
                f"expected ASCII without control characters in header {header} of {name}; a placeholder put others "
                "in: look at the attributes it takes its value from",
            )
        yield header, value


def _fill(template: Any, values: Mapping[str, Any], name: str) -> Any:
    try:
        return fill_json(template, values, name=name)
    except TemplateError as error:
        raise SimulationFailed(ErrorKind.SETUP_FAILED, str(error)) from error
