"""docs/cluster.md: its commands are followed with Dask's own processes, and its figures are worked out again."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio
import yaml
from docs_pages import blocks, page

from coval_load.actors.protocols import known_protocols
from coval_load.cli.workers import SIMULATIONS_EACH
from coval_load.cluster.crew import ALONE_S
from coval_load.cluster.lease import LEASE_S, SILENT_S
from coval_load.cluster.muster import READY_WITHIN_S, STRAGGLERS_S
from coval_load.codecs.dialects.websocket_voice import WebSocketVoiceFormat
from coval_load.engine.run_folder import read_rows
from coval_load.plans.loading import load_plan
from coval_load.reference.process import start_reference_agent

PAGE = page("cluster")
(ON_ONE_MACHINE,), FIVE = [text.splitlines() for language, text in blocks("cluster") if language == "sh"]
CERTIFICATE, SCHEDULER, WORKER, TRUST, RUN = FIVE
SHOWN = "scheduler.example.com:8786"
PATIENCE_S = 60
RECORD_OF_TLS = 5 + 1 + 16
"""RFC 8446 5.2: the head of a record, the type of what is in it, and the tag of AES-GCM."""
TCP_AND_IPV4 = 20 + 20 + 12
"""With timestamps, as Linux sends them (RFC 7323)."""


@asynccontextmanager
async def running(command, cwd):
    """A command of the page that goes on: its standard error, while the block runs; ended with all it started."""
    process = await trio.lowlevel.open_process(
        ["sh", "-c", f"exec {command}"],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process.stderr
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            with trio.move_on_after(5):
                await process.wait()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # a session of its own
            await process.wait()
            await process.stderr.aclose()


async def said(stream, pattern, times=1):
    """Wait until what comes of `stream` has `pattern` so many times."""
    text = ""
    with trio.fail_after(PATIENCE_S):
        while len(re.findall(pattern, text)) < times:
            data = await stream.receive_some()
            assert data, f"expected {pattern!r} {times} times; got {text}"
            text += data.decode()


def environment():
    """Where this project's commands come first, and nothing of Dask's is set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DASK_")}
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


