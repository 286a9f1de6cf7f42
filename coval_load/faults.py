"""Faults in what a user wrote: where, and what is wrong. Found all at once, reported together."""

from collections.abc import Iterable

import attrs


@attrs.frozen
class Fault:
    """One thing wrong with a plan, an agent or a test set.

    `path` is a JSON path such as `agents[0].metadata.send_sample_rate_hertz`; `message` says what was
    expected, what came and what to do, lower case, no full stop.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message

    def under(self, prefix: str) -> "Fault":
        """The same fault seen from a document that holds this one at `prefix`."""
        if not prefix or not self.path:
            return Fault(prefix or self.path, self.message)
        joint = "" if self.path.startswith("[") else "."
        return Fault(f"{prefix}{joint}{self.path}", self.message)


class Faulty(Exception):
    """What was loaded has faults; `faults` holds every one of them."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))
