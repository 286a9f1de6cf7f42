"""An agent that speaks the OpenAI Realtime API."""

from coval_load.reference.line import Line
from coval_load.reference.options import AgentOptions


class OpenAIAgent:
    """Answers each connection by itself; holds what all of them share."""

    def __init__(self, options: AgentOptions) -> None:
        self._options = options

    async def converse(self, line: Line) -> None:
        """Runs until the connection ends."""
        async for _ in line.messages():
            pass
