from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from coval_load.engine.arrivals import Deal, deal

SIZES = st.integers(1, 7)


def test_agents_in_turn_and_each_ones_share_in_the_order_of_the_test_cases():
    dealt = [deal(number, agents=2, test_cases=3, personas=2) for number in range(8)]
    assert [hand.agent for hand in dealt] == [0, 1, 0, 1, 0, 1, 0, 1]
    assert [hand.test_case for hand in dealt if hand.agent == 0] == [0, 1, 2, 0]
    assert [hand.test_case for hand in dealt if hand.agent == 1] == [0, 1, 2, 0]
    assert [hand.persona for hand in dealt if hand.agent == 1] == [0, 1, 0, 1]
    assert dealt[0] == Deal(agent=0, test_case=0, persona=0)


@given(agents=SIZES, test_cases=SIZES, personas=SIZES)
def test_each_round_deals_everything_as_often(agents, test_cases, personas):
    number = agents * test_cases * personas
    dealt = [deal(at, agents=agents, test_cases=test_cases, personas=personas) for at in range(number)]
    for name, size in (("agent", agents), ("test_case", test_cases), ("persona", personas)):
        counts = Counter(getattr(hand, name) for hand in dealt)
        assert counts == dict.fromkeys(range(size), number // size)
