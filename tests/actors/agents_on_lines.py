"""A call over WebSocket in virtual time: agents at the other ends of socket pairs, and a conversation that is told
what to do.

What an agent sends is read at once, by the caller's link, within the same call.
"""

import json
import socket
from contextlib import suppress

import attrs
import trio
from trio.testing import MockClock
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from coval_load.actors.connector import Connector
from coval_load.actors.redialling import Redialling
from coval_load.actors.services import Services
from coval_load.actors.simulation import Identity, Simulation
from coval_load.actors.websocket_call import WebSocketCall
from coval_load.agents.destination import Destination
from coval_load.codecs import events
from coval_load.codecs.dialects.interface import Handshaking, Outgoing, Said, VoiceDialect
from coval_load.engine.keepalive import Keepalive
from coval_load.engine.outcome import ErrorKind, Outcome, SimulationFailed
from coval_load.engine.plan import Timeouts
from coval_load.engine.results import Results
from coval_load.engine.wire import Socket

URL = "wss://agent.example/talk"
READY = Handshaking("a message of type 'ready'", timeout_s=10, advice="say that you are ready")


@attrs.define(eq=False)
class Dialect(VoiceDialect):
    """Messages are JSON whose `type` names an event of `codecs.events`, and whose other keys are its fields."""

    said: tuple = ()
    generation: int = 0

    def opening(self):
        return [Outgoing(json.dumps({"open": self.generation, "said": len(self.said)}).encode(), is_text=True)]

    def decode(self, payload, is_text):
        fields = json.loads(payload)
        kind = getattr(events, fields.pop("type"))
        if kind is events.AudioReceived:
            fields = {"pcm": bytes(fields["samples"] * 2)}
        if kind is events.RateLimitsReceived:
            fields = {"limits": tuple(events.RateLimit(*limit) for limit in fields["limits"])}
        return [kind(**fields)]

    def renewed(self, said):
        return Dialect(tuple(said), self.generation + 1)


@attrs.define
class Form:
    handshake: Handshaking = READY

    def open(self, values):
        return Dialect()


@attrs.define(eq=False)
class AgentEnd:
    """One connection as its agent has it."""

    socket: socket.socket
    link: object = None
    protocol: ServerProtocol = attrs.field(factory=lambda: ServerProtocol(state=State.OPEN))
    frames: list = attrs.field(factory=list)

    def say(self, type_, **fields):
        self.protocol.send_text(json.dumps({"type": type_, **fields}).encode())
        self.flush()

    def close(self, code=1000):
        self.protocol.send_close(code)
        self.flush()

    def drop(self):
        self.socket.close()
        self.link.readable(trio.current_time())

    def flush(self):
        for chunk in self.protocol.data_to_send():
            if chunk:
                with suppress(BrokenPipeError):  # the caller has gone
                    self.socket.sendall(chunk)
        if self.link is not None and self.link.fileno() != -1:
            self.link.readable(trio.current_time())

    def got(self, opcode=Opcode.TEXT):
        """The payloads of a kind that the caller sent so far."""
        try:
            while data := self.socket.recv(65536):
                self.protocol.receive_data(data)
        except OSError:  # nothing more, or closed
            pass
        self.frames += self.protocol.events_received()
        return [bytes(frame.data) for frame in self.frames if frame.opcode is opcode]

    @property
    def is_closed(self):
        """Whether the caller's socket is."""
        return self.link.fileno() == -1

    @property
    def was_told_goodbye(self):
        return [data[:2] for data in self.got(Opcode.CLOSE)] == [(1000).to_bytes(2, "big")]


