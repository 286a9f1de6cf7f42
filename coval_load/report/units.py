"""Durations as people read them."""


def duration(seconds: float | None) -> str:
    """Three digits and the unit that fits: `0.4 ms`, `333 ms`, `1.25 s`, `12.3 s`, `3m05s`; `-` for None."""
    if seconds is None:
        return "-"
    milliseconds = seconds * 1e3
    if milliseconds < 9.95:
        return f"{milliseconds:.1f} ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    return clock(seconds)


def clock(seconds: float) -> str:
    """Whole seconds as a run's clock shows them: `42s`, `3m05s`, `2h03m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def many(amount: int, singular: str, plural: str | None = None) -> str:
    """`1 turn`, `12,000 turns`."""
    word = singular if amount == 1 else plural or f"{singular}s"
    return f"{amount:,} {word}"
