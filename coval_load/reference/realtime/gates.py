"""Who may speak to a realtime agent: the right path and key, else a status instead of the upgrade, or a close code."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from coval_load.reference.http_setup import Head

KEY = "reference-key"
OPENAI_PATH = "/v1/realtime"
GEMINI_PATH = "/ws/google.ai.generativelanguage.{version}.GenerativeService.BidiGenerateContent"
_GEMINI_PATHS = re.compile(r"/+ws/google\.ai\.generativelanguage\.v\w+\.GenerativeService\.BidiGenerateContent")


def openai_refusal(head: Head) -> int | None:
    """The status that refuses a caller of OpenAI Realtime; None for one that is welcome."""
    if urlsplit(head.target).path != OPENAI_PATH:
        return 404
    return None if head.headers.get("authorization") == f"Bearer {KEY}" else 401


def gemini_refusal(head: Head) -> int | None:
    """As `openai_refusal`, of Gemini Live: by the path alone, for it closes the connection of one without a key."""
    return None if _GEMINI_PATHS.fullmatch(urlsplit(head.target).path) else 404


def gemini_key(target: str, headers: Mapping[str, str]) -> str | None:
    """The key in the headers of an upgrade (names in lower case) or in its query; None where there is none."""
    return headers.get("x-goog-api-key") or next(iter(parse_qs(urlsplit(target).query).get("key", ())), None)
