"""Checks for whoever adds an agent protocol, to call from tests.

`check_dialect` is for protocols over WebSocket, `check_http_dialect` for those over HTTP. They need Hypothesis
(`pip install hypothesis`), which is loaded when a check runs.
"""

from coval_load.testing.http_dialects import HttpExample, check_http_dialect
from coval_load.testing.websocket_dialects import MOST_BUFFERED, Example, check_dialect

__all__ = ["MOST_BUFFERED", "Example", "HttpExample", "check_dialect", "check_http_dialect"]
