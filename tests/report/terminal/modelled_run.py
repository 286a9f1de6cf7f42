"""A run of conversations that only take time, with what the screen needs to know of it."""

import trio

from coval_load.engine.modelled import ModelledCast, Script, TurnByTurn, Uniform
from coval_load.engine.plan import Timeouts
from coval_load.engine.pulse import Pulses
from coval_load.engine.results import Results
from coval_load.engine.runner import Runner
from coval_load.engine.scenario import Scenario
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.thresholds import prepare
from coval_load.report.terminal.gathering import Subject

LASTS_S = 2.75


class Nobody:
    def began(self, agent):
        pass

    def ended(self, agent):
        pass


def subject(shape=None, *, thresholds=(), waiting=None, clean=None, name="a run", dashboard=lambda: None):
    """A run of which nothing has begun; each conversation takes 2.75 s."""
    results = Results(clean=clean) if clean else Results()
    prepare(thresholds, results)
    cast = ModelledCast(
        "default", results, lambda _: ("agent", Script(LASTS_S, 0)), TurnByTurn(Uniform(0, 0)), Nobody(), trio.sleep
    )
    runner = Runner([Scenario("default", shape or Constant(4, 20.0), cast)], Timeouts(), {}, results, lambda _: None)
    pulses = Pulses(runner, results, lambda: waiting)
    return Subject(name, runner, results, pulses, thresholds, None, 20.0, "coval-runs/x", dashboard)


async def go_on(subject, *watches):
    """The run to its end, with its pulse and who watches it."""
    async with trio.open_nursery() as background:
        for watch in watches:
            background.start_soon(watch)
        background.start_soon(subject.pulses.run)
        await subject.runner.run()
        background.cancel_scope.cancel()
