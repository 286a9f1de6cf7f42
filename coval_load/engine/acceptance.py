"""The answer that nearly every upgrade gets (RFC 6455 section 4.2.2), read without the Sans-I/O protocol's machinery.

`websockets` reads an answer line by line with generators, which takes 41 us, this 5 us. Whatever else comes, refusals
and subprotocols included, is the protocol's, which also has the words for it. A property test holds the two to agree.
"""

import re

import attrs
from websockets.utils import accept_key

_LONGEST = 4096
"""Bytes of an answer that is read here."""
_MOST_HEADERS = 100
_MOST_KNOWN = 16

_STATUS = re.compile(r"HTTP/1\.1 101 [\x20-\x7e]*")
_HEADER = re.compile(r"([-!#$%&'*+.^_`|~0-9A-Za-z]+):([\t\x20-\x7e]*)")

_NEGOTIATED = ("sec-websocket-protocol", "sec-websocket-extensions")


@attrs.define(eq=False)
class Acceptances:
    """What agents accepted lately: the same answer, but for the proof that it is to this key, is known at a glance."""

    _known: set[tuple[bytes, bytes]] = attrs.field(factory=set, init=False)
    """What stood before the proof and behind it, where it stood nowhere else, so it was the header's whole value."""

    def end(self, answer: bytes, key: str) -> int | None:
        """As `end_of_acceptance`."""
        proof = accept_key(key).encode()
        before, _, behind = answer[: answer.find(b"\r\n\r\n", 0, _LONGEST) + 2].partition(proof)
        if (before, behind) in self._known:
            return len(before) + len(proof) + len(behind) + 2
        end = end_of_acceptance(answer, key)
        if end is not None and proof not in behind:
            if len(self._known) >= _MOST_KNOWN:  # as where each has a date of its own
                self._known.clear()
            self._known.add((before, behind))
        return end


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
