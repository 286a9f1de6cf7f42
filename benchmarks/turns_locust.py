"""The conversations of benchmarks/turns.py, held by Locust's fast client; run by it, prints one line of JSON.

`TURNS` is taken from the environment. Certificates are not verified, which is this client's default.
"""

import json
import os
import time

from locust import FastHttpUser, constant, events, task

TURNS = int(os.environ["TURNS"])
began = {}


class Caller(FastHttpUser):
    """Posts the whole history in each turn; begins anew after the last."""

    wait_time = constant(0)

    @task
    def converse(self) -> None:
        history = []
        for turn in range(TURNS):
            history.append({"role": "user", "content": f"message {turn} of a caller who wants a pizza"})
            answer = self.client.post("/chat", json={"messages": history})
            text = answer.json()["choices"][0]["message"]["content"]
            history.append({"role": "assistant", "content": text})


@events.test_start.add_listener
def begin(environment, **_) -> None:
    began.update(cpu=time.process_time(), at=time.perf_counter())


@events.test_stop.add_listener
def report(environment, **_) -> None:
    total = environment.stats.total
    line = {
        "turns": total.num_requests,
        "failed": total.num_failures,
        "cpu_s": time.process_time() - began["cpu"],
        "seconds": time.perf_counter() - began["at"],
        "p50_ms": total.get_response_time_percentile(0.5),
        "p95_ms": total.get_response_time_percentile(0.95),
    }
    print(json.dumps(line), flush=True)
