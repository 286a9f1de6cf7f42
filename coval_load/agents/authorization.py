"""`authorization_header` and `authentication_token`: which header a value of them becomes.

The documents' "Connect an agent", Authentication, and "Connecting an OpenAI-compatible API".
"""

import base64
import binascii
import re

EXPECTED = "'Bearer <token>', 'Basic <base64>' or 'X-API-Key <key>'"
EXPECTED_TOKEN = "a token of ASCII without spaces, sent as 'Authorization: Bearer <token>'"


def authorization_headers(value: str) -> dict[str, str]:
    """The header to send for an `authorization_header`: `Authorization` or `X-API-Key`.

    The scheme is recognised in any case (RFC 9110, section 11.1). Raises ValueError, whose message doesn't
    show the value, where it is none of the three forms or the credentials of `Basic` are not base64.
    """
    found = re.fullmatch(r"(bearer|basic|x-api-key) +([!-~]+)", value, re.IGNORECASE)
    if not found:
        raise ValueError(f"expected {EXPECTED}; got ***")
    scheme, credentials = found[1].lower(), found[2]
    if scheme == "x-api-key":
        return {"X-API-Key": credentials}
    if scheme == "bearer":
        return {"Authorization": f"Bearer {credentials}"}
    try:
        base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("expected 'Basic ' and then base64 of user:password; got ***") from None
    return {"Authorization": f"Basic {credentials}"}


def token_headers(token: str) -> dict[str, str]:
    """The header to send for an `authentication_token`, which may begin with `Bearer ` itself.

    Raises ValueError, whose message doesn't show the token, where it can't be one.
    """
    found = re.fullmatch(r"(?:bearer +)?([!-~]+)", token, re.IGNORECASE)
    if not found:
        raise ValueError(f"expected {EXPECTED_TOKEN}; got ***, put other forms into authorization_header")
    return {"Authorization": f"Bearer {found[1]}"}


def credentials_of(value: str) -> tuple[str, ...]:
    """What of an `authorization_header` or a token must be shown nowhere: whole, token, decoded parts."""
    scheme, _, token = value.strip().partition(" ")
    token = token.strip()
    found = [value, token]
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(token, validate=True).decode()
        except (binascii.Error, ValueError):
            pair = ""
        found += [pair, pair.partition(":")[2]]
    return tuple(text for text in found if text)
