"""What a run's tallies held when they were looked at last: each look finds what came since, and none of it twice."""

from collections.abc import Iterator

import attrs

from coval_load.engine.distribution import Seen, Sparse
from coval_load.engine.results import Results
from coval_load.engine.tally import Tally


@attrs.define
class Ledger:
    """What a tally held when it was looked at last: counts, and how far each metric was seen."""

    tally: Tally
    _counts: dict[str, int] = attrs.field(factory=dict, init=False)
    _errors: dict[str, int] = attrs.field(factory=dict, init=False)
    _seen: dict[str, Seen] = attrs.field(factory=dict, init=False)

    def start(self) -> None:
        """What the tally holds now is nothing new."""
        self.counted()
        for _ in self.measured():
            pass

    def counted(self) -> tuple[dict[str, int], dict[str, int]]:
        """How much came to each count, 0 included, and the errors that came, by kind; all at this instant."""
        counts, errors = dict(self.tally.counts), dict(self.tally.errors)
        # Rows can tell of fewer than an earlier process counted: nothing is taken back of what was written then.
        added = {name: max(0, amount - self._counts.get(name, 0)) for name, amount in counts.items()}
        failed = {kind: more for kind, amount in errors.items() if (more := amount - self._errors.get(kind, 0)) > 0}
        self._counts, self._errors = counts, errors
        return added, failed

    def measured(self) -> Iterator[tuple[str, Sparse]]:
        """What came to each metric, by its name; each is looked at when the iterator gets to it."""
        for name, distribution in list(self.tally.distributions.items()):
            seen = self._seen.get(name)
            if seen is None:
                seen = self._seen[name] = Seen()
            added = distribution.look(seen)
            if added is not None:
                yield name, added


@attrs.define
class Ledgers:
    """A ledger for each tally of `results`, which may get more of them."""

    _results: Results
    _known: dict[int, Ledger] = attrs.field(factory=dict, init=False)

    def whole(self) -> Ledger:
        """The whole run's."""
        return self._of(self._results.whole)

    def agents(self) -> list[tuple[str, Ledger]]:
        """Each agent's, by its name with secrets masked."""
        return [(str(self._results.clean(name)), self._of(tally)) for name, tally in self._results.agents.items()]

    def scenarios(self) -> list[tuple[str, Ledger]]:
        """Each scenario's, by its name with secrets masked."""
        return [(str(self._results.clean(name)), self._of(tally)) for name, tally in self._results.scenarios.items()]

    def selections(self) -> list[tuple[str, Ledger]]:
        """Each selection's, by `Results.name_of`."""
        return [(self._results.name_of(chosen), self._of(tally)) for chosen, tally in self._results.selections.items()]

    def start(self) -> None:
        """What all tallies hold now is nothing new."""
        for tally in self._results.tallies():
            self._of(tally).start()

    def _of(self, tally: Tally) -> Ledger:
        # By identity: tallies compare by what they hold. Results never drops one, so an id stays its own.
        known = self._known.get(id(tally))
        if known is None:
            known = self._known[id(tally)] = Ledger(tally)
        return known
