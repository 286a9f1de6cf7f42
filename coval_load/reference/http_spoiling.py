"""What an agent over HTTP does wrong instead of answering as it should."""

from typing import Any

import attrs
import orjson

from coval_load.reference.http_line import EVENT_STREAM
from coval_load.reference.http_turn import Answer, HttpTurn
from coval_load.reference.misbehaviour import STATUSES

DRIBBLE_S = 1.0
RETRY_AFTER_S = "1"
PAGE = b"<!DOCTYPE html><title>Sign in</title><p>Please sign in first."
TEXT_KEYS = ("content", "text", "delta", "parts", "tool_calls")


async def fail_at_once(turn: HttpTurn) -> bool:
    """Does what goes wrong before there is anything to answer; whether there was anything."""
    if turn.kind in STATUSES:
        turn.stamp("misbehaved", kind=turn.kind)
        headers = [("Retry-After", RETRY_AFTER_S)] if turn.kind == "status-429" else []
        await turn.line.respond_json(STATUSES[turn.kind], {"error": {"message": "told to fail"}}, headers)
        return True
    if turn.misbehaves("silence"):
        await turn.line.wait_until_gone()
        return True
    return False


async def deliver(turn: HttpTurn, answer: Answer) -> None:
    """Sends the answer, with what is to go wrong with it."""
    match turn.kind:
        case "garbage" | "wrong-content-type":
            await _replace(turn, bool(answer.pieces))
        case "drop":
            await _drop(turn, answer)
        case "half-stream" if answer.pieces:
            await _stop_half_way(turn, answer)
        case "half-json":
            await _halve_json(turn, answer)
        case "slow-loris":
            turn.stamp("misbehaved", kind="slow-loris")
            turn.line.dribble_s = DRIBBLE_S
            await turn.deliver(answer)
            turn.line.dribble_s = None
        case "bad-path" | "empty-choice":
            turn.stamp("misbehaved", kind=turn.kind)
            await turn.deliver(spoil(turn.kind, answer))
        case _:
            await turn.deliver(answer)


def spoil(kind: str, answer: Answer) -> Answer:
    """The answer with its text where nobody looks for it (`bad-path`), or with none (`empty-choice`)."""
    change = misplace if kind == "bad-path" else _without_choices
    pieces = [[changed for event in piece if (changed := change(event)) is not None] for piece in answer.pieces]
    return attrs.evolve(answer, whole=change(answer.whole), pieces=[piece for piece in pieces if piece])


def misplace(value: Any) -> Any:
    """JSON with everything that a reply can be read from under another key."""
    if isinstance(value, list):
        return [misplace(item) for item in value]
    if isinstance(value, dict):
        return {("elsewhere" if key in TEXT_KEYS else key): misplace(item) for key, item in value.items()}
    return value


def _without_choices(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "response" in value:
        return {**value, "response": _without_choices(value["response"])}
    for key in ("choices", "output"):
        if key in value:
            return {**value, key: []}
    return None


async def _replace(turn: HttpTurn, streamed: bool) -> None:
    turn.stamp("misbehaved", kind=turn.kind)
    if turn.kind == "wrong-content-type":
        await turn.line.respond(200, PAGE, "text/html; charset=utf-8")
        return
    noise = b"\x80" + turn.random.randbytes(200)
    if streamed:
        line = noise.translate(None, b"\r\n")
        await turn.line.respond(200, b"data: " + line + b"\n\n", EVENT_STREAM)
    else:
        await turn.line.respond(200, noise)


async def _drop(turn: HttpTurn, answer: Answer) -> None:
    turn.stamp("misbehaved", kind="drop")
    if answer.pieces:
        await turn.stream(_half_of(answer.encoded_pieces()), ends=False)
    else:
        await turn.line.respond_by_half(orjson.dumps(answer.whole))
    turn.line.drop()


async def _stop_half_way(turn: HttpTurn, answer: Answer) -> None:
    turn.stamp("misbehaved", kind="half-stream")
    await turn.stream(_half_of(answer.encoded_pieces()))


def _half_of(pieces: list[bytes]) -> list[bytes]:
    half = len(pieces) // 2
    return [*pieces[:half], pieces[half][: len(pieces[half]) // 2]]


async def _halve_json(turn: HttpTurn, answer: Answer) -> None:
    turn.stamp("misbehaved", kind="half-json")
    if answer.pieces:
        halves = [b"".join(_half_event(event) for event in piece) for piece in answer.pieces]
        await turn.stream(halves)
    else:
        whole = orjson.dumps(answer.whole)
        await turn.line.respond(200, whole[: len(whole) // 2])


def _half_event(event: Any) -> bytes:
    data = orjson.dumps(event)
    return b"data: " + data[: len(data) // 2] + b"\n\n"
