"""JSON-RPC responses of an A2A agent: a result, or an error (JSON-RPC 2.0, section 5)."""

from collections.abc import Mapping
from typing import Any

from coval_load.codecs.dialects.a2a.errors import Asked, failure_of
from coval_load.codecs.dialects.json_messages import NotJson, clipped, kind_of, parse, quoted, value_text
from coval_load.codecs.events import AgentFailed, Violation


class NoResult(Exception):
    """An answer without a result; `event` says why."""

    def __init__(self, event: Violation | AgentFailed) -> None:
        super().__init__(event.reason)
        self.event = event


def result_of(payload: bytes, request_id: int, asked: Asked) -> Any:
    """The result in the response to the request `request_id`. Raises `NoResult`."""
    try:
        response = parse(payload)
    except NotJson as no_json:
        detail = str(no_json).partition(": ")[2]
        raise NoResult(Violation(f"Invalid JSON response from endpoint: {detail}")) from no_json
    if not isinstance(response, Mapping):
        raise NoResult(Violation(f"expected a JSON-RPC response, an object; got {kind_of(response)}"))
    error = response.get("error")
    # Where an agent could not even read the request, the id of its error is null (JSON-RPC 2.0, section 5).
    if error is None or response.get("id") is not None:
        _check_id(response, request_id)
    if isinstance(error, dict):
        raise NoResult(failure_of(error, asked))
    if error is not None:
        raise NoResult(Violation(f"expected an object as error of a JSON-RPC response; got {kind_of(error)}"))
    if "result" not in response:
        raise NoResult(Violation("expected result or error in a JSON-RPC response; got neither"))
    return response["result"]


def _check_id(response: Mapping[str, Any], request_id: int) -> None:
    found = response.get("id")
    if isinstance(found, bool) or found != request_id:
        came = "none" if "id" not in response else _shown(found)
        raise NoResult(
            Violation(
                f"expected the id of the request, {request_id}, in its answer (JSON-RPC 2.0, section 5); got {came}"
            )
        )


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    return clipped(value_text(value) or kind_of(value))
