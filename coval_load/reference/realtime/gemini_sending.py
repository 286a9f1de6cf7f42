"""How a Gemini Live server puts its messages on the wire."""

from typing import Any

import attrs
import orjson

from coval_load.reference.line import Line


@attrs.frozen
class Sender:
    """Sends JSON, in binary frames as the API does, or in text frames."""

    line: Line
    in_text: bool

    async def send(self, message: Any) -> None:
        """Sends a JSON value."""
        await self.send_encoded(orjson.dumps(message))

    async def send_encoded(self, message: bytes) -> None:
        """Sends what is JSON already."""
        await self.line.send(message.decode() if self.in_text else message)
