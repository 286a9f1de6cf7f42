"""Client credentials for a token (RFC 6749, section 4.4), as an A2A agent may ask for them."""

import itertools
from urllib.parse import parse_qs

from coval_load.reference.http_line import HttpLine, Request
from coval_load.reference.memory import Memory

TOKEN_PATH = "/oauth/token"
CREDENTIALS = {
    "grant_type": "client_credentials",
    "client_id": "reference-client",
    "client_secret": "reference-secret",
}
FORM = "application/x-www-form-urlencoded"
LIFETIME_S = 3600


class Tokens:
    """Gives out tokens, each of which is good for ever."""

    def __init__(self) -> None:
        self._given = Memory[bool]()
        self._numbers = itertools.count(1)

    async def give(self, line: HttpLine, request: Request) -> None:
        """Answers a request for a token: 400 where it is no such request, 401 where the credentials are wrong."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
            await _refuse(line, 400, "invalid_request", f"expected the content type {FORM}")
            return
        fields = {name: values[0] for name, values in parse_qs(request.body.decode("latin-1")).items()}
        if fields.get("grant_type") != CREDENTIALS["grant_type"]:
            await _refuse(line, 400, "unsupported_grant_type", "expected grant_type=client_credentials")
            return
        if any(fields.get(name) != value for name, value in CREDENTIALS.items()):
            await _refuse(line, 401, "invalid_client", "expected the credentials of the agent file")
            return
        token = f"access-{next(self._numbers)}"
        self._given.put(token, True)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME_S}
        await line.respond_json(200, answer, [("Cache-Control", "no-store")])

    def allow(self, request: Request) -> bool:
        """Whether a request has a token that was given out."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme == "Bearer" and self._given.get(token) is not None


async def _refuse(line: HttpLine, status: int, error: str, description: str) -> None:
    await line.respond_json(status, {"error": error, "error_description": description})
