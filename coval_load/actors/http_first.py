"""The HTTP request that some agents want before the WebSocket (agent-docs 001 and 002, "HTTP-First Mode")."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import orjson

from coval_load.actors.http_answers import excerpt, is_success, shown
from coval_load.actors.http_setup import ask_in_setup
from coval_load.codecs.dialects.http_interface import HttpRequest
from coval_load.codecs.paths import NOT_THERE, Path
from coval_load.engine.http_pool import HttpPool
from coval_load.engine.outcome import ErrorKind, SimulationFailed


@attrs.frozen
class SessionRequest:
    """What to ask, with every placeholder filled."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Any
    """JSON to send; None sends no body."""

    url_path: str
    """Dot path to the WebSocket URL in the answer."""


async def ask_for_url(pool: HttpPool, request: SessionRequest, wrong_with: Callable[[str], str | None]) -> str:
    """The WebSocket URL of a new session.

    `wrong_with(url)` says what makes a URL one that may not be dialled. Raises SimulationFailed
    `setup_failed`, `authentication_failed` or `rate_limited`, or `internal` where this machine has run out of
    something; the caller bounds the time.
    """
    asked = _as_sent(request)
    received = await ask_in_setup(pool, asked)
    text = received.body
    _check_status(asked, received.status, text)
    try:
        answer = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _failed(f"expected JSON from {shown(asked)}; got: {error}: {excerpt(text)}") from None
    url = Path.parse(request.url_path).find(answer)
    if url is NOT_THERE:
        raise _failed(
            f"expected the WebSocket URL at {request.url_path!r} in the answer of {shown(asked)}; it is not there: "
            f"set websocket_url_response_path to where it stands in {excerpt(text)}"
        )
    if not isinstance(url, str):
        raise _failed(
            f"expected text at {request.url_path!r} in the answer of {shown(asked)}; got {type(url).__name__}"
        )
    wrong = wrong_with(url)
    if wrong is not None:
        raise _failed(f"the WebSocket URL that {shown(asked)} answered can't be dialled: {wrong}")
    return url


def _as_sent(request: SessionRequest) -> HttpRequest:
    headers, body = dict(request.headers), None
    if request.body is not None:
        body = orjson.dumps(request.body)
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
    return HttpRequest(request.method, request.url, tuple(headers.items()), body)


def _check_status(asked: HttpRequest, status: int, text: bytes) -> None:
    if is_success(status):
        return
    got = f"expected status 2xx from {shown(asked)}; got {status}: {excerpt(text)}"
    if status in (401, 403):
        raise SimulationFailed(ErrorKind.AUTHENTICATION_FAILED, f"Authentication failed: {got}: check http_headers")
    if status == 429:
        raise SimulationFailed(ErrorKind.RATE_LIMITED, f"{got}: lower the concurrency")
    if 300 <= status < 400:
        raise _failed(f"{got}: redirects are not followed: set http_url to where it points")
    raise _failed(got)


def _failed(message: str) -> SimulationFailed:
    return SimulationFailed(ErrorKind.SETUP_FAILED, message)
