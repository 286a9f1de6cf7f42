"""Runs on paper over several workers."""

import json
from pathlib import Path

import attrs

from coval_load.engine.evidence import Evidence
from coval_load.engine.verdict import verdict, verdict_over
from coval_load.engine.vitals import Vitals
from coval_load.engine.worker_health import COORDINATOR, WorkerHealth, joined_notes

CALM = Evidence(vitals=Vitals(watched_s=90.0, cpu_s=40.0), loop_lag_samples=900, loop_lag_p99_s=0.004)
LATE = attrs.evolve(CALM, send_lateness_samples=9000, send_lateness_p99_s=0.13)
BUSY = attrs.evolve(CALM, vitals=Vitals(watched_s=90.0, cpu_s=86.0, busiest_cpu_share=0.99))


def deal_to_workers(folder: Path, amount: int, host: str = "host-b") -> Path:
    """Let the run in `folder` be one over so many workers; see `made_workers`."""
    path, workers = folder / "summary.json", made_workers(amount, host)
    summary = json.loads(path.read_text())
    summary["generator"] = verdict_over(CALM, workers, takes_over=False)
    summary["notes"] += joined_notes(workers)
    path.write_text(json.dumps(summary))
    return folder


def made_workers(amount: int, host: str) -> list[WorkerHealth]:
    """A coordinator and `amount` workers: 2 was late, 3 was lost, 4 was busy, 5 joined late; half of them on `host`."""
    return [
        WorkerHealth(name=COORDINATOR, host="host-a", generator=verdict(CALM)),
        *(_worker(number, "host-a" if number % 2 else host) for number in range(1, amount + 1)),
    ]


def _worker(number: int, host: str) -> WorkerHealth:
    return WorkerHealth(
        name=f"worker-{number}",
        host=host,
        generator=verdict({2: LATE, 4: BUSY}.get(number, CALM)),
        clock_error_s=0.0002 * number,
        joined_at_s=42.0 if number == 5 else 0.0,
        lost="its process was killed by SIGKILL" if number == 3 else None,
        lost_at_s=35.2 if number == 3 else None,
        simulations=3,
        simulations_lost=17 if number == 3 else 0,
    )
