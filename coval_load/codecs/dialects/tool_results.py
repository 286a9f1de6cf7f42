"""What a tool gave back to an agent that called it."""

import attrs


@attrs.frozen
class ToolResult:
    """What a tool gave back to the call `call_id` of tool `name`; `content` is text, or JSON as text."""

    call_id: str
    name: str
    content: str