async def followed(command, cwd):
    """A command of the page to its end, which has to be a good one."""
    with trio.fail_after(PATIENCE_S):
        done = await trio.run_process(
            ["sh", "-c", command],
            cwd=cwd,
            env=environment(),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return (done.stdout + done.stderr).decode()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def small(command, at_once, simulations):
    """With less to do; later options overrule earlier ones."""
    return f"{command} --concurrency {at_once} --simulations {simulations} --accept-invalid"


@pytest.fixture
async def agent(tmp_path):
    """A chat agent's folder, with a plan of one short turn for it."""
    async with start_reference_agent(["--model-type", "chat", "--delay", "20ms"], out=tmp_path) as started:
        plan = yaml.safe_load(started.plan_file.read_text("utf-8"))
        plan["test_set"][0]["turns"] = [{"type": "text", "text": "hello"}]
        started.plan_file.write_text(yaml.safe_dump(plan), "utf-8")
        yield tmp_path


def results(folder):
    (found,) = (folder / "coval-runs").iterdir()
    return json.loads((found / "summary.json").read_text()), list(read_rows(found / "simulations.jsonl"))


async def test_one_machine(agent):
    await followed(small(ON_ONE_MACHINE, 2 * SIMULATIONS_EACH, 2 * SIMULATIONS_EACH), agent)
    summary, rows = results(agent)
    assert summary["counts"]["completed"] == len(rows) == 2 * SIMULATIONS_EACH


async def test_five_lines_lead_to_a_cluster(agent):
    address = f"127.0.0.1:{free_port()}"
    here, port = address.split(":")
    scheduler = f"{SCHEDULER} --host {here} --port {port} --dashboard-address {here}:0"
    worker = f"{WORKER.replace(SHOWN, address)} --host {here} --nworkers 2"  # later options overrule earlier ones
    assert len(FIVE) == 5
    await followed(CERTIFICATE, agent)
    assert (agent / "key.pem").stat().st_mode & 0o077 == 0
    async with running(scheduler, agent) as scheduler_says:
        await said(scheduler_says, rf"Scheduler at: +tls://{re.escape(address)}")
        async with running(worker, agent) as worker_says:
            await said(worker_says, r"Registered to:", times=2)
            run = small(RUN.replace(SHOWN, address), 4, 12)
            assert f"--cluster tls://{address}" in run
            printed = await followed(f"{TRUST}\n{run}", agent)
    summary, rows = results(agent)
    assert summary["counts"]["completed"] == len(rows) == 12, printed
    assert {row["worker"] for row in rows} == {1, 2}


async def test_without_the_fourth_line_nobody_is_let_in(agent):
    run = small(RUN.replace(SHOWN, f"127.0.0.1:{free_port()}"), 1, 1)
    with trio.fail_after(PATIENCE_S):
        done = await trio.run_process(
            ["sh", "-c", run], cwd=agent, env=environment(), check=False, capture_stdout=True, capture_stderr=True
        )
    assert done.returncode == 2
    for name in re.findall(r"(DASK_\w+)=", TRUST):
        assert name.encode() in b"".join(done.stderr.split()), done.stderr


def test_the_example_of_kubernetes_has_the_same_certificate():
    shown = (Path(__file__).parents[1] / "examples" / "kubernetes" / "README.md").read_text("utf-8")
    assert CERTIFICATE.replace("/CN=load-test", "/CN=coval-load") in shown.splitlines()


def test_one_certificate_is_all_that_is_named():
    for line in (SCHEDULER, WORKER):
        words = shlex.split(line)
        given = {option: words[words.index(option) + 1] for option in words if option.startswith("--tls-")}
        assert given == {"--tls-ca-file": "cert.pem", "--tls-cert": "cert.pem", "--tls-key": "key.pem"}
    prefix = "DASK_DISTRIBUTED__COMM__TLS__"
    assert shlex.split(TRUST)[1:] == [
        f"{prefix}CA_FILE=cert.pem",
        f"{prefix}CLIENT__CERT=cert.pem",
        f"{prefix}CLIENT__KEY=key.pem",
    ]


def test_the_key_of_the_plan_loads():
    (text,) = (text for language, text in blocks("cluster") if language == "yaml")
    agent = {"display_name": "a", "model_type": "MODEL_TYPE_CHAT", "metadata": {"chat_endpoint": "https://a.example"}}
    cases = [{"id": "a", "turns": [{"type": "text", "text": "Hello"}]}]
    options = {name: protocol.options for name, protocol in known_protocols().items()}
    load = partial(load_plan, environ={}, options=options)
    load({"agents": [agent], "test_set": cases, **yaml.safe_load(text)})


def test_times_are_those_of_the_code():
    assert f"nothing was heard of it for {SILENT_S:g} s" in PAGE
    assert f"when it has heard nothing for {LEASE_S:g} s" in PAGE
    assert f"the run waits {ALONE_S:g} s for one" in PAGE
    assert READY_WITHIN_S == 60
    assert f"waits a minute for the first, and {STRAGGLERS_S:g} s more" in PAGE
    assert f"one for each {SIMULATIONS_EACH} simulations at once" in PAGE


def test_links_lead_somewhere():
    docs = Path(__file__).parents[1] / "docs"
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", PAGE):
        path = docs / (target or "cluster.md")
        assert path.exists(), target
        headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
        assert not heading or heading in {re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings}


def table(under):
    """The cells of the first table under a heading, without its head."""
    section = PAGE.split(f"\n### {under}\n")[1].split("\n#")[0]
    lines = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def number(cell):
    return float(re.match(r"[\d,.]+", cell)[0].replace(",", ""))


def test_what_a_core_carries_is_what_was_measured():
    measured = page("performance")
    assert "Measured on 2026-11-21" in measured
    assert "Measured on 2026-11-21" in PAGE
    for kind, simulations, core, late, memory in table("What a core carries"):
        way = "TLS" if kind.endswith("TLS") else "plain"
        (row,) = re.findall(rf"^\| {way} \| {simulations} \| [\d.]+ us \| {core} \|.*$", measured, re.MULTILINE)
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert (cells[5], cells[7]) == (late, memory)
    assert "| chat turn over WebSocket, TLS, all in |" in measured
    for figure in ("222 us", "131 us"):
        assert figure in measured
        assert figure in PAGE
    assert "1,893 us" in measured


def frame_of(rate_hz, bytes_a_sample, template):
    """Bytes of 20 ms of sound, and of the message that carries it."""
    sound = rate_hz // 50 * bytes_a_sample
    return sound, len(template.replace("{{audio_data}}", "A" * (4 * -(-sound // 3))))


def test_what_a_caller_sends():
    template = WebSocketVoiceFormat().send_audio_template
    frames = [frame_of(16_000, 2, template), frame_of(8_000, 1, template), frame_of(24_000, 2, template)]
    for cells, (sound, message), head in zip(table("What a caller sends"), frames, (8, 8, 4), strict=True):
        on_the_network = message + head + RECORD_OF_TLS + TCP_AND_IPV4
        bits = on_the_network * 50 * 8
        assert [number(cell) for cell in cells[1:4]] == [sound, message, on_the_network]
        assert number(cells[4]) == round(bits / 1_000)
        assert number(cells[5]) == round(bits * 100_000 / 1e9, 1)


def test_a_hundred_thousand():
    rows = {cells[0]: cells[1:] for cells in table("100,000 at once")}
    (voice, _, chat), cores = [number(cell) for cell in rows["simulations a worker"]], 15
    assert [number(cell) for cell in rows["workers"]] == [100_000 / voice, 100_000 / voice, 100_000 / chat]
    assert number(rows["machines"][0]) == -(-100_000 / voice // cores)
    each = [round(100_000 / number(cell)) for cell in rows["machines"]]
    assert [number(cell) for cell in rows["simulations a machine"]] == each
    assert [number(cell) for cell in rows["ports of a machine for one address, of 28,232"]] == each
    assert max(each) < 0.9 * 28_232
    carried = {cells[0]: number(cells[4]) for cells in table("What a core carries") if cells[1] == "500"}
    memory = [round(voice * carried[way] / 1024) for way in ("voice over TLS", "voice, plain")]
    assert [number(cell) for cell in rows["memory of a worker's simulations"][:2]] == memory
    frame = number(table("What a caller sends")[0][3])
    network = [round(size * 50 * 8 * each[0] / 1e9, 1) for size in (frame, frame - RECORD_OF_TLS)]
    assert [number(cell) for cell in rows["network out of a machine"][:2]] == network
    turns = chat / 10
    assert f"{turns:,.0f} turns a second, {turns * 222e-6:.0%}".replace("%", " %") in rows["simulations a worker"][2]
