import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.shapes.arrival_rate import ArrivalRate
from coval_load.engine.shapes.constant import Constant
from coval_load.engine.shapes.ramp import Ramp, Stage
from coval_load.engine.shapes.ramping_arrival_rate import RampingArrivalRate, RateStage
from coval_load.engine.shapes.scaled import scaled
from coval_load.engine.shapes.simulations import Simulations
from coval_load.engine.shapes.soak import Soak
from coval_load.report.terminal.stages import OVER, standing

RAMP = Ramp((Stage(60, 20), Stage(120, 50), Stage(0, 10), Stage(300, 10)))
RATES = RampingArrivalRate((RateStage(60, 40), RateStage(60, 40)), 20)
SOAK = Soak(50, 7200, ramp_up_s=300, ramp_down_s=60)


@pytest.mark.parametrize(
    ("shape", "since_s", "wanted", "words"),
    [
        (RAMP, -120, None, "not begun, starts in 2m00s"),
        (RAMP, 30, 10, "stage 1 of 4: 0 -> 20 over 1m00s, 10 asked for now"),
        (RAMP, 152, 43, "stage 2 of 4: 20 -> 50 over 2m00s, 43 asked for now"),
        (RAMP, 180, 10, "stage 4 of 4: hold 10 for 5m00s"),
        (RAMP, 480, None, OVER),
        (RATES, 15, None, "stage 1 of 2: 20 -> 40 a second over 1m00s, 25 now"),
        (RATES, 61, None, "stage 2 of 2: hold 40 a second for 1m00s"),
        (SOAK, 150, 26, "ramp up to 50 over 5m00s, 26 asked for now"),
        (SOAK, 3000, 50, "hold 50 for 1h54m"),
        (SOAK, 7170, 25, "ramp down over 1m00s, 25 asked for now"),
        (ArrivalRate(0.5, 300), 10, None, "0.5 a second for 5m00s"),
        (Constant(50, 600), 10, 50, "50 at once for 10m00s"),
        (Constant(50, 600), 10, 60, "60 at once (50 in the plan) for 10m00s"),
        (Simulations(8, 500), 10, 8, "500 simulations, 8 at once"),
        (scaled(Constant(50, 600), 10), 10, 5, "up to 5 at once"),
    ],
)
def test_in_words(shape, since_s, wanted, words):
    assert standing(shape, since_s, wanted, 0).words == words


def test_how_far_it_has_come_is_the_time_or_the_number_whichever_is_further():
    assert standing(Constant(5, 100), 25, 5, 0).share == 0.25
    assert standing(Constant(5, 100, simulations=10), 25, 5, 8).share == 0.8
    assert standing(Simulations(5, 10), 1e6, 5, 4).share == 0.4
    assert standing(Simulations(5, 10), 1, 5, 12).share == 1.0


SHAPES = st.sampled_from([RAMP, RATES, SOAK, ArrivalRate(3, 60), Constant(5, 10, 7), Simulations(2, 3)])


@given(SHAPES, st.floats(-1e6, 1e6), st.none() | st.integers(0, 1000), st.integers(0, 1000))
def test_whatever_comes_there_are_words_and_a_share(shape, since_s, wanted, ended):
    stands = standing(shape, since_s, wanted, ended)
    assert stands.words
    assert stands.share is not None
    assert 0 <= stands.share <= 1
