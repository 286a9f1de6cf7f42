"""What monitoring gets of a run while it goes on, over real sockets, and that nothing of it keeps the run."""

import json
import socket
import time
from contextlib import suppress

import attrs
import httpx
import pytest
from click.testing import CliRunner
from collectors import collector, points_of, value_of
from prometheus_client.parser import text_string_to_metric_families
from threaded_agent import threaded_agent
from watched_command import watched_command

from coval_load.cli.main import cli

WAITING_TO_BE_READ = 400


def samples_of(text):
    """{(name, labels): value} of a scrape."""
    families = text_string_to_metric_families(text)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


@attrs.define
class Watched:
    exit_code: int
    scrapes: list
    pushes: list
    summary: dict
    said: str


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A run of some seconds that is scraped, pushed from, and asked by somebody who does not read."""
    cwd = tmp_path_factory.mktemp("monitoring")
    with threaded_agent(fails=frozenset({5, 6})) as agent, collector() as collecting:
        plan = agent.plan(cwd, load={"concurrency": 3, "duration": "2s"}, limits={"per_agent": 3})
        options = ("--prometheus-address=127.0.0.1:0", f"--otlp-endpoint={collecting.address}", "--out=run")
        with watched_command("run", plan, *options, cwd=cwd) as command:
            address = command.says(r"metrics for Prometheus: (\S+)\n")
            with reader_that_does_not_read(address):
                scrapes = list(scraped(address, command.process))
                exit_code = command.end()
            said = command.out.read_text() + command.err.read_text()
    summary = json.loads((cwd / "run" / "summary.json").read_text())
    return Watched(exit_code, scrapes, [points_of(request) for request in collecting.requests], summary, said)


def reader_that_does_not_read(address):
    host, port = address.split("/")[2].split(":")
    stuck = socket.create_connection((host, int(port)))
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    stuck.setblocking(False)
    with suppress(BlockingIOError):
        stuck.send(b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" * WAITING_TO_BE_READ)
    return stuck


def scraped(address, process):
    """What is there each time, as long as anybody answers."""
    while process.poll() is None:
        try:
            yield samples_of(httpx.get(address, timeout=5).raise_for_status().text)
        except httpx.TransportError:
            return
        time.sleep(0.2)


def test_it_can_be_scraped_while_it_goes_on(watched):
    started = ("coval_load_simulations_total", (("status", "started"),))
    seen = [scrape[started] for scrape in watched.scrapes]
    assert len({*seen}) > 2
    assert seen == sorted(seen)
    assert seen[-1] <= watched.summary["counts"]["started"]
    assert max(scrape["coval_load_simulations_running", ()] for scrape in watched.scrapes) == 3


def test_the_last_push_says_what_the_summary_says(watched):
    last, summary = watched.pushes[-1], watched.summary
    for status, amount in summary["counts"].items():
        assert value_of(last["coval_load.simulations", (("status", status),)]) == amount
    for kind, amount in summary["errors"].items():
        assert value_of(last["coval_load.errors", (("error.type", kind),)]) == amount
    for name, entry in summary["metrics"].items():
        if name != "loop_lag":  # which is measured until the end
            assert last[f"coval_load.{name}", ()].count == entry["count"]
            for percent in ("p50", "p95", "p99"):
                labels = (("metric", name), ("quantile", f"{int(percent[1:]) / 100:g}"))
                assert value_of(last["coval_load.percentile", labels]) == entry[percent]
    assert summary["errors"]


def test_nobody_keeps_the_run_from_its_end(watched):
    assert watched.exit_code == 0
    assert not [note for note in watched.summary["notes"] if "OTLP" in note or "ended:" in note]


def test_a_collector_that_refuses_is_a_note_and_changes_nothing(tmp_path):
    with threaded_agent(delay_s=0.0) as agent, collector(status=400) as collecting:
        plan = agent.plan(tmp_path, load={"concurrency": 1, "simulations": 1})
        options = ["--otlp-endpoint", collecting.address, "--out", str(tmp_path / "run")]
        done = CliRunner().invoke(cli, ["run", str(plan), *options])
    assert done.exit_code == 0, done.output
    assert len(collecting.requests) == 1
    notes = json.loads((tmp_path / "run" / "summary.json").read_text())["notes"]
    assert [note for note in notes if note.startswith("metrics could not be pushed over OTLP: ")]


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--otlp-endpoint", "nonsense", "expected an address such as http://127.0.0.1:4318/v1/metrics; got 'nonsense'"),
        ("--web-address", "1.2.3.4.5:x", "expected a port, or an address such as 127.0.0.1:8080"),
        ("--web-address", "0.0.0.0:0", "expected a token in COVAL_LOAD_WEB_TOKEN"),
        ("--prometheus-address", ":0", "expected a token in COVAL_LOAD_WEB_TOKEN"),
        ("--prometheus-address", "TAKEN", "expected to listen on 127.0.0.1:"),
    ],
)
def test_what_can_not_be_served_is_a_fault_and_nothing_is_dialled(tmp_path, monkeypatch, option, value, told):
    monkeypatch.delenv("COVAL_LOAD_WEB_TOKEN", raising=False)
    with threaded_agent() as agent, socket.create_server(("127.0.0.1", 0)) as taken:
        plan = agent.plan(tmp_path, load={"concurrency": 1, "simulations": 1})
        given = value.replace("TAKEN", str(taken.getsockname()[1]))
        done = CliRunner().invoke(cli, ["run", str(plan), option, given, "--out", str(tmp_path / "run")])
        assert agent.asked == 0
    assert done.exit_code == 2, done.output
    assert told in " ".join(done.output.split())
    assert not (tmp_path / "run").exists()
