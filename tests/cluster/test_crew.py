"""What the load is after workers were lost or came, and how a run ends with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelled_parts import Model
from runs_over import FEW, Fault, ensemble_of, run_over
from test_crew_faults import check, check_limit, faults_of

from coval_load.cluster.crew import Crew, Stand
from coval_load.cluster.post import Broken
from coval_load.engine.results import Results
from coval_load.plans.ending import EXIT_NONE_COMPLETED, EXIT_WORKERS_LOST

FOUR_S = Model(length_s=(4.0, 4.0))


def closed(concurrency=12, policy="leave", **more):
    load = {"concurrency": concurrency, "duration": "40s"} | more
    return ensemble_of(load, workers={"when_lost": policy})


def open_at(ran, seconds):
    """Conversations that are open after so many seconds of the run, by the true clock."""
    at = ran.crew.origin + ran.crew.lead_s + seconds
    lost_at = {name: member.lost_at for name, member in ran.crew.members.items()}
    begun = [one for each in ran.truth.begun.values() for one in each]
    return sum(
        one.at <= at < one.at + 4.0 and not (one.worker in ran.workers and lost_at[one.worker] <= at) for one in begun
    )


@pytest.mark.parametrize(
    ("workers", "lost", "concurrency", "left"), [(4, 1, 12, 9), (4, 2, 12, 6), (3, 1, 7, 5), (2, 1, 1, 1), (5, 4, 3, 1)]
)
def test_closed_loads_keep_the_places_of_those_that_are_there(workers, lost, concurrency, left):
    faults = [Fault(15.0, "crash", number) for number in range(lost)]
    ran = run_over(closed(concurrency), faults=faults, model=FOUR_S, workers=workers)
    check(ran)
    assert (open_at(ran, 10.0), open_at(ran, 30.3)) == (concurrency, left)
    assert ran.finished.exit_code == EXIT_WORKERS_LOST


@pytest.mark.parametrize("act", ["crash", "cut_off"])
def test_others_take_over_all_places(act):
    ran = run_over(closed(policy="take_over"), faults=[Fault(15.0, act, 1)], model=FOUR_S, workers=4)
    check(ran)
    assert open_at(ran, 39.0) == 12


def test_who_joins_brings_back_one_share():
    faults = [*(Fault(12.0, "crash", number) for number in (0, 1)), Fault(20.0, "join")]
    ran = run_over(closed(), faults=faults, model=FOUR_S, workers=4)
    check(ran)
    assert (open_at(ran, 18.0), open_at(ran, 35.0)) == (6, 9)


def test_who_joins_before_the_places_of_one_that_was_cut_off_are_free_brings_them_back():
    faults = [Fault(10.0, "cut_off", 0), Fault(12.0, "join")]
    ran = run_over(closed(), faults=faults, model=FOUR_S, workers=4, missed_after_s=0.3)
    check(ran)
    assert open_at(ran, 39.0) == 12


@pytest.mark.parametrize(("lost", "offered"), [(1, 3 / 4), (2, 2 / 4), (3, 1 / 4)])
def test_of_an_open_load_exactly_the_share_of_those_that_are_there_is_offered(lost, offered):
    ensemble = ensemble_of({"rate": "4/s", "duration": "40s", "concurrency": 1000})
    faults = [Fault(15.0, "crash", number) for number in range(lost)]
    ran = run_over(ensemble, faults=faults, model=FOUR_S, workers=4)
    check(ran)
    lost_at = max(member.lost_at for member in ran.crew.members.values() if member.lost) - ran.crew.origin
    due = {number for number in range(160) if number / 4 > lost_at}
    began = due & set(ran.due("s0"))
    assert abs(len(began) - len(due) * offered) < 1
    assert ran.counts["dropped"] == len(due) - len(began)


def test_the_last_place_of_so_many_simulations_is_kept_by_who_is_left():
    """Else nobody would ever begin the rest, and the run had no end."""
    ensemble = ensemble_of({"concurrency": 1, "simulations": 5})
    ran = run_over(ensemble, faults=[Fault(3.0, "crash", 0)], model=FOUR_S, workers=2)
    check(ran)
    assert (ran.counts["completed"], ran.counts["failed"]) == (4, 1)


def test_what_follows_begins_when_it_is_told():
    ran = run_over(ensemble_of({"concurrency": 1, "simulations": 5}), model=FOUR_S, workers=2)
    first, last = (ran.truth.begun["s0", number][0].at for number in (0, 4))
    assert last - first == pytest.approx(4 * 4.0, abs=0.05)
    assert all(0 <= row["metrics"]["queue_time"] < 0.02 for row in ran.rows)


@FEW
@given(st.floats(3.0, 12.0), st.integers(0, 30))
def test_who_joins_while_the_run_ends_does_not_keep_it_from_ending(at, seed):
    ensemble = ensemble_of({"concurrency": 1, "simulations": 1})
    faults = [Fault(2.5, "hang", 1), Fault(2.5, "hang", 2), Fault(at, "join")]
    ran = run_over(ensemble, faults=faults, model=FOUR_S, workers=3, seed=seed)
    check(ran)
    assert ran.took_s < 30
    assert ran.finished.exit_code == EXIT_WORKERS_LOST


def test_a_scheduler_that_died_before_the_start_ends_the_run():
    told = []
    results = Results()
    crew = Crew(None, b"", "run")
    crew.take(Broken("it is gone"))
    stand = Stand(
        results=results,
        sounds=None,
        may_record=False,
        take_fault=told.append,
        joined=lambda: told.append("joined"),
        alone=lambda: told.append("alone"),
    )
    crew.begin(0.0, stand)
    assert told == ["alone"]
    assert any("it is gone" in note for note in results.notes)


@FEW
@given(st.floats(4.8, 5.6))
def test_who_is_lost_before_its_last_report_is_told_of(at):
    """Some of what it measured is missing."""
    ensemble = ensemble_of({"concurrency": 2, "simulations": 2})
    ran = run_over(ensemble, faults=[Fault(at, "hang", 0)], model=FOUR_S, workers=2)
    check(ran)
    missing = len(ran.truth.recorded["simulation_time"]) - len(ran.truth.reported["simulation_time"])
    assert not missing or ran.finished.exit_code == EXIT_WORKERS_LOST


def test_simulations_that_are_ended_and_lost_are_lost():
    ensemble = ensemble_of({"concurrency": 2, "duration": "5s"}, timeouts={"grace": "1s"})
    ran = run_over(ensemble, faults=[Fault(4.0, "hang", 0)], model=Model(length_s=(60.0, 60.0)), workers=2)
    check(ran)
    assert {row["outcome"] for row in ran.rows} == {"failed", "cancelled"}
    assert len(ran.lost()) == 1
    assert ran.finished.exit_code == EXIT_WORKERS_LOST


@FEW
@given(st.floats(0.0, 6.0))
def test_the_scheduler_s_death_ends_the_run_at_once(at):
    ran = run_over(closed(), faults=[Fault(at, "break_scheduler")], model=FOUR_S, workers=3)
    check(ran)
    if ran.refused is None:
        assert ran.took_s < at + 1.0
        assert ran.finished.exit_code in (EXIT_WORKERS_LOST, EXIT_NONE_COMPLETED)
        assert any("scheduler" in note for note in ran.summary["notes"])


@FEW
@given(faults_of(("crash", "hang", "thaw", "join")), st.sampled_from(("leave", "take_over")))
def test_who_hangs_and_can_be_killed_keeps_to_the_limit(faults, policy):
    load = {"concurrency": 9, "duration": "25s"}
    ensemble = ensemble_of(load, per_agent=5, workers={"when_lost": policy})
    ran = run_over(ensemble, faults=faults, model=Model(length_s=(2.0, 9.0)), workers=3)
    check(ran)
    if ran.refused is None:
        check_limit(ran, ensemble)


def test_who_hangs_and_is_cut_off_as_well_is_beyond_anybody_s_reach():
    """Nobody can end it, nor does it end itself: others get its places when a process that lives would have ended."""
    ensemble = ensemble_of({"concurrency": 4, "duration": "60s"}, per_agent=4, workers={"when_lost": "take_over"})
    faults = [Fault(5.0, "hang", 0), Fault(5.0, "cut_off", 0)]
    ran = run_over(ensemble, faults=faults, model=Model(length_s=(3.0, 3.0)), workers=2)
    check(ran)
    assert ran.truth.most_of_agent("alpha") == 6
