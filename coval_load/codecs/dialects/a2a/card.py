"""Agent cards: where an A2A agent says which version of the protocol it speaks (A2A specification, "Agent Card")."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from coval_load.codecs.dialects.a2a.versions import V0_3, V1_0, A2AVersion

_WELL_KNOWN = ("/.well-known/agent-card.json", "/.well-known/agent.json")
_BINDING = "JSONRPC"


def card_urls(endpoint: str) -> tuple[str, ...]:
    """Where the card of the agent at `endpoint` may lie: the place since 0.3, then that of versions before it."""
    parts = urlsplit(endpoint)
    return tuple(f"{parts.scheme}://{parts.netloc}{path}" for path in _WELL_KNOWN)


def version_on(card: bytes | None, endpoint: str) -> A2AVersion:
    """The version to speak with the agent at `endpoint`, whose card is `card`. Never raises.

    A card of 1.0 lists interfaces: that of `endpoint` counts, else the first that is JSON-RPC. A card of 0.3 has
    one `protocolVersion`. No card, or one that can't be read, is taken as 0.3, as is every version below 1; any
    version from 1 on is taken as 1.0, the newest that is known here. The card's own URL is not used for sending.
    """
    try:
        found = orjson.loads(card or b"null")
    except orjson.JSONDecodeError:
        return V0_3
    if not isinstance(found, Mapping):
        return V0_3
    interface = _interface(found.get("supportedInterfaces"), endpoint)
    return _nearest((interface or found).get("protocolVersion"))


def _interface(listed: Any, endpoint: str) -> Mapping[str, Any] | None:
    if not isinstance(listed, list):
        return None
    spoken = [entry for entry in listed if isinstance(entry, Mapping) and _is_json_rpc(entry)]
    at_endpoint = [entry for entry in spoken if _place(entry.get("url")) == _place(endpoint)]
    return next(iter(at_endpoint + spoken), None)


def _is_json_rpc(entry: Mapping[str, Any]) -> bool:
    binding = entry.get("protocolBinding", _BINDING)
    return isinstance(binding, str) and binding.upper() == _BINDING


def _place(url: Any) -> str | None:
    # Without the scheme: http:// endpoints are dialled as https:// while the card may still say the other.
    return url.partition("://")[2].rstrip("/") if isinstance(url, str) else None


def _nearest(version: Any) -> A2AVersion:
    major = re.match(r"[0-9]+", version) if isinstance(version, str) else None
    return V1_0 if major and major[0].strip("0") else V0_3
