"""How long an agent asks to wait (RFC 9110, section 10.2.3)."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_s(value: str | None, *, otherwise_s: float = 1.0) -> float:
    """Seconds to wait for a `Retry-After`: a number or a date; `otherwise_s` where it says nothing."""
    text = (value or "").strip()
    try:
        seconds = (
            float(text) if text[:1].isdigit() else (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        )
    except (ValueError, TypeError, OverflowError):
        return otherwise_s
    return max(seconds, 0.0) if math.isfinite(seconds) else otherwise_s
