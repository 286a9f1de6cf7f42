"""A plan with everything it needs, as one piece for workers that have none of its files."""

import tempfile
from pathlib import Path
from typing import Any

import attrs
import cloudpickle

from coval_load.plans.rehearsal import Ensemble


def pack(ensemble: Ensemble) -> bytes:
    """`ensemble`, with its clips as they are sent and the authorities it trusts, for `unpack` of the same release."""
    authorities = ensemble.plan.ca_file
    packed: bytes = cloudpickle.dumps((ensemble, None if authorities is None else authorities.read_bytes()))
    return packed


def unpack(parcel: bytes, folder: Path) -> Ensemble:
    """What was packed; files that it needs are written into `folder`, which has to stay.

    Raises whatever a package raises that is not installed here, or not in the same release.
    """
    ensemble: Ensemble
    authorities: Any
    ensemble, authorities = cloudpickle.loads(parcel)
    if authorities is None:
        return ensemble
    with tempfile.NamedTemporaryFile("wb", dir=folder, suffix=".pem", delete=False) as file:
        file.write(authorities)
    return attrs.evolve(ensemble, plan=attrs.evolve(ensemble.plan, ca_file=Path(file.name)))
