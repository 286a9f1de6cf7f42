"""The dashboard's pages and what they ask for, as an ASGI application."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any, Protocol

import attrs
import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from coval_load.report.dashboard.access import COOKIE, Access
from coval_load.report.dashboard.snapshot import Snapshot
from coval_load.report.exports.measurements import Family

MOST_BODY_BYTES = 10_000

_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}


class Run(Protocol):
    """The run that goes on, as the dashboard's thread may ask it. Every call waits for the engine's loop."""

    @property
    def name(self) -> str:
        """What the run is called, masked."""
        ...

    @property
    def folder(self) -> str:
        """The name of its folder, which no other run has."""
        ...

    async def snapshot(self) -> Snapshot | None:
        """How it stands; None before its first second is over."""
        ...

    async def measure(self) -> Iterable[Family]:
        """What it has measured so far."""
        ...

    async def stop(self) -> None:
        """No new simulations; the running ones may finish."""
        ...

    async def change(self, scenario: int, concurrency: int) -> None:
        """So many at once in a scenario, by its number, from now on. ValueError, for people, where that can't be."""
        ...


Handle = Callable[[Request], Awaitable[Response]]


@attrs.frozen(eq=False)
class Dashboard:
    """`page` and `sign_in` are whole HTML pages; `page` None: only metrics are served."""

    run: Run
    access: Access
    page: str | None
    sign_in: str

    def app(self) -> Starlette:
        """The application."""
        routes = [Route("/metrics", self._reading(self._metrics))]
        if self.page is not None:
            routes += [
                Route("/", self._index),
                Route("/sign-in", self._sign_in, methods=["POST"]),
                Route("/api/state", self._reading(self._state)),
                Route("/api/stop", self._acting(self._stop), methods=["POST"]),
                Route("/api/concurrency", self._acting(self._change), methods=["POST"]),
            ]
        return Starlette(routes=routes)

    def _reading(self, handle: Handle) -> Handle:
        async def answer(request: Request) -> Response:
            refused = self.access.refuses(request)
            return _refusal(refused) if refused is not None else await handle(request)

        return answer

    def _acting(self, handle: Handle) -> Handle:
        async def answer(request: Request) -> Response:
            refused = self.access.refuses_to_act(request)
            return _refusal(refused) if refused is not None else await handle(request)

        return answer

    async def _index(self, request: Request) -> Response:
        if self.access.refuses(request) is None:
            return HTMLResponse(self.page, headers=_HEADERS)
        if self.access.token is None:
            return _refusal("expected a request to a loopback address")
        return HTMLResponse(self.sign_in, 401, headers=_HEADERS)

    async def _sign_in(self, request: Request) -> Response:
        fields = dict(pair.partition("=")[::2] for pair in (await _body(request)).decode("ascii", "replace").split("&"))
        token = fields.get("token", "")
        if not self.access.is_token(token):
            return HTMLResponse(self.sign_in, 401, headers=_HEADERS)
        response = RedirectResponse("/", 303, headers=_HEADERS)
        response.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return response

    async def _metrics(self, request: Request) -> Response:
        from coval_load.report.exports.prometheus import scrape

        families = list(await self.run.measure())
        body, content_type = scrape(lambda: families, request.headers.get("accept", ""))
        return Response(body, headers={**_HEADERS, "content-type": content_type})

    async def _state(self, request: Request) -> Response:
        snapshot = await self.run.snapshot()
        state: dict[str, Any] = {"name": self.run.name, "folder": self.run.folder, "begun": snapshot is not None}
        return _json(state if snapshot is None else state | snapshot.state())

    async def _stop(self, request: Request) -> Response:
        await self.run.stop()
        return _json({"stopping": True})

    async def _change(self, request: Request) -> Response:
        try:
            asked = orjson.loads(await _body(request))
            scenario, concurrency = asked["scenario"], asked["concurrency"]
            if type(scenario) is not int or type(concurrency) is not int:
                raise TypeError
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return _json({"wrong": 'expected JSON such as {"scenario": 0, "concurrency": 20}'}, 400)
        try:
            await self.run.change(scenario, concurrency)
        except ValueError as error:
            return _json({"wrong": str(error)}, 409)
        return _json({"concurrency": concurrency})


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async with aclosing(request.stream()) as parts:
            async for part in parts:
                body += part
                if len(body) > MOST_BODY_BYTES:
                    return b""
    except ClientDisconnect:
        return b""
    return bytes(body)


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, headers=_HEADERS, media_type="application/json")


def _refusal(why: str) -> Response:
    return PlainTextResponse(f"{why}\n", 403 if "token" not in why else 401, headers=_HEADERS)
