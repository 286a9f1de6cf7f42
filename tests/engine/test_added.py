"""What several processes measured, each looked at now and then, makes up what one would have measured."""

import copy
import functools

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coval_load.cluster.messages import Report, decode_from_worker, encode_from_worker
from coval_load.engine import metrics
from coval_load.engine.added import Adding, Additions, merge_added
from coval_load.engine.check_tally import MOST, OTHERS
from coval_load.engine.labels import Labels, Selector
from coval_load.engine.outcome import ErrorKind, Failure, Outcome, Stage
from coval_load.engine.results import Results

LABELS = Labels("morning", "support")
WHO = [Labels(scenario, agent) for scenario in ("morning", "night of sesame") for agent in ("support", "Bearer sesame")]
SELECTED = {
    Selector(): [metrics.TTFT, metrics.TURNS],
    Selector.of({"agent": "support"}): [metrics.RESPONSE_LATENCY, metrics.CHECKS_FAILED],
    Selector.of({"agent": "Bearer sesame"}): [metrics.TTFT, metrics.BYTES_SENT],
}
FAILED = Outcome("failed", Failure(ErrorKind.NO_RESPONSE, Stage.CONVERSATION, "No response received"))


def masked(value):
    return value.replace("sesame", "***") if isinstance(value, str) else value


def new_results(selected=SELECTED):
    results = Results(masked)
    for selector, names in selected.items():
        results.select(selector, names)
    return results


def sent(body):
    """As the coordinator gets it."""
    (report,) = decode_from_worker(encode_from_worker([Report(body)]))
    return report.body


def measured(results):
    """What `results` hold of what additions tell."""
    summary = results.summary()
    parts = {name: summary[name] for name in ("counters", "metrics", "agents", "scenarios", "selections")}
    checks = {(row["test_case"], row["check"]): (row["passed"], row["failed"]) for row in summary["checks"]}
    return parts | {"checks": checks, "notes": sorted(summary["notes"])}


seconds = st.one_of(
    st.floats(-0.01, 0.05), st.floats(0, 5000), st.sampled_from([0.0, 3600.0, 1e9, float("inf"), float("nan")])
)
who = st.sampled_from(WHO)
some = st.sampled_from([metrics.RESPONSE_LATENCY, metrics.TTFT, metrics.QUEUE_TIME])
counters = st.sampled_from([metrics.TURNS, metrics.BYTES_SENT, metrics.CHECKS_FAILED, metrics.SAMPLES_CLAMPED])
text = st.text(max_size=3)
STEPS = st.one_of(
    st.builds(
        lambda who, name, values: lambda r: r.account(who).record_many(name, values), who, some, st.lists(seconds)
    ),
    st.builds(lambda values: lambda r: r.frame_lateness(values), st.lists(seconds, max_size=9)),
    st.builds(lambda who, name, much: lambda r: r.account(who).count(name, much), who, counters, st.integers(0, 2**40)),
    st.builds(
        lambda case, name, why: lambda r: r.checks.add(case, name, why is None, why), text, text, st.none() | text
    ),
    st.builds(lambda note: lambda r: r.note(note), text),
)
"""Something that happens to one worker."""

HAPPENS = st.lists(
    st.tuples(st.integers(0, 2), st.one_of(STEPS, st.sampled_from(["look", "step", "deliver"]))), max_size=40
)


class Worker:
    """Looks may stop at a pause and another one begin meanwhile; bodies are delivered in any order."""

    def __init__(self):
        self.results = new_results()
        self.additions = Additions(self.results)
        self.looks = []
        self.bodies = []

    def begin(self):
        self.looks.append(self.additions.steps())

    def step(self):
        for look in self.looks[:1]:
            self._step(look)

    def _step(self, look):
        try:
            next(look)
        except StopIteration as over:
            self.bodies.append(sent(over.value))
            self.looks.remove(look)

    def end(self):
        self.bodies.append(sent(self.additions.take()))
        while self.looks:
            self._step(self.looks[-1])


@settings(deadline=None)
@given(HAPPENS, st.randoms(use_true_random=False))
def test_looks_at_several_processes_make_up_what_one_would_have_measured(happens, random):
    workers, together, merged = [Worker() for _ in range(3)], new_results(), new_results()
    adding = Adding(merged)
    for labels in WHO:  # a coordinator counts a simulation before any worker begins it
        for results in (merged, together):
            results.account(labels).count(metrics.STARTED)
            results.finished(FAILED, results.account(labels))
    for at, step in happens:
        worker = workers[at]
        if step == "look":
            worker.begin()
        elif step == "step":
            worker.step()
        elif step == "deliver":
            if worker.bodies:
                adding.add(worker.bodies.pop(random.randrange(len(worker.bodies))))
        else:
            step(worker.results)
            step(together)
    for worker in workers:
        worker.end()
    left = [body for worker in workers for body in worker.bodies]
    random.shuffle(left)
    for body in left:
        merge_added(merged, body)
    assert measured(merged) == measured(together)
    assert merged.summary()["errors"] == {"no_response": len(WHO)}
    assert merged.summary()["counts"] == together.summary()["counts"]
    assert all((row["example"] is None) == (row["failed"] == 0) for row in merged.checks.summary())


