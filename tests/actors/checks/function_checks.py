"""Functions as another package would bring them."""

import time
from importlib.metadata import EntryPoint, EntryPoints

from coval_load.actors.checks import functions
from coval_load.actors.checks.judging import SLOW_S

NUMBER = 7


def polite(conversation, words):
    for text in conversation.texts():
        if any(word in text.lower() for word in words):
            return None
    return f"expected one of {', '.join(words)} in a reply"


def slow(conversation):
    until = time.perf_counter() + 2 * SLOW_S
    while time.perf_counter() < until:
        pass


async def waits(conversation):
    return None


def installed(monkeypatch):
    """They are installed for the rest of the test."""
    named = {"polite": "polite", "gone": "gone", "number": "NUMBER", "waits": "waits", "slow": "slow"}
    points = [EntryPoint(name, f"{__name__}:{attribute}", functions.ENTRY_POINTS) for name, attribute in named.items()]
    points.append(EntryPoint("broken", "no_such_module:f", functions.ENTRY_POINTS))
    monkeypatch.setattr(functions, "entry_points", lambda group: EntryPoints(points).select(group=group))
