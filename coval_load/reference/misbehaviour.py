"""What a reference agent can do wrong on purpose, and on which of its connections."""

import json
from collections.abc import Iterable, Sequence
from fractions import Fraction

import attrs
import trio

from coval_load.reference.line import Line

AT_ACCEPT = frozenset({"refuse", "tls-broken"})
AT_SETUP = frozenset({"setup-500", "setup-garbage"})
STATUSES = {"status-401": 401, "status-429": 429, "status-500": 500}
AT_UPGRADE = frozenset({*STATUSES, "slow-loris"})
AT_READY = frozenset({"no-ready", "no-session-id", "not-reading"})
AT_REPLY = frozenset(
    {
        "silence",
        "garbage",
        "half-frame",
        "half-frame-drop",
        "bad-base64",
        "wrong-close",
        "drop",
        "wrong-type",
        "bad-path",
    }
)
KINDS = AT_ACCEPT | AT_SETUP | AT_UPGRADE | AT_READY | AT_REPLY

# The first bytes of a text frame that promises 1,000 bytes (RFC 6455, section 5.2).
HALF_A_FRAME = bytes([0x81, 126, 0x03, 0xE8]) + b'{"type":"audio_chunk","data":"AAAA'
TEXT_KEYS = ("data", "text", "content")


@attrs.frozen
class Misbehaviour:
    """`kind` happens to a `share` (0..1) of the connections it can happen to."""

    kind: str
    share: Fraction = Fraction(1)

    @classmethod
    def parse(cls, text: str) -> "Misbehaviour":
        """Reads `KIND` or `KIND:SHARE`. Raises ValueError with a message for people."""
        kind, colon, share = text.partition(":")
        if kind not in KINDS:
            raise ValueError(f"expected one of {', '.join(sorted(KINDS))}; got {kind!r}")
        try:
            fraction = Fraction(share) if colon else Fraction(1)
        except (ValueError, ZeroDivisionError):
            fraction = Fraction(-1)
        if not 0 <= fraction <= 1:
            raise ValueError(f"expected {kind}:SHARE with a share from 0 to 1; got {share!r}")
        return cls(kind, fraction)

    def strikes(self, number: int) -> bool:
        """Whether connection `number` (from 0) is hit: of any n in a row from 0, floor(n * share) are."""
        return (number + 1) * self.share // 1 > number * self.share // 1


def kinds_for(misbehaviours: Iterable[Misbehaviour], moment: Iterable[str], number: int) -> frozenset[str]:
    """What goes wrong at one moment for the connection that is the `number`-th (from 0) to get there."""
    possible = frozenset(moment)
    return frozenset(m.kind for m in misbehaviours if m.kind in possible and m.strikes(number))


def spoil_message(kind: str, message: str | bytes) -> str | bytes:
    """One message of a reply with `kind` wrong in it; as it was where the kind is not about messages."""
    if isinstance(message, bytes):
        return message
    spoiled = json.loads(message)
    if kind == "wrong-type":
        spoiled["type"] = "not_what_you_expect"
    elif kind == "bad-base64" and "data" in spoiled:
        spoiled["data"] = "*** not base64 ***"
    elif kind == "bad-path":
        spoiled["elsewhere"] = {key: spoiled.pop(key) for key in TEXT_KEYS if key in spoiled}
    return json.dumps(spoiled)


async def spoil_reply(line: Line, reply: Sequence[str | bytes], close_code: int) -> bool:
    """Does what this connection is to do wrong instead of sending `reply`; whether there was anything."""
    for kind in sorted(line.kinds & AT_REPLY):
        line.stamp("misbehaved", kind=kind)
        await _misbehave(line, kind, reply, close_code)
        return True
    return False


async def _misbehave(line: Line, kind: str, reply: Sequence[str | bytes], close_code: int) -> None:
    match kind:
        case "silence":
            return
        case "garbage":
            # Bytes drawn at random, as the text that each byte is in Latin-1.
            await line.send(line.random.randbytes(200).decode("latin-1"))
        case "half-frame" | "half-frame-drop":
            await line.send_raw(HALF_A_FRAME)
            if kind == "half-frame-drop":
                line.drop()
            await trio.sleep_forever()
        case "wrong-close":
            await line.close(close_code)
        case "drop":
            for message in reply[: len(reply) // 2]:
                await line.send(message)
            line.drop()
        case _:
            for message in reply:
                await line.send(spoil_message(kind, message))
