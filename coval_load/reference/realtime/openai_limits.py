"""Rate limits of an OpenAI Realtime server, counted for each connection by itself."""

from typing import Any

RESETS_AFTER_S = 60.0
PLENTY = 10_000
TOKENS = 250_000


class RateLimits:
    """`limit` responses in a minute, which begins with the first of them; None: more than anybody asks for."""

    def __init__(self, limit: int | None) -> None:
        self._limit = PLENTY if limit is None else limit
        self._left = self._limit
        self._resets_at = float("-inf")

    def take(self, now: float) -> bool:
        """Takes one; whether there was one left."""
        if now >= self._resets_at:
            self._left, self._resets_at = self._limit, now + RESETS_AFTER_S
        allowed = self._left > 0
        self._left = max(0, self._left - 1)
        return allowed

    def told(self, now: float) -> list[dict[str, Any]]:
        """As `rate_limits.updated` has them."""
        resets_in_s = round(self._resets_at - now, 3)
        return [
            {"name": "requests", "limit": self._limit, "remaining": self._left, "reset_seconds": resets_in_s},
            {"name": "tokens", "limit": TOKENS, "remaining": TOKENS, "reset_seconds": 0.0},
        ]

    def refusal(self, now: float) -> str:
        """For people, in the API's own words."""
        wait_s = round(self._resets_at - now, 3)
        return f"Rate limit reached on requests per min: Limit {self._limit}. Please try again in {wait_s}s."
