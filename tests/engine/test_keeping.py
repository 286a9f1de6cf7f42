"""Which simulations are kept: exactly those they say, never more than they say, whatever comes in which order."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from coval_load.engine.keeping import REASONS, Keeper, Kept, key_of, offer_row
from coval_load.engine.plan import Selection

KINDS = ["no_response", "agent_error", "rate_limited", "internal"]
ENDS = st.tuples(st.none() | st.floats(0, 60), st.none() | st.sampled_from(KINDS))
SELECTIONS = st.builds(Selection, slowest=st.integers(0, 5), failed=st.integers(0, 6), sample=st.integers(0, 5)).filter(
    lambda selection: selection.most > 0
)


def offered(keeper, ends):
    """What was said of each, in order."""
    return [keeper.offer(str(at), latency_s=latency_s, error_kind=kind) for at, (latency_s, kind) in enumerate(ends)]


def by_reason(keeper):
    found = {reason: {one for one, reasons in keeper.kept.items() if reason in reasons} for reason in REASONS}
    assert all(keeper.kept.values())
    return found


@given(SELECTIONS, st.lists(ENDS, max_size=60), st.integers(0, 3))
def test_bounds_hold_and_the_slowest_are_the_slowest(selection, ends, seed):
    keeper = Keeper(selection, seed)
    offered(keeper, ends)
    kept = by_reason(keeper)
    measured = [(latency_s, -at, str(at)) for at, (latency_s, _) in enumerate(ends) if latency_s is not None]
    assert kept["slowest"] == {one for *_, one in sorted(measured, reverse=True)[: selection.slowest]}
    failed = sum(kind is not None for _, kind in ends)
    assert len(kept["failed"]) == min(selection.failed, failed)
    assert len(kept["sample"]) == min(selection.sample, len(ends))


@given(SELECTIONS, st.lists(ENDS, max_size=60))
def test_what_is_told_of_each_adds_up_to_what_is_kept(selection, ends):
    keeper, kept = Keeper(selection, 0), {}
    for at, (latency_s, kind) in enumerate(ends):
        told = keeper.offer(str(at), latency_s=latency_s, error_kind=kind)
        for one, left in told.lessened.items():
            assert set(left) < set(kept[one])
            kept[one] = left
        assert set(told.displaced) == {one for one, left in kept.items() if not left}
        for one in told.displaced:
            del kept[one]
        if told.reasons:
            kept[str(at)] = told.reasons
        assert kept == keeper.kept
        assert len(kept) <= selection.most


@given(st.integers(1, 9), st.lists(st.sampled_from(KINDS), max_size=60))
def test_no_kind_is_crowded_out_and_the_first_of_each_stays(most, kinds):
    keeper = Keeper(Selection(failed=most), 0)
    offered(keeper, [(None, kind) for kind in kinds])
    seen, held, firsts = Counter(kinds), Counter(kinds[int(one)] for one in keeper.kept), {}
    for at, kind in enumerate(kinds):
        firsts.setdefault(kind, str(at))
    for kind in seen:
        assert held[kind] == seen[kind] or max(held.values()) <= held[kind] + 1
    assert set(list(firsts.values())[:most]) <= set(keeper.kept)


def test_a_flood_leaves_room_for_the_rare_ones_that_come_last():
    keeper = Keeper(Selection(failed=10), 0)
    kinds = ["no_response"] * 500 + ["agent_error"] * 2 + ["internal"] + ["no_response"] * 500
    offered(keeper, [(None, kind) for kind in kinds])
    assert Counter(kinds[int(one)] for one in keeper.kept) == {"no_response": 7, "agent_error": 2, "internal": 1}


def p_of(chosen, drawn_from):
    return chisquare([chosen[one] for one in drawn_from]).pvalue


def test_the_sample_is_uniform():
    chosen = Counter()
    for seed in range(3000):
        keeper = Keeper(Selection(sample=5), seed)
        offered(keeper, [(None, None)] * 40)
        chosen.update(map(int, keeper.kept))
    assert p_of(chosen, range(40)) > 0.001


def test_those_of_a_kind_are_uniform_but_for_the_first_also_where_it_had_to_give_room():
    chosen = Counter()
    kinds = ["no_response"] * 12 + ["internal"] * 4 + ["no_response"] * 12
    for seed in range(3000):
        keeper = Keeper(Selection(failed=6), seed)
        offered(keeper, [(None, kind) for kind in kinds])
        chosen.update(int(one) for one in keeper.kept if kinds[int(one)] == "no_response")
    assert chosen.pop(0) == 3000
    assert p_of(chosen, [*range(1, 12), *range(16, 28)]) > 0.001


def test_chance_is_the_seeds_and_not_the_orders():
    def sampled(seed, keys):
        keeper = Keeper(Selection(sample=4), seed)
        for key in keys:
            keeper.offer(f"id of {key}", latency_s=None, error_kind=None, key=str(key))
        return set(keeper.kept)

    assert sampled(1, range(50)) == sampled(1, reversed(range(50)))
    assert len({frozenset(sampled(seed, range(50))) for seed in range(5)}) > 1


@given(st.lists(ENDS, max_size=40), st.lists(ENDS, max_size=20), st.integers(0, 3))
def test_offering_again_what_is_kept_goes_on_as_if_nothing_had_happened(before, after, seed):
    selection = Selection(slowest=3, sample=3)
    without, again = Keeper(selection, seed), Keeper(selection, seed)
    offered(without, before)
    for one in sorted(without.kept, key=int):
        latency_s, kind = before[int(one)]
        again.offer(one, latency_s=latency_s, error_kind=kind)
    assert again.kept == without.kept
    for at, (latency_s, kind) in enumerate(after, start=len(before)):
        for keeper in (without, again):
            keeper.offer(str(at), latency_s=latency_s, error_kind=kind)
    assert again.kept == without.kept


def test_what_can_be_told_beforehand():
    keeper = Keeper(Selection(sample=5), 0)
    told = defaultdict(list)
    for at in range(400):
        expected = keeper.may_keep(str(at))
        told[expected].append(bool(keeper.offer(str(at), latency_s=1.0, error_kind=None).reasons))
    assert not any(told[False])
    assert all(told[True])
    assert len(told[True]) < 60
    assert Keeper(Selection(slowest=1), 0).may_keep("any")
    assert Keeper(Selection(failed=1), 0).may_keep("any")


def row(number, *latencies, outcome="completed", kind=None):
    turns = [{"role": "user"}, *({"role": "assistant", "metrics": {"response_latency": s}} for s in latencies)]
    return {
        "simulation_output_id": f"id {number}",
        "scenario": "s",
        "number": number,
        "outcome": outcome,
        "error": None if kind is None else {"kind": kind},
        "transcript": [*turns, {"role": "assistant", "metrics": {"turn_time": 99.0}}],
    }


def test_a_row_is_as_slow_as_its_slowest_turn():
    keeper = Keeper(Selection(slowest=1), 0)
    assert offer_row(keeper, row(0, 1.0, 5.0, 2.0)).reasons == ("slowest",)
    assert offer_row(keeper, row(1, 4.0, 4.5)) == Kept()
    assert offer_row(keeper, row(2)) == Kept()
    assert offer_row(keeper, row(3, 6.0, outcome="failed", kind="no_response")).displaced == ("id 0",)


def test_one_that_was_cut_off_competes_for_nothing():
    keeper = Keeper(Selection(slowest=1, failed=1, sample=1), 0)
    assert offer_row(keeper, row(0, 9.0, outcome="cancelled")) == Kept()
    assert keeper.kept == {}


@pytest.mark.parametrize("number", [0, 7])
def test_chance_knows_a_row_by_its_scenario_and_number(number):
    sample = Keeper(Selection(sample=1), 3)
    offer_row(sample, row(5))
    expected = sample.may_keep(key_of("s", number))
    assert bool(offer_row(sample, row(number)).reasons) is expected
