"""How many callers one agent gets at once, and who says so."""

import pytest
import trio
from in_process import chat_plan, on_the_line, run

CALLERS = {"concurrency": 10, "simulations": 20}


class Crowd:
    """An agent that counts its callers."""

    def __init__(self):
        self.at_once = self.most = 0

    async def take(self, call):
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await call.hear()
            await trio.sleep(1)
            await call.say("hello")
            await call.stay()
        finally:
            self.at_once -= 1


@pytest.mark.parametrize(
    ("limits", "most", "note"),
    [
        (
            {},
            8,
            ["in process: the limit of 8 simulations at once (what is usual for MODEL_TYPE_CHAT_WEBSOCKET) held others "
             "back: set limits.per_agent in the plan (or give --per-agent) to raise it"],
        ),
        ({"per_agent": 3}, 3, ["in process: the limit of 3 simulations at once (limits.per_agent of the plan) held "
                               "others back"]),
        ({"per_agent": 10}, 10, []),
    ],
)  # fmt: skip
async def test_chat_gets_eight_callers_at_once_unless_the_plan_says_otherwise(
    virtual_time, tmp_path, limits, most, note
):
    agent = Crowd()
    async with on_the_line(agent.take) as endpoint:
        ran = await run(chat_plan(endpoint, "hi", limits=limits, load=CALLERS), tmp_path / "run")
    assert ran.summary["counts"]["completed"] == 20
    assert agent.most == most
    assert ran.summary["notes"] == note
    longest = ran.summary["metrics"]["queue_time"]["max"]
    assert longest > 0.9 if note else longest < 0.5