def test_nothing_is_told_of_where_nothing_was_added():
    results = new_results()
    additions = Additions(results)
    assert additions.take() == {}
    account = results.account(LABELS)
    account.count(metrics.STARTED)
    results.finished(FAILED, account)
    assert additions.take() == {}  # counted by the coordinator
    account.record(metrics.QUEUE_TIME, 0.5)
    account.count(metrics.TURNS, 3)
    body = additions.take()
    assert [(kind, name, counted, list(found)) for kind, name, counted, found in body["tallies"]] == [
        ("whole", "", {"turns": 3}, ["queue_time"]),
        ("selection", "", {"turns": 3}, []),
    ]
    assert set(body) == {"tallies"}
    assert additions.take() == {}


def test_the_first_look_finds_what_was_there_before():
    results = new_results()
    results.account(LABELS).record(metrics.TTFT, 0.25)
    again = new_results()
    merge_added(again, Additions(results).take())
    assert (again.samples(metrics.TTFT), again.percentile(metrics.TTFT, 50)) == (1, 0.25)


def test_the_loop_gets_a_turn_after_each_metric_and_what_comes_meanwhile_is_not_lost():
    results, again = new_results(), new_results()
    additions = Additions(results)
    account = results.account(WHO[0])
    for name in (metrics.TTFT, metrics.RESPONSE_LATENCY):
        account.record(name, 1.0)
    steps, bodies, pauses = additions.steps(), [], 0
    try:
        while True:
            assert next(steps) is None
            pauses += 1
            account.record(metrics.TTFT, 2.0)
            results.record(metrics.PING_TIME, 2.0)  # never measured before
    except StopIteration as over:
        bodies.append(over.value)
    bodies.append(additions.take())
    assert pauses == 6  # of the whole, the agent, the scenario and two selections
    for body in bodies:
        merge_added(again, body)
    assert again.samples(metrics.TTFT) == 1 + pauses
    assert measured(again) == measured(results)


def test_names_with_secrets_are_masked_and_find_what_the_coordinator_counts_under_the_raw_name():
    worker, coordinator = new_results(), new_results()
    raw = Labels("night of sesame", "Bearer sesame")
    worker.account(raw).record(metrics.RESPONSE_LATENCY, 1.0)
    worker.checks.add("sesame", "says sesame", False, "heard sesame")
    worker.note("sesame is slow")
    body = Additions(worker).take()
    assert b"sesame" not in msgpack.packb(body)
    coordinator.account(raw).count(metrics.STARTED)
    merge_added(coordinator, body)
    for kind, name in (("agents", "Bearer ***"), ("scenarios", "night of ***")):
        (found,) = coordinator.summary()[kind].items()
        assert found[0] == name
        assert (found[1]["counts"]["started"], found[1]["response_latency"]["count"]) == (1, 1)


def test_what_is_counted_under_a_raw_name_after_a_report_is_added_to_the_same():
    worker, coordinator = new_results(), new_results()
    raw = Labels("night of sesame", "Bearer sesame")
    worker.account(raw).record(metrics.RESPONSE_LATENCY, 1.0)
    merge_added(coordinator, Additions(worker).take())
    coordinator.account(raw).count(metrics.STARTED)
    (agent,) = coordinator.summary()["agents"].values()
    assert (agent["counts"]["started"], agent["response_latency"]["count"]) == (1, 1)


def test_a_selection_that_is_not_asked_for_is_left_out():
    worker, coordinator = new_results(), new_results({})
    worker.account(LABELS).record(metrics.RESPONSE_LATENCY, 1.0)
    merge_added(coordinator, Additions(worker).take())
    assert coordinator.selections == {}
    assert coordinator.samples(metrics.RESPONSE_LATENCY) == 1


def test_checks_of_many_test_cases_stay_few_and_none_is_lost():
    coordinator = new_results()
    for worker in range(3):
        results = new_results()
        for at in range(MOST + 50):
            results.checks.add(f"case {worker} {at}", f"check {at % 2}", at % 5 == 0, "too long")
        merge_added(coordinator, sent(Additions(results).take()))
    rows = coordinator.checks.summary()
    assert len(rows) <= 2 * MOST + 1
    assert sum(row["failed"] for row in rows) == 3 * (MOST + 50) * 4 // 5
    assert sum(row["passed"] for row in rows) == 3 * (MOST + 50) // 5
    assert {row["check"] for row in rows} == {"check 0", "check 1"}
    assert {(OTHERS, f"check {at}") for at in (0, 1)} <= {(row["test_case"], row["check"]) for row in rows}


def test_notes_are_told_once():
    results = new_results()
    additions = Additions(results)
    results.note("slow")
    results.note("very slow")
    assert additions.take() == {"notes": ["slow", "very slow"]}
    results.note("slow")
    results.note("slowest")
    assert additions.take() == {"notes": ["slowest"]}


