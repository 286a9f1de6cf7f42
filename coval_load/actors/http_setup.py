"""A request before the conversation: whatever keeps it from an answer is a failed set-up."""

from coval_load.actors.http_answers import shown
from coval_load.codecs.dialects.http_interface import HttpRequest
from coval_load.engine.http_connection import Answer
from coval_load.engine.http_pool import HttpPool
from coval_load.engine.outcome import ErrorKind, NotReached, SimulationFailed

MAX_ANSWER_BYTES = 1024 * 1024
"""A longer answer is refused: what is asked for is a URL, a session, a token or an agent card."""


async def ask_in_setup(pool: HttpPool, request: HttpRequest) -> Answer:
    """The answer, whatever its status. The caller bounds the time.

    Raises SimulationFailed: `setup_failed`, a `NotReached` where it was the dial that failed and dialling again may
    help; or `internal` where this machine has run out of something.
    """
    try:
        return await pool.ask(request.method, request.url, request.headers, request.body, most_bytes=MAX_ANSWER_BYTES)
    except SimulationFailed as failed:
        if failed.kind is ErrorKind.INTERNAL:
            raise
        message = f"expected an answer from {shown(request)}; got: {failed.message}"
        kind = NotReached if isinstance(failed, NotReached) else SimulationFailed
        raise kind(ErrorKind.SETUP_FAILED, message) from failed
