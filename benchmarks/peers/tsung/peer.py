"""Tsung, from Debian; README.md in this folder says what was chosen and why."""

import base64
import json
import math
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from signal import SIGTERM
from string import Template
from urllib.parse import urlsplit
from xml.sax.saxutils import escape, quoteattr

from interface import WORKS, Job, Peer, Start

HERE = Path(__file__).parent
ERLANG = (
    "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -start_epmd false -erl_epmd_port 64099"
    " -kernel inet_dist_use_interface {127,0,0,1} -tsung_controller dumpstats_interval 2000"
)
FOREVER = 10**9
CONNECT = '<request><websocket type="connect" path="/"/></request>\n'
CLOSE = '<request><websocket type="close"/></request>\n'
REPORTED = re.compile(r"^stats: (error_\w+|timeout|websocket_fail|abort_session) \d+ (\d+)$", re.MULTILINE)


def message(content: object, ack: str = "parse") -> str:
    """A text message; `parse` awaits a reply, `no_ack` does not: what comes is read while the user thinks."""
    text = escape(json.dumps(content))
    return f'<request><websocket type="message" frame="text" ack="{ack}">{text}</websocket></request>\n'


def forever(name: str, steps: str) -> str:
    return f'<for var="{name}" from="1" to="{FOREVER}">\n{steps}</for>'


def frames(job: Job) -> str:
    frame = {"type": "audio_chunk", "data": base64.b64encode(os.urandom(640)).decode()}
    return CONNECT + forever("frame", message(frame, "no_ack") + f'<thinktime value="{job.interval_s}"/>\n')


def chat(job: Job) -> str:
    turns = "".join(message({"content": f"message {turn}"}) for turn in range(job.turns))
    return forever("conversation", CONNECT + turns + CLOSE)


def connections(job: Job) -> str:
    return forever("connection", CONNECT + CLOSE)


def http_chat(job: Job) -> str:
    """The replies in a request's history are dynamic variables, one for each turn."""
    history, turns = [], ""
    for turn in range(job.turns):
        history.append({"role": "user", "content": f"message {turn}"})
        body = quoteattr(json.dumps({"messages": history}))
        turns += (
            f'<request subst="true"><dyn_variable name="reply{turn}" jsonpath="choices[0].message.content"/>'
            f'<http url="/chat" method="POST" content_type="application/json" contents={body}/></request>\n'
        )
        history.append({"role": "assistant", "content": f"%%_reply{turn}%%"})
    return forever("conversation", turns)


SESSIONS = {"frames": frames, "chat": chat, "connections": connections, "http_chat": http_chat}


def start(job: Job) -> Start:
    plan = Template((HERE / "tsung.xml").read_text()).substitute(
        work=job.work,
        session=SESSIONS[job.work](job),
        type="ts_http" if job.work == "http_chat" else "ts_websocket",
        transport="ssl" if job.ca_file else "tcp",
        port=urlsplit(job.endpoint).port,
        users=job.sessions,
        most_users=job.sessions + 100,
        seconds=math.ceil(job.seconds),
    )
    (job.folder / "plan.xml").write_text(plan)
    command = ["tsung", "-I", "127.0.0.1", "-n", "-f", str(job.folder / "plan.xml")]
    command += ["-l", str(job.folder / "log"), "-m", "-", "start"]
    return Start(command, {"HOME": str(job.folder), "ERL_FLAGS": ERLANG})


def errors(job: Job, printed: str) -> Mapping[str, int]:
    """Totals of its last statistics, which it prints each two seconds."""
    return {kind: int(number) for kind, number in REPORTED.findall(printed)}


def missing() -> str | None:
    return None if shutil.which("tsung") else "tsung is not installed: apt-get install tsung"


def known_version() -> str:
    if missing():
        return "Tsung"
    return subprocess.run(["tsung", "-v"], capture_output=True, text=True, timeout=20, check=False).stdout.strip()


PEERS = (
    Peer(
        name="tsung",
        works=WORKS,
        about=f"{known_version()}, one virtual machine with one scheduler; it does not verify certificates",
        missing=missing,
        start=start,
        errors=errors,
        stop_signal=SIGTERM,
    ),
)