def test_an_example_is_told_once():
    results = new_results()
    additions = Additions(results)
    told = []
    for _ in range(3):
        results.checks.add("a", "short", False, "too long")
        (row,) = additions.take()["checks"]
        told.append((row["failed"], row["example"]))
    assert told == [(1, "too long"), (1, None), (1, None)]


def test_half_characters_come_through():
    results, again = new_results(), new_results()
    results.checks.add("\ud83c", "short", False, "got \udf55")
    results.note("\ud83c")
    merge_added(again, sent(Additions(results).take()))
    assert (again.checks.summary(), again.notes) == (results.checks.summary(), results.notes)


def test_many_values_in_one_bucket_are_told_exactly():
    results, again = new_results(), new_results()
    additions = Additions(results)
    for much in (1, 255, 256, 65_535, 65_536):
        results.record_many(metrics.LOOP_LAG, [0.001] * much)
        merge_added(again, sent(additions.take()))
    assert measured(again) == measured(results)


@functools.cache
def some_body():
    results = new_results()
    results.account(LABELS).record_many(metrics.RESPONSE_LATENCY, [0.1, 0.2, 0.3])
    results.account(LABELS).count(metrics.TURNS, 2)
    results.checks.add("a", "short", False, "too long")
    results.note("slow")
    return Additions(results).take()


def damaged(change):
    body = copy.deepcopy(some_body())
    packed = body["tallies"][0][3][metrics.RESPONSE_LATENCY]
    change(body, packed)
    return body


def put(at, value):
    return lambda body, packed: packed.__setitem__(at, value(packed[at]))


BUCKETS = 0x5AB5.to_bytes(2, "little")
DAMAGES = {
    "half a bucket": put(0, lambda data: data[:-1]),
    "a bucket too few": put(0, lambda data: data[:-2]),
    "a bucket beyond all": put(0, lambda data: data[:-2] + BUCKETS),
    "a bucket twice": put(0, lambda data: data[:2] + data[:2] + data[4:]),
    "buckets in another order": put(0, lambda data: data[:2] + data[4:] + data[2:4]),
    "a count too few": put(1, lambda data: data[:-1]),
    "counts of no width": put(1, lambda data: data * 3),
    "no values in a bucket": put(1, lambda data: b"\0" + data[1:]),
    "values but no buckets": put(0, lambda data: b""),
    "a sum that is none": put(2, lambda _: float("nan")),
    "a sum below 0": put(2, lambda _: -1.0),
    "a lowest value elsewhere": put(3, lambda _: 5),
    "a highest value elsewhere": put(4, lambda _: 3_700_000_000),
    "values above an hour": lambda body, packed: packed.__setitem__(
        slice(5), [(23_484).to_bytes(2, "little"), b"\x01", 4.1e9, 1980 << 21, 1980 << 21]
    ),
    "a lowest value above the highest": lambda body, packed: packed.__setitem__(
        slice(5), [(3_024).to_bytes(2, "little"), b"\x01", 4000.0, 4001, 4000]
    ),
    "clamped below 0": put(5, lambda _: -1),
    "something more": lambda body, packed: packed.append(0),
    "another metric": lambda body, packed: body["tallies"][0][3].update(nothing=packed),
    "another counter": lambda body, packed: body["tallies"][0][2].update(started=1),
    "a counter below 0": lambda body, packed: body["tallies"][0][2].update(turns=-1),
    "another kind": lambda body, packed: body["tallies"][0].__setitem__(0, "persona"),
    "a name that is none": lambda body, packed: body["tallies"][1].__setitem__(1, 7),
    "a check without a name": lambda body, packed: body["checks"][0].pop("check"),
    "a check that failed half": lambda body, packed: body["checks"][0].update(failed=0.5),
    "an example that is none": lambda body, packed: body["checks"][0].update(example=b"so"),
    "a note that is none": lambda body, packed: body["notes"].append(7),
    "notes that are none": lambda body, packed: body.update(notes=7),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_does_not_fit_is_refused_and_nothing_of_it_is_added(damage):
    results = new_results()
    before = measured(results)
    with pytest.raises(ValueError, match="expected what another process of the same release measured; got"):
        merge_added(results, damaged(DAMAGES[damage]))
    assert measured(results) == before
    merge_added(results, some_body())
    assert results.samples(metrics.RESPONSE_LATENCY) == 3


leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.text(max_size=5), st.binary(max_size=9)
)
anything = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6),
        st.dictionaries(st.sampled_from(["tallies", "checks", "notes", "turns", "ttft", "check"]), inner, max_size=4),
    ),
    max_leaves=12,
)
bodies = st.one_of(
    anything,
    st.fixed_dictionaries({}, optional=dict.fromkeys(("tallies", "checks", "notes"), anything)),
    st.tuples(leaves, leaves, leaves, leaves, leaves, leaves).map(
        lambda packed: {"tallies": [["whole", "", {}, {metrics.TTFT: list(packed)}]]}
    ),
)


@given(bodies)
def test_whatever_comes_is_added_or_refused(body):
    results = Results()
    try:
        merge_added(results, body)
    except ValueError:
        return
    results.summary()
