"""Who may speak to a realtime agent: the right path and key, else a status instead of the upgrade."""

import re
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
    """The status that refuses a caller of Gemini Live; None for one that is welcome. The key may be in the query."""
    target = urlsplit(head.target)
    if not _GEMINI_PATHS.fullmatch(target.path):
        return 404
    keys = [head.headers.get("x-goog-api-key"), *parse_qs(target.query).get("key", ())]
    return None if KEY in keys else 401
