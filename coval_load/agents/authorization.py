"""`authorization_header`: which header a value of it becomes ("Connect an agent", Authentication)."""

import base64
import binascii
import re

EXPECTED = "'Bearer <token>', 'Basic <base64>' or 'X-API-Key <key>'"


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


def credentials_of(value: str) -> tuple[str, ...]:
    """Everything in an `authorization_header` that must be shown nowhere: whole, token, decoded parts."""
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
