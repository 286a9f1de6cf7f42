"""What a reference agent can do wrong on purpose, and when it does."""

from collections.abc import Iterable, Mapping
from fractions import Fraction

import attrs

from coval_load.reference.model_types import CHAT, CHAT_A2A, CHAT_WEBSOCKET, GEMINI_REALTIME, OPENAI_REALTIME, VOICE

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
IN_REALTIME = frozenset({"refused-setup", "unfinished", "stray-audio", "unknown-event"})
"""A set-up that is answered by an error; replies that never end, or go on after an interruption; events of no known
type."""
_OVER_HTTP = frozenset(
    {
        *STATUSES,
        "slow-loris",
        "silence",
        "garbage",
        "drop",
        "bad-path",
        "half-json",
        "half-stream",
        "wrong-content-type",
    }
)
_OVER_WEBSOCKET = AT_UPGRADE | AT_READY | AT_REPLY
_IN_REALTIME = (_OVER_WEBSOCKET | IN_REALTIME) - {"no-session-id", "wrong-type"}
AT_REQUEST = _OVER_HTTP | {"empty-choice", "endless-tool-call", "rpc-error", "task-failed"}

KINDS_OF: Mapping[str, frozenset[str]] = {
    VOICE: AT_ACCEPT | AT_SETUP | _OVER_WEBSOCKET,
    CHAT_WEBSOCKET: AT_ACCEPT | AT_SETUP | _OVER_WEBSOCKET - {"bad-base64"},
    OPENAI_REALTIME: AT_ACCEPT | _IN_REALTIME | {"wrong-type"},
    GEMINI_REALTIME: AT_ACCEPT | _IN_REALTIME,
    CHAT: AT_ACCEPT | AT_SETUP | _OVER_HTTP | {"empty-choice", "endless-tool-call"},
    CHAT_A2A: AT_ACCEPT | AT_SETUP | _OVER_HTTP | {"rpc-error", "task-failed"},
}
"""What can happen to which model type."""

KINDS = frozenset[str]().union(*KINDS_OF.values())


@attrs.frozen
class Misbehaviour:
    """`kind` happens to a `share` (0..1) of what it can happen to: connections, or requests over HTTP."""

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
        """Whether connection or request `number` (from 0) is hit: of any n in a row from 0, floor(n * share) are."""
        return (number + 1) * self.share // 1 > number * self.share // 1


def kinds_for(misbehaviours: Iterable[Misbehaviour], moment: Iterable[str], number: int) -> frozenset[str]:
    """What goes wrong at one moment for the connection or request that is the `number`-th (from 0) to get there."""
    possible = frozenset(moment)
    return frozenset(m.kind for m in misbehaviours if m.kind in possible and m.strikes(number))


def kinds_in_words() -> str:
    """All kinds for people: what can happen to every model type, then what else to each."""
    to_all = frozenset.intersection(*KINDS_OF.values())
    shares = {"every model type": to_all} | {model_type: kinds - to_all for model_type, kinds in KINDS_OF.items()}
    return "; ".join(f"{who}: {', '.join(sorted(kinds))}" for who, kinds in shares.items())
