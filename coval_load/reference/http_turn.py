"""One request of a conversation over HTTP: what goes wrong with it, when it is answered, what is stamped."""

import itertools
from collections.abc import Sequence
from random import Random
from typing import Any

import attrs
import orjson
import trio

from coval_load.reference.http_line import HttpLine, Request
from coval_load.reference.misbehaviour import AT_REQUEST, AT_SETUP, kinds_for
from coval_load.reference.options import AgentOptions
from coval_load.reference.stamps import Stamps


@attrs.frozen
class Answer:
    """JSON that an agent answers: `whole`, or in `pieces` of a stream, each of events that leave together.

    An event is a JSON value, or text that is sent as it is. `what` is the stamp that tells of the first byte.
    """

    whole: Any = None
    pieces: Sequence[Sequence[Any]] = ()
    what: str = "message_out"

    def encoded_pieces(self) -> list[bytes]:
        """What is sent for each piece."""
        return [b"".join(encode_event(event) for event in piece) for piece in self.pieces]


def encode_event(event: Any) -> bytes:
    """A server-sent event; one that has a `type` is named by it, as those of OpenAI's Responses API are."""
    if isinstance(event, str):
        return f"data: {event}\n\n".encode()
    name = f"event: {event['type']}\n".encode() if "type" in event else b""
    return name + b"data: " + orjson.dumps(event) + b"\n\n"


class HttpTurn:
    """Stamps go under the simulation and the turn, for one simulation may use many connections.

    `kind` is what goes wrong with this request, None for most.
    """

    def __init__(
        self,
        line: HttpLine,
        request: Request,
        number: int,
        kind: str | None,
        options: AgentOptions,
        stamps: Stamps,
        simulation_output_id: str | None,
        turn: int,
    ) -> None:
        self.line = line
        self.request = request
        self.number = number
        self.kind = kind
        self.turn = turn
        self.chunk_gap_s = options.streaming.chunk_gap_s
        self._options = options
        self._stamps = stamps
        self._simulation_output_id = simulation_output_id

    @property
    def random(self) -> Random:
        """Made from the seed and the number of the request, each time anew."""
        return Random(f"{self._options.seed}/{self.number}")

    def stamp(self, what: str, at: float | None = None, **more: Any) -> None:
        whose = {"connection": self.line.number, "simulation_output_id": self._simulation_output_id}
        self._stamps.add(what, at, **whose, turn=self.turn, **more)

    def misbehaves(self, kind: str) -> bool:
        """Whether `kind` is what goes wrong here; stamps it if so."""
        if self.kind != kind:
            return False
        self.stamp("misbehaved", kind=kind)
        return True

    async def wait(self) -> None:
        """Until the answer is due: the delay after the request was read."""
        due = self.request.read_at + self._options.delay_s
        if self._options.spread_s:
            due += self.random.uniform(-self._options.spread_s, self._options.spread_s)
        await trio.sleep_until(due)

    async def deliver(self, answer: Answer) -> None:
        """Sends the answer as it should be."""
        if answer.pieces:
            await self.stream(answer.encoded_pieces(), answer.what)
        else:
            body = orjson.dumps(answer.whole)
            self.stamp(answer.what, part=0, parts=1)
            await self.line.respond(200, body)
        self.stamp("answered")

    async def stream(self, pieces: Sequence[bytes], what: str | None = None, ends: bool = True) -> None:
        """Sends `pieces`, a gap before each but the first, each stamped as `what`, and `ends` the stream."""
        self.line.begin_stream()
        began = trio.current_time()
        for part, data in enumerate(pieces):
            if part:
                await trio.sleep_until(began + part * self.chunk_gap_s)
            if what:
                self.stamp(what, part=part, parts=len(pieces))
            await self.line.send_piece(data, last=ends and part == len(pieces) - 1)


class Turns:
    """Begins turns, counting requests of all conversations, so that a share of them is exact."""

    def __init__(self, options: AgentOptions, stamps: Stamps) -> None:
        self._options = options
        self._stamps = stamps
        self._requests = itertools.count()
        self._setups = itertools.count()

    def begin(self, line: HttpLine, request: Request, simulation_output_id: str | None, turn: int) -> HttpTurn:
        """The turn that `request` is, or is a part of."""
        number = next(self._requests)
        kind = min(kinds_for(self._options.misbehaviours, AT_REQUEST, number), default=None)
        return HttpTurn(line, request, number, kind, self._options, self._stamps, simulation_output_id, turn)

    async def fails_to_set_up(self, line: HttpLine) -> bool:
        """Whether a request that comes before a conversation is to fail; if so, it has been answered."""
        kinds = kinds_for(self._options.misbehaviours, AT_SETUP, next(self._setups))
        if "setup-500" in kinds:
            await line.respond_json(500, {"error": "told to fail"})
        elif "setup-garbage" in kinds:
            await line.respond(200, b"<html>not what you expect", "text/html")
        return bool(kinds)

    def stamp(self, what: str, line: HttpLine, at: float | None = None, **more: Any) -> None:
        """Stamps what belongs to no turn."""
        self._stamps.add(what, at, connection=line.number, **more)
