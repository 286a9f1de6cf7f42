"""What `run`, `check` and `demo` do alike: load a plan, or say all that is wrong with it."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from coval_load.faults import Faulty

if TYPE_CHECKING:
    from coval_load.plans.overrides import Overrides
    from coval_load.plans.rehearsal import Ensemble

EXIT_FAULTY = 2


def prepare(
    source: Path | Mapping[str, Any], overrides: "Overrides | None" = None, *, own_cases: bool = True
) -> "Ensemble":
    """The plan, ready to run; exits with 2 and every fault on standard error where it has any.

    `own_cases`: see `Ensemble.rehearse`.
    """
    from coval_load.actors.protocols import known_protocols, template_faults
    from coval_load.codecs.audio.packaged import CLIPS
    from coval_load.plans.loading import load_plan
    from coval_load.plans.rehearsal import Ensemble
    from coval_load.plans.speech import find_speaker

    protocols = known_protocols()
    try:
        plan = load_plan(
            source,
            overrides,
            environ=os.environ,
            options={model_type: protocol.options for model_type, protocol in protocols.items()},
            protocols=protocols,
            speech=find_speaker(),
            clip_names=CLIPS,
            checks=lambda agent: template_faults(agent, protocols),
        )
        return Ensemble.rehearse(plan, protocols, own_cases=own_cases)
    except Faulty as faulty:
        refuse(faulty)


def refuse(faulty: Faulty) -> NoReturn:
    """Every fault on a line of its own, then exit code 2."""
    word = click.style("fault", fg="red") if in_colour(sys.stderr) else "fault"
    for fault in faulty.faults:
        click.echo(f"{word} {fault}", err=True)
    count = len(faulty.faults)
    click.echo(f"{count} {'fault' if count == 1 else 'faults'}; nothing was dialled", err=True)
    sys.exit(EXIT_FAULTY)


def in_colour(stream: Any) -> bool:
    """Whether to colour `stream`, and to rewrite lines on it: a terminal, as standard output is, and no NO_COLOR."""
    return bool(stream.isatty() and sys.stdout.isatty()) and not os.environ.get("NO_COLOR")
