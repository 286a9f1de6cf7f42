"""`coval-load check`: everything that is wrong, at once; with `--dial` one conversation, event by event."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coval_load.cli.parameters import FILE, reach_options, reach_sections
from coval_load.cli.preparing import prepare, refuse
from coval_load.faults import Fault, Faulty
from coval_load.plans.documents import read_document
from coval_load.plans.overrides import Overrides, plan_from_agent
from coval_load.report.units import many

if TYPE_CHECKING:
    from coval_load.plans.rehearsal import Ensemble


@click.command(epilog="Example: coval-load check agent.json --dial")
@click.argument("file", type=FILE)
@click.option("--dial", is_flag=True, help="Hold one conversation and print its timeline.")
@click.option("--test-set", type=FILE, help="Test cases; in place of the plan's.")
@reach_options
@click.option("--json", "as_json", is_flag=True, help="Print what was found to standard output as JSON.")
def check(
    file: Path,
    dial: bool,
    test_set: Path | None,
    ca_file: Path | None,
    allow_private: bool,
    allow_plaintext: bool,
    as_json: bool,
) -> None:
    """Validate FILE, an agent (connect-an-agent body) or a plan, and report all faults at once.

    Nothing is dialled without --dial, which holds the first simulation of a plan. Exit codes: 0 all well,
    2 faults, 3 the conversation failed.
    """
    sections = reach_sections(ca_file, allow_private, allow_plaintext)
    is_agent = _is_agent(file)
    source = plan_from_agent(file, test_set) if is_agent else file
    overrides = Overrides(test_set=test_set, sections=sections)
    # An agent by itself may well ask for attributes that the packaged test cases do not have.
    ensemble = prepare(source, overrides, own_cases=dial or test_set is not None or not is_agent)
    click.echo(_what_it_is(ensemble), err=True)
    if not dial:
        if as_json:
            import orjson

            sys.stdout.buffer.write(orjson.dumps(ensemble.plan.masked(), option=orjson.OPT_INDENT_2) + b"\n")
        return
    import trio

    from coval_load.cli.dial import dial_once

    sys.exit(trio.run(dial_once, ensemble.first_simulation(), as_json))


def _is_agent(file: Path) -> bool:
    try:
        raw = read_document(file)
    except Faulty as faulty:
        refuse(faulty)
    if not isinstance(raw, dict):
        refuse(Faulty([Fault("", f"expected an agent or a plan in {file}; got {type(raw).__name__}")]))
    return "agents" not in raw and bool({"model_type", "metadata", "display_name"} & raw.keys())


def _what_it_is(ensemble: "Ensemble") -> str:
    plan = ensemble.plan
    agents = ", ".join(f"{agent.name} ({agent.model_type})" for agent in plan.agents)
    cases, turns = len(plan.test_cases), sum(len(case.turns) for case in plan.test_cases)
    return f"no faults: {agents}; {many(cases, 'test case')} with {many(turns, 'turn')}"
