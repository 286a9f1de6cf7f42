"""The HTTP request that some agents want before the WebSocket (agent-docs 001 and 002, "HTTP-First Mode")."""

import ssl
import zlib
from collections.abc import Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import attrs
import httpx
import orjson
import trio

from coval_load.codecs.paths import NOT_THERE, Path
from coval_load.engine.names import Resolver
from coval_load.engine.outcome import ErrorKind, SimulationFailed

MAX_ANSWER_BYTES = 1024 * 1024
"""A longer answer is refused: what is asked for is one URL."""


_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS

_KEEP_IDLE_S = 2.0
"""Shorter than the 5 s after which servers usually close: a request must not meet a connection just closing."""


def open_client(tls: ssl.SSLContext | bool = True) -> httpx.AsyncClient:
    """The client that all callers of a run share. It has no deadlines, no proxies, and keeps no cookies.

    One that kept them would send the next caller with the last one's session, and all callers of a balanced
    agent to the same of its servers.
    """
    return httpx.AsyncClient(
        verify=tls,
        timeout=None,
        trust_env=False,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=_KEEP_IDLE_S),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


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


async def ask_for_url(
    client: httpx.AsyncClient,
    resolver: Resolver,
    request: SessionRequest,
    wrong_with: Callable[[str], str | None],
) -> str:
    """The WebSocket URL of a new session.

    `wrong_with(url)` says what makes a URL one that may not be dialled. Raises SimulationFailed
    `setup_failed`, `authentication_failed` or `rate_limited`; the caller bounds the time.
    """
    await _check_host(resolver, request.url)
    status, text = await _exchange(client, request)
    _check_status(request, status, text)
    try:
        answer = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _failed(f"expected JSON from {_shown(request)}; got: {error}: {_excerpt(text)}") from None
    url = Path.parse(request.url_path).find(answer)
    if url is NOT_THERE:
        raise _failed(
            f"expected the WebSocket URL at {request.url_path!r} in the answer of {_shown(request)}; it is not there: "
            f"set websocket_url_response_path to where it stands in {_excerpt(text)}"
        )
    if not isinstance(url, str):
        raise _failed(
            f"expected text at {request.url_path!r} in the answer of {_shown(request)}; got {type(url).__name__}"
        )
    wrong = wrong_with(url)
    if wrong is not None:
        raise _failed(f"the WebSocket URL that {_shown(request)} answered can't be dialled: {wrong}")
    return url


async def _check_host(resolver: Resolver, url: str) -> None:
    parts = urlsplit(url)
    try:
        await resolver.resolve(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    except SimulationFailed as failed:
        raise _failed(failed.message) from failed


async def _exchange(client: httpx.AsyncClient, request: SessionRequest) -> tuple[int, bytes]:
    headers = dict(request.headers)
    if not any(name.lower() == "accept-encoding" for name in headers):
        headers["Accept-Encoding"] = "gzip"
    content = None
    if request.body is not None:
        content = orjson.dumps(request.body)
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
    try:
        async with client.stream(request.method, request.url, headers=headers, content=content) as response:
            received = bytearray()
            # Leaving the loop would leave the client's generators below it open; cancelled, they close.
            with trio.CancelScope() as enough:
                async for chunk in response.aiter_raw():
                    received += chunk
                    if len(received) > MAX_ANSWER_BYTES:
                        enough.cancel()
            if len(received) > MAX_ANSWER_BYTES:
                raise _failed(f"expected at most {MAX_ANSWER_BYTES} bytes from {_shown(request)}; more came")
            return response.status_code, _unpacked(request, response.headers.get("content-encoding", ""), received)
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise _failed(f"expected an answer from {_shown(request)}; got: {reason}") from error


def _unpacked(request: SessionRequest, encoding: str, packed: bytearray) -> bytes:
    """The answer without its content encoding; the client's own way unpacks a bomb to its end."""
    if encoding.lower() in ("", "identity"):
        return bytes(packed)
    try:
        if encoding.lower() not in ("gzip", "deflate"):
            raise zlib.error(f"content encoding {encoding[:40]!r}, for which it was not asked")
        unpacked = zlib.decompressobj(_GZIP_OR_ZLIB).decompress(packed, MAX_ANSWER_BYTES + 1)
    except zlib.error as error:
        raise _failed(f"expected an answer from {_shown(request)} in gzip, or as it is; got: {error}") from error
    if len(unpacked) > MAX_ANSWER_BYTES:
        raise _failed(f"expected at most {MAX_ANSWER_BYTES} bytes from {_shown(request)}; more came")
    return unpacked


def _check_status(request: SessionRequest, status: int, text: bytes) -> None:
    if 200 <= status < 300:
        return
    got = f"expected status 2xx from {_shown(request)}; got {status}: {_excerpt(text)}"
    if status in (401, 403):
        raise SimulationFailed(ErrorKind.AUTHENTICATION_FAILED, f"Authentication failed: {got}: check http_headers")
    if status == 429:
        raise SimulationFailed(ErrorKind.RATE_LIMITED, f"{got}: lower the concurrency")
    if 300 <= status < 400:
        raise _failed(f"{got}: redirects are not followed: set http_url to where it points")
    raise _failed(got)


def _shown(request: SessionRequest) -> str:
    return f"{request.method} {request.url.partition('?')[0]}"


def _excerpt(text: bytes) -> str:
    return repr(text[:160].decode("utf-8", "replace"))


def _failed(message: str) -> SimulationFailed:
    return SimulationFailed(ErrorKind.SETUP_FAILED, message)
