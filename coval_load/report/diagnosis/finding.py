"""What a diagnosis is made of."""

from collections.abc import Mapping
from typing import Literal

import attrs

About = Literal["agent", "generator", "plan", "run"]
Severity = Literal["bad", "warning", "good"]

TITLE_AT_MOST = 80


def _cut(title: str) -> str:
    return title if len(title) <= TITLE_AT_MOST else title[: TITLE_AT_MOST - 1] + "…"


@attrs.frozen
class Finding:
    """One thing that is to be known of a run. All texts are plain and show as they are; escaping is up to the medium.

    `about` is who is to look at it. `from_s` and `until_s` are seconds since the start of the run, None where it is
    about all of it. `kind` (of error) and `labels` select the conversations it is about, `simulations` has ids of a few
    of them. The values of `labels` and `simulations` are as in the rows, so they may hold anything an agent or a plan
    says.
    """

    about: About
    severity: Severity
    title: str = attrs.field(converter=_cut)
    sentences: tuple[str, ...] = ()
    from_s: float | None = None
    until_s: float | None = None
    kind: str | None = None
    labels: Mapping[str, str] = attrs.field(factory=dict)
    simulations: tuple[str, ...] = ()


@attrs.frozen
class Diagnosis:
    """`answer` is one sentence; `findings` have the most important first."""

    answer: str
    findings: tuple[Finding, ...]
