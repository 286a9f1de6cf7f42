import itertools

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine import metrics
from coval_load.engine.labels import Labels
from coval_load.engine.modelled import (
    SHORTEST_S,
    AsRecorded,
    Lognormal,
    ModelledCast,
    Script,
    TurnByTurn,
    Uniform,
    read_delay,
)
from coval_load.engine.outcome import ErrorKind, Outcome, SimulationFailed, Stage
from coval_load.engine.results import Results
from coval_load.engine.virtual_time import run_in_virtual_time


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("600ms", Uniform(0.6, 0.6)),
        ("400ms..900ms", Uniform(0.4, 0.9)),
        ("1s .. 2s", Uniform(1.0, 2.0)),
        ("p50=600ms,p95=1.2s", Lognormal(0.6, 1.2)),
        ("p95=1.2s, p50=600ms", Lognormal(0.6, 1.2)),
        ("p50=1s,p95=1s", Uniform(1.0, 1.0)),
    ],
)
def test_delays_are_written_in_three_ways(text, delay):
    assert read_delay(text) == delay


@pytest.mark.parametrize(
    "text",
    ["", "600", "..", "1s..", "p50=1s", "p50=1s,p95=2s,p99=3s", "p50=1s,p50=2s", "p50=1s,p90=2s", "a=b", "p50,p95"],
)
def test_what_is_no_delay_is_refused(text):
    with pytest.raises(ValueError, match=r"expected a delay such as .* got "):
        read_delay(text)


@pytest.mark.parametrize("text", ["2s..1s", "p50=2s,p95=1s"])
def test_the_lower_delay_comes_first(text):
    with pytest.raises(ValueError, match="the lower delay first"):
        read_delay(text)


times = st.sampled_from(["0ms", "600ms", "1.2s", "8h", "1", ""])
texts = st.text(max_size=40) | times | st.builds("{}..{}".format, times, times)


@given(texts | st.builds("p50={},p95={}".format, times, times))
def test_any_text_is_read_or_refused(text):
    try:
        delay = read_delay(text)
    except ValueError as error:
        assert "expected" in str(error)
    else:
        assert delay.mean_s >= 0
        assert (delay.draw(np.random.default_rng(1), 10) >= 0).all()


@pytest.mark.parametrize("delay", [Uniform(0.4, 0.9), Lognormal(0.6, 1.2)])
def test_draws_are_distributed_as_they_say(delay):
    drawn = delay.draw(np.random.default_rng(1), 200_000)
    assert drawn.mean() == pytest.approx(delay.mean_s, rel=0.01)
    if isinstance(delay, Lognormal):
        assert np.percentile(drawn, [50, 95]) == pytest.approx([0.6, 1.2], rel=0.02)
    else:
        assert drawn.min() == pytest.approx(0.4, abs=0.001)
        assert drawn.max() == pytest.approx(0.9, abs=0.001)


@given(st.integers(0, 50), st.floats(0, 100), st.floats(0, 5))
def test_a_conversation_lasts_as_long_as_its_parts(replies, fixed_s, delay_s):
    lengths, script = TurnByTurn(Uniform(delay_s, delay_s)), Script(fixed_s, replies)
    expected = max(fixed_s + replies * delay_s, SHORTEST_S)
    assert lengths.length_s(script) == pytest.approx(expected)
    assert lengths.mean_s(script) == pytest.approx(expected)


def test_each_reply_has_a_delay_of_its_own():
    lengths = TurnByTurn(Uniform(0.0, 1.0), seed=3)
    drawn = [lengths.length_s(Script(0.0, 12)) for _ in range(20_000)]
    assert np.mean(drawn) == pytest.approx(6.0, abs=0.05)
    assert np.var(drawn) == pytest.approx(1.0, abs=0.05)  # of one delay twelve times it would be 12


def test_more_replies_than_are_drawn_at_once():
    lengths = TurnByTurn(Uniform(1.0, 1.0))
    assert [lengths.length_s(Script(0.5, 10_000)) for _ in range(3)] == [10_000.5] * 3


def test_the_same_seed_draws_the_same_lengths():
    def some(seed):
        lengths = TurnByTurn(Uniform(0.0, 1.0), seed)
        return [lengths.length_s(Script(1.0, replies)) for replies in (3, 1, 3, 2)]

    assert some(5) == some(5) != some(6)


def recorded(*lengths_s):
    results = Results()
    results.record_many(metrics.SIMULATION_TIME, lengths_s)
    return AsRecorded.of(results.summary(), seed=4)


def test_an_earlier_run_s_conversations_are_drawn_as_often_as_they_were():
    lengths = recorded(*[5.0] * 30, *[20.0] * 10)
    drawn = [lengths.length_s(Script(99.0, 9)) for _ in range(10_000)]
    assert lengths.samples == 40
    assert lengths.mean_s(Script(0.0, 0)) == pytest.approx(8.75, rel=0.001)
    assert {round(value) for value in drawn} == {5, 20}
    assert np.mean(np.array(drawn) > 10) == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("entry", [None, {"histogram": "no histogram"}, {"histogram": ""}, {}, {"histogram": 7}])
def test_a_run_without_lengths_is_refused(entry):
    with pytest.raises(ValueError, match="expected"):
        AsRecorded.of({"metrics": {} if entry is None else {"simulation_time": entry}})


class Watch:
    def __init__(self):
        self.seen = []

    def began(self, agent):
        self.seen.append(("began", agent, trio.current_time()))

    def ended(self, agent):
        self.seen.append(("ended", agent, trio.current_time()))


def cast(sleep=None, watch=None):
    agents = itertools.cycle("ab")
    dealt = {number: (next(agents), Script(2.0 + number, 0)) for number in range(4)}
    lengths = TurnByTurn(Uniform(0.0, 0.0))
    return ModelledCast("s", Results(), dealt.get, lengths, watch or Watch(), sleep)


def test_an_actor_lasts_as_long_as_its_script_and_is_seen():
    async def main(clock):
        actors = cast(clock.sleep, watch)
        actor = actors(1)
        assert actors.labels(1) == Labels("s", "b")
        assert actor.stage is Stage.QUEUE
        await actor.run(0.0)
        actor.finished(Outcome("completed"))

    watch = Watch()
    run_in_virtual_time(main)
    assert watch.seen == [("began", "b", 0.0), ("ended", "b", 3.0)]


def test_one_that_never_began_does_not_end():
    watch = Watch()
    cast(watch=watch)(0).finished(Outcome("cancelled"))
    assert watch.seen == []


def test_a_deadline_is_a_failure_and_a_fault_of_ours_is_raised():
    actor = cast()(0)
    failure = actor.failure_of(SimulationFailed(ErrorKind.SIMULATION_TIMEOUT, "too long"))
    assert (failure.kind, failure.message) == (ErrorKind.SIMULATION_TIMEOUT, "too long")
    with pytest.raises(ZeroDivisionError):
        actor.failure_of(ZeroDivisionError())


def test_actors_of_an_agent_share_an_account():
    actors = cast()
    assert actors(0).account is actors(2).account is not actors(1).account
