"""The way to one agent: where to dial, with which headers, after which request. Shared by its simulations."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
from websockets.protocol import Protocol as Framing

from coval_load.actors.http_first import SessionRequest, ask_for_url
from coval_load.actors.redialling import Redialling
from coval_load.agents.destination import Destination, SetUp
from coval_load.agents.headers import can_be_sent
from coval_load.codecs.templates import TemplateError, fill_json
from coval_load.engine.dialling import Dialler
from coval_load.engine.http_pool import HttpPool
from coval_load.engine.outcome import ErrorKind, SimulationFailed
from coval_load.engine.wire import Socket


@attrs.frozen
class Connector:
    """`wrong_with(url)` holds a URL that came over HTTP to the same rules as one in an agent file."""

    destination: Destination
    dialler: Dialler
    http: HttpPool
    wrong_with: Callable[[str], str | None]
    redialling: Redialling = attrs.field(factory=Redialling)

    @property
    def set_up(self) -> SetUp | None:
        """The HTTP request that comes before the WebSocket, if there is one."""
        return self.destination.set_up

    async def ask(self, set_up: SetUp, values: Mapping[str, Any]) -> str:
        """The WebSocket URL from the agent's set-up endpoint; errors as of `ask_for_url`."""
        request = SessionRequest(
            method=set_up.method,
            url=set_up.url,
            headers=dict(_filled(set_up.headers, values, "http_headers")),
            body=_fill(set_up.body, values, "http_request_body"),
            url_path=set_up.url_path,
        )
        return await ask_for_url(self.http, request, self.wrong_with)

    async def dial(self, url: str | None, values: Mapping[str, Any]) -> tuple[Socket, Framing]:
        """An open WebSocket to `url`, or to the agent's own; errors as of `Dialler.dial`."""
        where = url or self.destination.url
        assert where is not None
        headers = [
            *_filled(self.destination.headers, values, "custom_headers"),
            *self.destination.fixed_headers.items(),
        ]
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
