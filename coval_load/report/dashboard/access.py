"""Who may use the dashboard: anybody on this machine, but no page of another site; from elsewhere who has the token."""

import hmac
import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:  # Starlette takes a while to load, and most runs have no dashboard.
    from starlette.datastructures import Headers
    from starlette.requests import Request

COOKIE = "coval-load-token"
TOKEN_VARIABLE = "COVAL_LOAD_WEB_TOKEN"
SHORTEST_TOKEN = 16
OURS = "x-coval-load"
"""A header that only our own page sends: a form or an image of another site can't."""


@attrs.frozen
class Address:
    """Where to listen; port 0 is any free one."""

    host: str
    port: int

    @classmethod
    def read(cls, text: str) -> "Address":
        """`8080`, `127.0.0.1:8080`, `[::1]:8080`, or `:8080` for every address. ValueError, for people, for others."""
        host, colon, port = text.rpartition(":")
        if not colon:
            host = "127.0.0.1"
        if not port.isascii() or not port.isdigit() or int(port) > 65_535:
            raise ValueError(f"expected a port, or an address such as 127.0.0.1:8080; got {text!r}")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"expected an IPv6 address in brackets, as in [::1]:8080; got {text!r}")
        return cls(host or "0.0.0.0", int(port))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return _is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@attrs.frozen
class Access:
    """`token` is None where only this machine can reach the dashboard."""

    token: str | None = attrs.field(default=None, repr=False)

    @classmethod
    def to(cls, address: Address, environment: Mapping[str, str]) -> "Access":
        """Access to a dashboard at `address`. ValueError, for people, where it takes a token and there is none."""
        token = environment.get(TOKEN_VARIABLE) or None
        if token is not None and len(token) < SHORTEST_TOKEN:
            raise ValueError(f"expected {SHORTEST_TOKEN} characters and more in {TOKEN_VARIABLE}; it has {len(token)}")
        if token is None and not address.is_loopback:
            raise ValueError(
                f"expected a token in {TOKEN_VARIABLE}, as {address} can be reached from other machines; got none: "
                f'export {TOKEN_VARIABLE}="$(openssl rand -hex 16)", or listen on 127.0.0.1'
            )
        return cls(token)

    def refuses(self, request: "Request") -> str | None:
        """Why a request is not answered; None where it is."""
        if self.token is not None:
            return None if self._has_token(request) else "expected the token"
        # A name that somebody else's DNS leads here would let their page read what ours says.
        host = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
        return None if _is_loopback(host.strip("[]")) else "expected a request to a loopback address"

    def refuses_to_act(self, request: "Request") -> str | None:
        """Why a request that would change something is not heeded; None where it is."""
        refused = self.refuses(request)
        if refused is not None:
            return refused
        headers = request.headers
        origin = headers.get("origin")
        if OURS not in headers or (origin is not None and origin.partition("://")[2] != headers.get("host")):
            return f"expected a request of the dashboard's own page, or one with the header {OURS}"
        return None

    def is_token(self, text: str) -> bool:
        """Whether `text` is the token, in a time that does not tell how much of it is."""
        return self.token is not None and hmac.compare_digest(text.encode(), self.token.encode())

    def _has_token(self, request: "Request") -> bool:
        return self.is_token(request.cookies.get(COOKIE, "")) or self.is_token(_bearer(request.headers))


def _bearer(headers: "Headers") -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
