"""The agent's side of a conversation without a connection: what tests tell it, and what it would have sent."""

import attrs
import trio
from listening import RATE_HZ, loud

from coval_load.actors.agent_side import AgentSide
from coval_load.actors.persona import Persona, TestCase, ToolAnswer
from coval_load.actors.services import Services
from coval_load.actors.simulation import Identity, Simulation
from coval_load.actors.transcript import Entry
from coval_load.codecs.dialects.interface import VoiceDialect, VoiceFormat
from coval_load.codecs.events import ReplyEnded, ReplyStarted
from coval_load.engine.plan import Timeouts
from coval_load.engine.results import Results

DONE = ReplyEnded("completed")
CASE = TestCase(
    "order", (), tool_results=(ToolAnswer("look", {"id": 1}, {"found": True}), ToolAnswer("say", None, "ä"))
)


@attrs.define
class Form(VoiceFormat):
    receive_rate_hz: int = RATE_HZ
    is_paced: bool = True
    caller_clears_playback: bool = False
    advice_on_gaps: str = ""


class Dialect(VoiceDialect):
    """What it gives to be sent are tuples that say what it is."""

    def cut_off(self, unheard_s):
        return [("cut off", round(unheard_s, 6))]

    def give_results(self, results):
        return [("results", *(result.content for result in results))]


@attrs.define
class Line:
    dialect: Dialect = attrs.field(factory=Dialect)
    sent: list = attrs.field(factory=list)

    def send(self, messages):
        self.sent += messages


@attrs.define
class Recording:
    """Keeps from when on audio is heard, and when it was cleared."""

    heard: list = attrs.field(factory=list)
    cleared: list = attrs.field(factory=list)

    def agent(self, pcm, at, rate_hz):
        self.heard.append(at)

    def flush(self, at):
        pass

    def clear(self, at):
        self.cleared.append(at)


def simulation_of(results=None):
    identity = Identity(
        simulation_output_id="id", agent="an agent", model_type="M", test_case="case", persona="default"
    )
    services = Services(None, None, None, results or Results(), Timeouts(), 0.0, None)
    return Simulation(identity=identity, services=services, make_call=None)


@attrs.define
class Scene:
    """One agent's side, and what the tests do to it."""

    results: Results
    line: Line
    recording: Recording
    side: AgentSide

    @classmethod
    def of(cls, **form):
        """With an agent of such a form."""
        results, line, recording = Results(), Line(), Recording()
        side = AgentSide(simulation_of(results), Form(**form), Persona(), CASE, recording)
        side.line = line
        return cls(results, line, recording, side)

    def say(self, *events):
        for event in events:
            self.side.note(event, trio.current_time())

    def speak(self, seconds, *, ended=DONE):
        """A reply whose audio comes all at once."""
        self.say(ReplyStarted())
        self.side.hear(loud(seconds), trio.current_time())
        if ended is not None:
            self.say(ended)

    def caller(self, seconds, *, barge_in=False):
        now = trio.current_time()
        entry = Entry("user", "hello", now)
        self.side.caller_comes_in(now, now + seconds, barge_in=barge_in, entry=entry)
        return entry

    def count(self, name):
        return self.results.summary()["counters"][name]
