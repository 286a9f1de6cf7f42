"""What an agent gave one caller alone, such as an access token, and how it is kept out of what is shown."""

import re
from typing import Any

import attrs

from coval_load.agents.secrets import SHORTEST_CUT, Redactor
from coval_load.engine.plain_json import dump_json

_ALWAYS_ALIKE = re.compile(r"[A-Za-z0-9._~-]*")
"""What neither JSON nor a URL nor an excerpt writes in another way."""


@attrs.define
class LearntSecrets:
    """The secrets of one simulation. To hide them costs microseconds where a value does not hold them.

    A `Redactor` for a token of a kilobyte takes milliseconds to make, so it is made only where the beginning of
    one, without which nothing of it is recognised, was found.
    """

    _secrets: frozenset[str] = attrs.field(default=frozenset(), repr=False)
    _redactor: Redactor | None = attrs.field(default=None, init=False)

    def learn(self, secrets: frozenset[str]) -> None:
        """Hide these, too."""
        self._secrets |= secrets
        self._redactor = None

    def hide(self, value: Any) -> Any:
        """A JSON value, or text, with `***` for each of them."""
        if not self._secrets or not self._may_be_in(value):
            return value
        if self._redactor is None:
            self._redactor = Redactor(self._secrets)
        return self._redactor.clean(value)

    def _may_be_in(self, value: Any) -> bool:
        heads = [secret[:SHORTEST_CUT] for secret in self._secrets]
        if not all(map(_ALWAYS_ALIKE.fullmatch, heads)):
            return True
        said = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else dump_json(value)
        return any(head.encode() in said for head in heads)
