"""What of an initialization's answer must be shown nowhere: it is known only once the agent has given it."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from coval_load.agents.authorization import credentials_of
from coval_load.agents.secrets import MASK, keyed_secrets

_SHORTEST = 8
"""A shorter text that a header holds too may be there by chance, as is the `Bearer` of a token's type."""

_OPEN_HEADERS = frozenset({"accept", "content-type"})


def secrets_in(answer: bytes) -> frozenset[str]:
    """What a key calls a secret, such as `access_token`; nothing of what is no JSON."""
    return frozenset(keyed_secrets(_parsed(answer)))


def texts_in(answer: bytes) -> frozenset[str]:
    """Every text and whole number, as what a header may be made of."""
    return frozenset(text for text in _texts(_parsed(answer)) if len(text) >= _SHORTEST)


def secrets_sent(headers: Iterable[tuple[str, str]], given: frozenset[str]) -> frozenset[str]:
    """The values of `headers`, and what they were made of, where they hold any of `given`: all are secrets."""
    found: set[str] = set()
    for name, value in headers:
        held = {text for text in given if text in value}
        if held and name.lower() not in _OPEN_HEADERS:
            found.update(held, credentials_of(value))
    return frozenset(found)


def outline(answer: bytes) -> str:
    """The answer's keys and numbers: any of its texts may come to stand in a header."""
    parsed = _parsed(answer)
    if parsed is None:
        return f"{len(answer)} bytes that are no JSON" if answer.strip() else ""
    return orjson.dumps(_without_texts(parsed)).decode()


def _parsed(answer: bytes) -> Any:
    try:
        return orjson.loads(answer)
    except orjson.JSONDecodeError:
        return None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _texts(child)


def _without_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_texts(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_without_texts(child) for child in value]
    return MASK if isinstance(value, str) else value
