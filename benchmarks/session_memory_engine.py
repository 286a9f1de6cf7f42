"""Whole voice simulations, as `frames_engine.py` runs them, for their memory alone.

    python benchmarks/session_memory_engine.py ENDPOINT CA_FILE|- SIMULATIONS SECONDS [TALK_SECONDS]

Prints one line of JSON: the KiB of resident memory that all of them took. `before` is taken within the run, ahead of
the first dial: what the run itself takes is not theirs.
"""

import gc
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import trio
from frames_engine import plan, resident_kib

from coval_load.actors.protocols import known_protocols
from coval_load.codecs.audio.packaged import CLIPS
from coval_load.engine.run_folder import create
from coval_load.plans.launch import run_plan
from coval_load.plans.loading import load_plan
from coval_load.plans.rehearsal import Ensemble


def main(endpoint: str, ca_file: str, count: int, seconds: float, more: float = 0.0) -> None:
    """Print what they took."""
    figures = {}

    async def watch(live) -> None:
        results = live.results
        before = resident_kib()
        while results.samples("connect_time") < count:  # noqa: ASYNC110 - the engine has no event for it
            await trio.sleep(0.1)
        for name, lasts_s in (("kib", seconds), ("kib_after_talk", more)):
            await trio.sleep(lasts_s)
            gc.collect()
            figures[name] = resident_kib() - before
        live.runner.cut()

    protocols = known_protocols()
    options = {model_type: protocol.options for model_type, protocol in protocols.items()}
    asked = plan(endpoint, ca_file, count, "websocket")
    loaded = load_plan(asked, environ={}, options=options, clip_names=CLIPS)
    ensemble = Ensemble.rehearse(loaded, protocols)
    with tempfile.TemporaryDirectory() as temporary:
        folder = create(Path(temporary) / "run", "memory", datetime.now(UTC))
        finished = trio.run(lambda: run_plan(ensemble, folder, watches=[watch]))
    if finished.summary["errors"]:
        raise SystemExit(f"expected no errors; got {finished.summary['error_examples']}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *map(float, sys.argv[4:]))
