"""Where the tool calls of an answer of the agent's own shape stand."""

from collections.abc import Mapping
from typing import Any

import attrs

from coval_load.codecs.dialects.chat_replies.tool_call_pieces import call_of
from coval_load.codecs.events import ToolCallReceived
from coval_load.codecs.paths import NOT_THERE, Path


@attrs.frozen
class ToolCallExtraction:
    """The paths of `tool_call_extraction_config`: of the calls in an answer, and of the parts of a call in each.

    Without an `id_path` the calls have no ids.
    """

    tool_calls_path: Path
    name_path: Path
    arguments_path: Path
    id_path: Path | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "ToolCallExtraction":
        """The extraction that `config` describes.

        Its members are paths in dot notation; `name_path` and `arguments_path` are `name` and `arguments`
        where it does not say.
        """
        id_path = config.get("id_path")
        return cls(
            Path.parse(config["tool_calls_path"]),
            Path.parse(config.get("name_path") or "name"),
            Path.parse(config.get("arguments_path") or "arguments"),
            Path.parse(id_path) if id_path else None,
        )

    def read(self, answer: Any) -> list[ToolCallReceived]:
        """The tool calls in `answer`, parsed JSON: an array of calls or a single one. Never raises.

        What has no name is no call. Arguments that are no string are encoded as JSON.
        """
        found = self.tool_calls_path.find(answer)
        calls = found if isinstance(found, list) else [found]
        return [call for raw in calls if isinstance(raw, dict) and (call := self._call(raw)) is not None]

    def _call(self, raw: dict[str, Any]) -> ToolCallReceived | None:
        call_id = None if self.id_path is None else self.id_path.find(raw)
        arguments = self.arguments_path.find(raw)
        return call_of(call_id, self.name_path.find(raw), None if arguments is NOT_THERE else arguments)
