"""Where the WebSocket of an agent is dialled, and with which headers, whatever its options call that."""

from collections.abc import Mapping
from typing import Any

import attrs


@attrs.frozen
class SetUp:
    """The HTTP request that comes first. Placeholders in `headers` and `body` stand here unfilled.

    `url_path` is where in its answer the WebSocket's URL is.
    """

    method: str
    url: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: Any = attrs.field(repr=False)
    url_path: str


@attrs.frozen
class Destination:
    """`url` is None where a `set_up` request asks for it.

    Placeholders in `headers` stand here unfilled; `fixed_headers` are sent as they are. None of them is in the repr:
    they may hold secrets. `credentials` names the options to look at where the agent does not let us in.
    """

    url: str | None
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    fixed_headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    set_up: SetUp | None = None
    credentials: str = "authorization_header and custom_headers"
