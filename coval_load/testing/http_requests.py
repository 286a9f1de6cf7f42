"""What every request of a dialect over HTTP has to keep to."""

import re
from urllib.parse import urlsplit

from coval_load.codecs.dialects.http_interface import HttpRequest

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VISIBLE = re.compile(r"[!-~]+")
_VALUE = re.compile(r"[\t -~]*")
_OURS = ("host", "content-length", "transfer-encoding")


def check_request(request: HttpRequest) -> HttpRequest:
    """`request`, if it can be sent as it is; else raises `AssertionError`.

    Method and names of headers are tokens (RFC 9110, section 5.6.2); the URL is absolute, of visible ASCII and
    without a user's name; values of headers are ASCII without control characters; the body is bytes. The headers
    for host and length are added by whoever sends it.
    """
    if not isinstance(request, HttpRequest):
        raise AssertionError(f"expected an HttpRequest; got {request!r}")
    if not isinstance(request.method, str) or not _TOKEN.fullmatch(request.method):
        raise AssertionError(f"expected a method; got {request.method!r}")
    origin_of(request)
    for name, value in request.headers:
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise AssertionError(f"expected the name of a header; got {name!r}")
        if name.lower() in _OURS:
            raise AssertionError(f"expected no header {name}, which is added when the request is sent; got one")
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise AssertionError(f"expected ASCII without control characters in the header {name}; got {value!r}")
    if request.body is not None and not isinstance(request.body, bytes):
        raise AssertionError(f"expected bytes as body, or None; got {request.body!r}")
    return request


def origin_of(request: HttpRequest) -> tuple[str, str, int | None]:
    """Scheme, host and port that `request` goes to. Raises `AssertionError` where its URL names none."""
    url = request.url
    if not isinstance(url, str) or not _VISIBLE.fullmatch(url):
        raise AssertionError(f"expected an absolute URL of visible ASCII; got {url!r}")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise AssertionError(f"expected an absolute URL; got {url!r}: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise AssertionError(f"expected an absolute URL with http or https; got {url!r}")
    if parts.username is not None or parts.password is not None:
        raise AssertionError(f"expected no user's name in the URL; got one at {host}")
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80)
