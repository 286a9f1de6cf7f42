"""Whose conversations fail: the labels that have more failures than chance would give them."""

from collections.abc import Iterable, Mapping, Sequence

import attrs
import numpy as np

from coval_load.engine.labels import NAMES
from coval_load.report.diagnosis.census import OTHERS, Census, Tally
from coval_load.report.diagnosis.words import label_words, share

SURE_P = 0.001
"""After it was multiplied by how many values were tried (Bonferroni)."""
TIMES_AS_OFTEN = 2.0
FAILED_AT_LEAST = 3
VALUES_AT_MOST = 5
ENOUGH = 20

_FIRST = ("agent", "test_case", "persona", "scenario")
"""Which of labels that say the same is told."""


@attrs.frozen
class Concentration:
    """`labels` has those that one value stands out of; empty where none does."""

    labels: Mapping[str, str] = attrs.field(factory=dict)
    sentences: tuple[str, ...] = ()


@attrs.frozen
class _Group:
    """Values of a label together."""

    label: str
    values: tuple[str, ...]
    settled: int
    failed: int
    gain: float


def concentration(census: Census, kind: str) -> Concentration:
    """The label that tells most about who failed with `kind`, and the one within it that does."""
    whole = (census.whole.settled, census.whole.failed[kind])
    by_label = {label: _counts(census.values[NAMES.index(label)], kind) for label in _FIRST}
    found = _strongest(by_label, *whole)
    if found is None:
        return Concentration(sentences=tuple(_spread(by_label, whole[1])))
    sentences = [_sentence(found, *whole, "of them", "conversations")]
    if len(found.values) > 1 or OTHERS in found.values:
        return Concentration(sentences=tuple(sentences))
    labels = {found.label: found.values[0]}
    within = _within(census, kind, found) if census.complete else None
    if within is not None:
        sentences.append(_sentence(within, found.settled, found.failed, "of these", "the conversations there"))
        if len(within.values) == 1 and within.values[0] != OTHERS:
            labels[within.label] = within.values[0]
    return Concentration(labels, tuple(sentences))


def _counts(tallies: Mapping[str, Tally], kind: str) -> dict[str, tuple[int, int]]:
    return {value: (tally.settled, tally.failed[kind]) for value, tally in tallies.items()}


def _within(census: Census, kind: str, found: _Group) -> _Group | None:
    place = NAMES.index(found.label)
    by_label: dict[str, dict[str, tuple[int, int]]] = {label: {} for label in _FIRST if label != found.label}
    for key, tally in census.combinations.items():
        if key[place] == found.values[0]:
            for label, counts in by_label.items():
                value = key[NAMES.index(label)]
                settled, failed = counts.get(value, (0, 0))
                counts[value] = (settled + tally.settled, failed + tally.failed[kind])
    return _strongest(by_label, found.settled, found.failed)


def _strongest(by_label: Mapping[str, Mapping[str, tuple[int, int]]], settled: int, failed: int) -> _Group | None:
    if failed < FAILED_AT_LEAST or failed >= settled:
        return None
    tried = sum(len(counts) for counts in by_label.values() if len(counts) > 1)
    groups = (_group(label, counts, settled, failed, tried) for label, counts in by_label.items() if len(counts) > 1)
    return max((group for group in groups if group is not None), key=lambda group: group.gain, default=None)


def _group(label: str, counts: Mapping[str, tuple[int, int]], settled: int, failed: int, tried: int) -> _Group | None:
    often = [
        value
        for value, (of_it, failed_of_it) in counts.items()
        if failed_of_it >= FAILED_AT_LEAST
        and failed_of_it * (settled - of_it) > TIMES_AS_OFTEN * (failed - failed_of_it) * of_it
    ]
    if not often:
        return None
    from scipy.stats import hypergeom  # 0.7 s to load, which a run without failures need not wait for

    of_each, failed_of_each = np.array([counts[value] for value in often]).T
    chances = hypergeom.sf(failed_of_each - 1, settled, failed, of_each) * tried
    sure = [value for value, chance in zip(often, chances, strict=True) if chance < SURE_P]
    if not sure:
        return None
    sure.sort(key=lambda value: -counts[value][1])
    of_all, failed_of_all = (sum(counts[value][at] for value in sure) for at in (0, 1))
    return _Group(label, tuple(sure), of_all, failed_of_all, _gain(of_all, failed_of_all, settled, failed) - len(sure))


def _gain(of_it: int, failed_of_it: int, settled: int, failed: int) -> float:
    fit = _likelihood(of_it, failed_of_it) + _likelihood(settled - of_it, failed - failed_of_it)
    return fit - _likelihood(settled, failed)


def _likelihood(tried: int, failed: int) -> float:
    return sum(part * float(np.log(part / tried)) for part in (failed, tried - failed) if part > 0)


def _sentence(group: _Group, settled: int, failed: int, whose: str, whole: str) -> str:
    shown = group.values[:VALUES_AT_MOST]
    who = label_words(group.label, shown)
    if len(group.values) > len(shown):
        who = f"{len(group.values):,} {group.label.replace('_', ' ')}s, most of {who}"
    if group.failed == failed:
        told = f"all {whose} are of {who}"
    elif group.failed >= failed / 2:
        told = f"{share(group.failed, failed)} {whose} ({group.failed:,} of {failed:,}) are of {who}"
    else:
        others = share(failed - group.failed, settled - group.settled)
        return f"{who}: {share(group.failed, group.settled)} of {group.settled:,} failed, {others} of the others"
    return f"{told}, which {share(group.settled, settled)} of {whole} had"


def _spread(by_label: Mapping[str, Mapping[str, object]], failed: int) -> Iterable[str]:
    several: Sequence[str] = [label.replace("_", " ") for label, counts in by_label.items() if len(counts) > 1]
    if several and failed >= ENOUGH:
        yield f"no {' or '.join(several)} stands out"
