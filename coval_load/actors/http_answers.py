"""What an HTTP answer other than 2xx is called, and how requests and answers are shown to people."""

from collections.abc import Mapping

from coval_load.codecs.dialects.http_interface import HttpRequest
from coval_load.engine.outcome import ErrorKind, SimulationFailed
from coval_load.engine.retry_after import retry_after_s

MOST_SHOWN = 160


class RateLimited(SimulationFailed):
    """Status 429; `retry_after_s` is how long the agent asks to wait, in seconds."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(ErrorKind.RATE_LIMITED, message)
        self.retry_after_s = retry_after_s


def is_success(status: int) -> bool:
    """Whether it is 2xx (RFC 9110, section 15.3)."""
    return 200 <= status < 300


def refusal(
    request: HttpRequest, status: int, headers: Mapping[str, str], body: bytes, *, in_setup: bool = False
) -> SimulationFailed:
    """What a status other than 2xx is called; `in_setup`: before the conversation."""
    got = f"expected status 2xx from {shown(request)}; got {status}: {excerpt(body)}"
    match status:
        case 401 | 403:
            advice = "check authorization_header (or authentication_token) and custom_headers"
            return SimulationFailed(ErrorKind.AUTHENTICATION_FAILED, f"Authentication failed: {got}: {advice}")
        case 429:
            asked = headers.get("retry-after")
            advice = "lower the concurrency, or set honor_retry_after: true in the agent's metadata"
            came = f"{got} (Retry-After: {_as_ascii(asked[:40])})" if asked else got
            return RateLimited(f"{came}: {advice}", retry_after_s(asked))
    kind = ErrorKind.SETUP_FAILED if in_setup else ErrorKind.AGENT_ERROR
    return SimulationFailed(kind, got + _advice(status, in_setup=in_setup))


def _advice(status: int, *, in_setup: bool) -> str:
    endpoint = "initialization_endpoint" if in_setup else "chat_endpoint"
    match status:
        case _ if 300 <= status < 400:
            return ": redirects are not followed: name the URL that it points to"
        case 404 | 405:
            model = "" if in_setup else ", and the model where one is named"
            return f": check the path of {endpoint}{model}"
        case 400 | 415 | 422:
            keys = "initialization_payload" if in_setup else "response_format, input_template or a2a_version"
            return f": coval-load check --dial shows what it was sent; {keys} may change that"
        case _:
            return ""


def _as_ascii(value: str) -> str:
    """A header may hold what controls a terminal: C1 in Latin-1."""
    return value.encode("ascii", "backslashreplace").decode()


def shown(request: HttpRequest) -> str:
    """Method and URL."""
    return f"{request.method} {request.url.partition('?')[0]}"


def excerpt(body: bytes, most: int = MOST_SHOWN) -> str:
    """The beginning of a body, in quotes."""
    return repr(body[:most].decode("utf-8", "replace"))