@attrs.define(eq=False)
class Agents:
    """Dialler and reactor in one. The dial of each connection takes `dial_s`, and ends as the next of `behaviours`
    says: a SimulationFailed is raised, a function is started with the agent's end of the connection."""

    behaviours: list
    dial_s: float = 1.0
    nursery: object = None
    dialled: list = attrs.field(factory=list)
    ends: list = attrs.field(factory=list)

    async def dial(self, url, headers):
        self.dialled.append(trio.current_time())
        await trio.sleep(self.dial_s)
        behaviour = self.behaviours.pop(0)
        if isinstance(behaviour, SimulationFailed):
            raise behaviour
        ours, theirs = socket.socketpair()
        for one in (ours, theirs):
            one.setblocking(False)
        end = AgentEnd(theirs)
        self.ends.append(end)
        self.nursery.start_soon(behaviour, end)
        return Socket(ours), ClientProtocol(parse_uri(URL), state=State.OPEN)

    def watch(self, link):
        self.ends[-1].link = link
        link.readable(trio.current_time())  # what came with the upgrade

    def forget(self, link):
        pass

    def wants_to_write(self, link, wanted):
        pass


@attrs.define(eq=False)
class Conversation:
    """`script(conversation, line)` is what it does."""

    script: object
    agents: Agents
    line: object = None
    heard: list = attrs.field(factory=list)
    noted: list = attrs.field(factory=list)
    losses: list = attrs.field(factory=list)
    finished_at: list = attrs.field(factory=list)

    def shortcut(self, dialect, take):
        return take

    def hear(self, event, at):
        self.heard.append(len(event.pcm) // 2)

    def note(self, event, at):
        self.noted.append(event)

    def lost(self, loss):
        self.losses.append(loss)

    async def hold(self, line, ready_at):
        self.line = line
        await self.script(self, line)

    def finished(self, now):
        self.finished_at.append(now)


@attrs.define
class Held:
    """A call that is over."""

    simulation: Simulation
    conversation: Conversation
    agents: Agents
    results: Results
    failure: object

    @property
    def counters(self):
        return self.results.summary()["counters"]

    def durations(self, metric):
        found = self.results.summary()["metrics"].get(metric)
        return (found["count"], found["mean"]) if found else (0, None)


async def ready(end):
    """An agent that is ready two seconds after the upgrade."""
    await trio.sleep(2)
    end.say("ReadyReceived", session_id=None)


async def silent(end):
    pass


async def refuses(end):
    """An agent that fails instead."""
    await trio.sleep(2)
    end.say("AgentFailed", reason="no such session", cause="authentication")


SAID = (Said("user", "hi"), Said("assistant", "hello"))
REFUSED = SimulationFailed(ErrorKind.CONNECTION_REFUSED, "Connection refused")


async def renew(conversation, line):
    """A conversation that is renewed, and nothing else."""
    await line.renew(SAID)


def hold(script, *behaviours, most_session_s=None, handshake=READY, redialling=None, cut_at=None, dial_s=1.0):
    """Hold a conversation with an agent whose connections behave like this, one after the other."""
    agents = Agents(list(behaviours), dial_s)
    conversation = Conversation(script, agents)
    results = Results()
    services = Services(agents, None, Keepalive(), results, Timeouts(), 0.0, None)

    def make_call(simulation):
        return WebSocketCall(
            simulation=simulation,
            connector=Connector(Destination(URL), agents, None, lambda url: None, redialling or Redialling()),
            form=Form(handshake),
            make_conversation=lambda call: conversation,
            values={},
            most_session_s=most_session_s,
        )

    identity = Identity(
        simulation_output_id="id", agent="an agent", model_type="M", test_case="case", persona="default"
    )
    simulation = Simulation(identity=identity, services=services, make_call=make_call)

    async def main():
        failure = None
        async with trio.open_nursery() as agents.nursery:
            with trio.move_on_after(cut_at or 1e6):
                try:
                    await simulation.run(trio.current_time())
                except SimulationFailed as failed:
                    failure = simulation.failure_of(failed)
            simulation.finished(Outcome("completed" if failure is None else "failed", failure))
            agents.nursery.cancel_scope.cancel()
        for end in agents.ends:
            end.got()
            end.socket.close()
        assert not services.keepalive._links
        assert all(end.is_closed for end in agents.ends)
        return failure

    failure = trio.run(main, clock=MockClock(autojump_threshold=0))
    return Held(simulation, conversation, agents, results, failure)


def completed(*given, **options):
    """As `hold`, of a conversation that was completed."""
    held = hold(*given, **options)
    assert held.failure is None
    return held
