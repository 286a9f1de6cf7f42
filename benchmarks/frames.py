"""CPU time for a pair of voice frames (one out, one in), lateness and memory: this engine beside trio-websocket.

    python benchmarks/frames.py [--simulations 200,500,800] [--seconds 8] [--protocols websocket,openai_realtime,...]

The realtime protocols are compared with voice over WebSocket: the ratio stands under each.

The generator has one core, an echo agent another. Ratios are between runs that follow each other on the same
machine; needs `pip install -r requirements-bench.txt`.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

HERE = Path(__file__).parent
GENERATOR_CORE, AGENT_CORE = "0", "1"


def start_echo(folder: Path, use_tls: bool, protocol: str = "websocket") -> tuple[subprocess.Popen, str, str]:
    """The agent's process, its endpoint and its CA file (`-` without TLS)."""
    command = ["taskset", "-c", AGENT_CORE, sys.executable, str(HERE / "echo_agent.py"), str(folder)]
    command += ["--protocol", protocol]
    agent = subprocess.Popen([*command, "--tls"] if use_tls else command, stderr=subprocess.DEVNULL)
    for _ in range(200):
        if (folder / "endpoint").exists():
            return agent, (folder / "endpoint").read_text(), str(folder / "ca.pem") if use_tls else "-"
        time.sleep(0.1)
    agent.kill()
    raise SystemExit("the echo agent did not start within 20 s")


def generate(program: str, endpoint: str, ca_file: str, simulations: int, seconds: float, *more: str) -> dict:
    """What a generator printed."""
    command = [sys.executable, str(HERE / program), endpoint, ca_file, str(simulations), str(seconds), *more]
    done = subprocess.run(
        ["taskset", "-c", GENERATOR_CORE, *command], capture_output=True, text=True, timeout=240, check=False
    )
    if done.returncode:
        raise SystemExit(f"{program} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


PROTOCOLS = ("websocket", "openai_realtime", "gemini_realtime")


@click.command()
@click.option("--simulations", default="200,500,800", show_default=True)
@click.option("--seconds", default=8.0, show_default=True)
@click.option("--protocols", default=",".join(PROTOCOLS), show_default=True)
@click.option("--engine-only", is_flag=True, help="Leave trio-websocket out.")
def main(simulations: str, seconds: float, protocols: str, engine_only: bool) -> None:
    """Print the table."""
    print(f"{'':22}{'n':>5}{'us/pair':>9}{'CPU':>6}{'late p50':>10}{'p99':>9}{'max':>9}{'KiB each':>10}{'frames':>8}")
    for use_tls in (False, True):
        for count in map(int, simulations.split(",")):
            over_websocket = None
            for protocol in protocols.split(","):
                figures = measure(protocol, use_tls, count, seconds)
                show("coval-load" if protocol == "websocket" else protocol, use_tls, count, figures)
                if protocol == "websocket":
                    over_websocket = figures["us_a_pair"]
                elif over_websocket:
                    print(f"{'':27}{figures['us_a_pair'] / over_websocket:8.2f}x", flush=True)
            if not engine_only and over_websocket:
                naive = measure("websocket", use_tls, count, seconds, "frames_trio_websocket.py")
                show("trio-websocket", use_tls, count, naive)
                print(f"{'':27}{naive['us_a_pair'] / over_websocket:8.1f}x", flush=True)


def measure(protocol: str, use_tls: bool, count: int, seconds: float, program: str = "frames_engine.py") -> dict:
    """What `program` measured against an agent that speaks `protocol`."""
    with tempfile.TemporaryDirectory() as folder:
        agent, endpoint, ca_file = start_echo(Path(folder), use_tls, protocol)
        try:
            more = (protocol,) if program == "frames_engine.py" else ()
            return generate(program, endpoint, ca_file, count, seconds, *more)
        finally:
            agent.terminate()
            agent.wait()


def show(name: str, use_tls: bool, count: int, figures: dict) -> None:
    """One row; `frames` is the share of the frames due in the window that was sent."""
    print(
        f"{name:16}{'TLS' if use_tls else 'plain':6}{count:5}{figures['us_a_pair']:9.1f}{figures['cpu']:6.0%}"
        f"{figures['late_p50_ms']:7.2f} ms{figures['late_p99_ms']:6.1f} ms{figures['late_max_ms']:6.0f} ms"
        f"{figures['kib_each']:10.0f}{figures['pairs'] / figures['expected_pairs']:8.0%}",
        flush=True,
    )


if __name__ == "__main__":
    main()
