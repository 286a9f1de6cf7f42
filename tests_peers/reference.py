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
AT_ONCE = 4


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


def speech(folder, rate_hz):
    """A file of somebody speaking for somewhat more than a second, without a pause: 16-bit mono PCM."""
    path = folder / f"{rate_hz}.pcm"
    path.write_bytes(to_pcm(load_clip(SAID, rate_hz)))
    return str(path)


def talk(peer, program, job, **more):
    """What `program` has to tell, run in the environment of `peer` with this job."""
    done = _python(peer, program, json.dumps(job), **more)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def faults(peer, program, side, messages):
    """What the types of `peer` find wrong in messages of this side, as `["message type: fault", ...]`."""
    lines = [json.dumps([side, message]) for message in messages]
    done = _python(peer, program, "\n".join(lines))
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout)
    assert len(found) == len(messages)
    return [fault for of_one in found for fault in of_one]


def _python(peer, program, given, **more):
    return subprocess.run(
        [str(installed(peer) / "python"), str(HERE / program)],
        check=False,
        input=given,
        capture_output=True,
        text=True,
        timeout=TALK_LIMIT_S,
        env=environment(**more),
    )
