"""Reference agents, and programs that talk to them with a vendor's own client."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import attrs
from coval_load.reference.sound import load_clip, to_pcm

from driving import COMMAND
from peers import HERE, end, environment, installed

READY_LIMIT_S = 30
TALK_LIMIT_S = 60
SAID = "thanks-bye"
AT_ONCE = 6
"""Scenarios: they wait most of their time, since they speak in real time."""


@attrs.frozen
class Agent:
    """A running reference agent: `metadata` is what its agent file says of it."""

    host: str
    ca_file: str
    metadata: dict


@contextmanager
def reference_agent(folder, model_type, *options):
    """One of this type and with these options of the command line; ended with the block. Its files go to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [COMMAND, "reference-agent", "--model-type", model_type, "--json", "--out", folder, *options]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
            env=environment(),
            start_new_session=True,
        )
        try:
            yield _described(process, folder / "log")
        finally:
            end(process)
            process.stdout.close()


def _described(process, log):
    line = process.stdout.readline()
    assert line, f"the reference agent ended: {log.read_text(errors='replace')[-2000:]}"
    announced = json.loads(line)
    metadata = json.loads(Path(announced["agent_file"]).read_text())["metadata"]
    return Agent(urlsplit(announced["endpoint"]).netloc, announced["ca_file"], metadata)


class Stage:
    """Plays scenarios, several at once, each with an agent of its own.

    `agent` is the model type and the options of all agents, `play` takes an agent, a folder, a scenario and more.
    """

    def __init__(self, folder, agent, play):
        self._folder = folder
        self._agent = agent
        self._play = play
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._played = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._pool.shutdown(cancel_futures=True)

    def play(self, scenario, *options, **more):
        """The future of what is heard in this scenario, which is played once."""
        which = (scenario, options, *more.items())
        if which not in self._played:
            folder = self._folder / str(len(self._played))
            self._played[which] = self._pool.submit(self._run, folder, scenario, options, more)
        return self._played[which]

    def _run(self, folder, scenario, options, more):
        with reference_agent(folder, *self._agent, *options) as agent:
            return self._play(agent, folder, scenario, **more)


def speech(folder, rate_hz, encode=to_pcm):
    """A file of somebody speaking for somewhat more than a second, without a pause, mono and in this encoding."""
    path = folder / "speech"
    path.write_bytes(encode(load_clip(SAID, rate_hz)))
    return str(path)


def talk(peer, program, job, **more):
    """What `program` has to tell, run in the environment of `peer` with this job."""
    done = subprocess.run(
        _command(peer, program),
        check=False,
        input=json.dumps(job),
        capture_output=True,
        text=True,
        timeout=TALK_LIMIT_S,
        env=environment(**more),
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


@attrs.frozen
class Vendor:
    """A vendor's package: the peer that it is installed for, and our program that holds messages to its types."""

    peer: str
    types: str


OPENAI = Vendor("openai", "openai_types.py")
GEMINI = Vendor("google-genai", "gemini_types.py")


class Judge:
    """Holds messages to the types of vendors' packages, in a process for each vendor that lasts as long as it."""

    def __init__(self):
        self._running = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self._running.values():
            end(process)
            process.stdin.close()
            process.stdout.close()

    def faults(self, vendor, side, messages):
        """What is wrong in messages of the `client` or the `server`, in words."""
        if vendor not in self._running:
            self._running[vendor] = subprocess.Popen(
                _command(vendor.peer, vendor.types),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment(),
                start_new_session=True,
            )
        return [fault for message in messages for fault in _asked(self._running[vendor], [side, message])]

    def holds(self, vendor, side, messages):
        """There are messages, and nothing is wrong in any."""
        assert messages
        assert self.faults(vendor, side, messages) == []


def _asked(process, question):
    process.stdin.write(json.dumps(question) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def _command(peer, program):
    return [str(installed(peer) / "python"), str(HERE / program)]
