"""Over which processes a run goes: this one, several of this machine, or those of a cluster."""

import re
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs
import click

from coval_load.cli.output import say
from coval_load.cli.preparing import refuse
from coval_load.faults import Fault, Faulty

if TYPE_CHECKING:
    from coval_load.cluster.where import Remote, Where
    from coval_load.plans.plan import Plan

MOST = 1024
"""Processes of one machine."""
SIMULATIONS_EACH = 25
"""At once, that a further process is worth its start for."""

Count: TypeAlias = int | Literal["auto"]


class CountType(click.ParamType[Count]):
    """`4`, or `auto`."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Count:
        """1 to 1,024, or `auto`; fails with what was expected."""
        if value == "auto":
            return "auto"
        if not re.fullmatch("[0-9]{1,4}", str(value)) or not 1 <= int(value) <= MOST:
            self.fail(f"expected how many processes, 1 to {MOST}, or auto; got {value!r}", param, ctx)
        return int(value)


_OPTIONS = (
    click.option(
        "--workers",
        "count",
        type=CountType(),
        metavar="N|auto",
        help="Run over so many processes of this machine, or as many as it is good for.",
    ),
    click.option("--cluster", metavar="ADDRESS", help="Run over a Dask cluster's workers: tls://scheduler:8786."),
    click.option("--cluster-plaintext", is_flag=True, help="Also over tcp://: agents' secrets go to it in the clear."),
)


@attrs.frozen(kw_only=True)
class Workers:
    """What the command line asks for."""

    count: Count | None = None
    cluster: str | None = None
    cluster_plaintext: bool = False

    def where(self, plan: "Plan") -> "Where | None":
        """Where `plan` is to run; None: in this very process. Exits with 2 for an address that is none."""
        if self.cluster is not None:
            return _read_cluster(self.cluster, self.cluster_plaintext)
        count = good_for(plan) if self.count == "auto" else self.count
        if count is None:
            return None
        from coval_load.cluster.where import Local

        return Local(count)


ONE_PROCESS = Workers()
"""This one."""


def worker_options(command: Callable[..., object]) -> Callable[..., object]:
    """Give `command` the options; it gets them as `workers`, a `Workers`."""
    names = [field.name for field in attrs.fields(Workers)]

    @wraps(command)
    def with_workers(*arguments: Any, **values: Any) -> object:
        asked = Workers(**{name: values.pop(name) for name in names})
        if asked.count is not None and asked.cluster is not None:
            raise click.UsageError("expected --workers or --cluster; got both, leave one out")
        if asked.cluster_plaintext and asked.cluster is None:
            raise click.UsageError("expected --cluster ADDRESS with --cluster-plaintext; got it alone, leave it out")
        return command(*arguments, workers=asked, **values)

    taking: Callable[..., object] = with_workers
    for option in reversed(_OPTIONS):
        taking = option(taking)
    return taking


def good_for(plan: "Plan") -> int | None:
    """How many processes of this machine `plan` is to have; None where it goes as well in this very one."""
    from coval_load.engine.cpus import usable_cpus
    from coval_load.plans.room import peak_of

    count = split(peak_of(plan), usable_cpus())
    return count if count > 1 else None


def split(peak: int, cpus: int) -> int:
    """To how many processes `peak` simulations at once are worth to be dealt: one for each of `cpus` at most."""
    return max(1, min(cpus, peak // SIMULATIONS_EACH, MOST))


def processes_of(where: "Where | None") -> int | None:
    """How many processes of this machine carry the load; None where other machines do."""
    if where is None:
        return 1
    from coval_load.cluster.where import Local

    return where.workers if isinstance(where, Local) else None


def tell(where: "Where | None") -> None:
    """Say on standard error over what a run goes; nothing where that is this process."""
    if where is None:
        return
    from coval_load.cluster.where import Local

    if isinstance(where, Local):
        told = f"{where.workers} {'process' if where.workers == 1 else 'processes'} on this machine"
    else:
        told = f"those of the cluster at {where.address}"
    say(sys.stderr, f"workers: {told}\n")


def _read_cluster(address: str, allow_plaintext: bool) -> "Remote":
    from coval_load.cluster.where import read_address

    try:
        return read_address(address, allow_plaintext=allow_plaintext)
    except ValueError as error:
        refuse(Faulty([Fault("--cluster", str(error))]))
