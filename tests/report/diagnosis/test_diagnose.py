"""Runs whose cause is known: what is said of them."""

import made_rows as made
import pytest

from coval_load.engine.outcome import ErrorKind

LATE = [made.interval(at * 10.0) for at in range(1, 13)]


def test_a_healthy_run_has_only_good_findings():
    found = made.looked_at(made.closed(made.healthy, 20, 120.0), LATE)
    assert {one.severity for one in found.findings} == {"good"}
    assert [one.title.split(":")[0] for one in found.findings] == [
        "no errors",
        "response latency level throughout",
        "the load generator kept pace",
    ]
    assert found.answer.startswith("Nothing went wrong: 4")


def test_nothing_at_all():
    found = made.looked_at([])
    assert found.answer == "Nothing went wrong, and nothing was tried: no conversation completed or failed"


def test_an_agent_that_closes_connections_from_a_minute_on_for_one_test_case():
    def each(number, began_s, chance):
        told = made.healthy(number, began_s, chance)
        if began_s >= 60.0 and told["test_case"] == "case-3" and told["agent"] == "agent-1":
            return told | made.failed("connection_closed", turn=2) | {"ended_at": began_s + 1.0}
        return told

    found = made.looked_at(made.closed(each, 40, 120.0), LATE)
    one = made.finding(found, "connection_closed")
    assert one.about == "agent"
    assert one.severity == "bad"
    assert one.title.endswith("conversations failed, from 1m01s on")
    assert one.from_s == pytest.approx(61.0, abs=0.5)
    assert one.until_s is None
    assert one.labels == {"test_case": "case-3", "agent": "agent-1"}
    text = made.said(one)
    assert "before that none of 500" in text
    assert "all on turn 2" in text
    assert "the load was level: about 40 ran at once" in text
    assert "the generator woke at most 3.0 ms late (p99) and used at most 31% of a core: it was the agent" in text
    assert one.simulations
    assert found.answer == f"It was the agent: {one.title}"


def test_a_burst_has_a_beginning_and_an_end():
    def each(number, began_s, chance):
        return made.failed("agent_error") if 40.0 <= began_s < 50.0 else made.healthy(number, began_s, chance)

    one = made.finding(made.looked_at(made.closed(each, 20, 120.0), LATE), "agent_error")
    assert one.from_s == pytest.approx(45.0, abs=1.5)  # told by when they ended
    assert one.until_s == pytest.approx(55.0, abs=1.5)
    assert "in a burst from 4" in made.said(one)
    assert "outside of it none of" in made.said(one)


def test_two_bursts():
    def each(number, began_s, chance):
        bad = 20.0 <= began_s < 30.0 or 80.0 <= began_s < 90.0
        return made.failed("agent_error") if bad else made.healthy(number, began_s, chance)

    one = made.finding(made.looked_at(made.closed(each, 20, 120.0), LATE), "agent_error")
    assert "in two bursts, from 2" in made.said(one)
    assert "outside of them none of" in made.said(one)


def test_what_is_only_at_the_start_stopped():
    def each(number, began_s, chance):
        bad = began_s < 10.0
        return made.failed("upgrade_refused", "connect", None) if bad else made.healthy(number, began_s, chance)

    one = made.finding(made.looked_at(made.closed(each, 20, 120.0), LATE), "upgrade_refused")
    assert one.title.endswith(", until 15s")
    assert one.from_s is None
    assert "only until 15s: all " in made.said(one)
    assert "that began first, of those that began later none of" in made.said(one)


def test_what_became_less_did_not_stop():
    def each(number, began_s, chance):
        bad = began_s < 10.0 or chance.random() < 0.2
        return made.failed("upgrade_refused", "connect", None) if bad else made.healthy(number, began_s, chance)

    one = made.finding(made.looked_at(made.closed(each, 20, 120.0), LATE), "upgrade_refused")
    assert "most until 1" in made.said(one)
    assert "all before the conversation, at connect" in made.said(one)


def test_a_share_that_fails_throughout_begins_nowhere():
    def each(number, began_s, chance):
        # They are over at once, while others take 5 s: what ended first does not tell when it began.
        bad = chance.random() < 0.1
        quick = made.failed("rate_limited", "connect", None) | {"ended_at": began_s + 0.01}
        return made.healthy(number, began_s, chance) | (quick if bad else {})

    one = made.finding(made.looked_at(made.closed(each, 300, 60.0), LATE), "rate_limited")
    assert one.from_s is None
    assert one.until_s is None
    assert made.said(one).startswith("throughout, from 0s to 1m00s")
    assert "no agent or test case or persona stands out" in made.said(one)
    assert not one.labels


def test_what_times_out_at_the_end_is_no_agent_that_died():
    def each(number, began_s, chance):
        told = made.failed("no_response") | {"ended_at": began_s + 30.0}
        return told if chance.random() < 0.1 else made.healthy(number, began_s, chance)

    found = made.looked_at(made.closed(each, 50, 60.0), LATE)
    assert made.finding(found, "no_response").from_s is None
    assert not [one for one in found.findings if "no conversation was completed" in one.title]


def test_no_response_began_when_the_wait_for_it_did():
    def each(number, began_s, chance):
        if began_s + 2.0 < 60.0:
            return made.healthy(number, began_s, chance)
        return made.failed("no_response") | {
            "ended_at": began_s + 32.0,
            "transcript": [{"role": "user", "content": "hi", "start": began_s + 1.5, "end": began_s + 2.0}],
        }

    found = made.looked_at(made.closed(each, 30, 120.0))
    assert made.finding(found, "no_response").from_s == pytest.approx(60.0, abs=1.0)
    died = made.finding(found, "no conversation was completed")
    assert died.from_s == pytest.approx(60.0, abs=5.0)


def test_an_agent_that_died_is_told_first():
    def each(number, began_s, chance):
        if began_s >= 60.0:
            return made.failed("connection_refused", "connect", None) | {"ended_at": began_s + 0.5}
        if began_s > 55.5:
            return made.failed("connection_closed") | {"ended_at": 60.0}
        return made.healthy(number, began_s, chance)

    found = made.looked_at(made.closed(each, 10, 90.0), LATE)
    first = found.findings[0]
    assert first.title == "from 1m01s on no conversation was completed any more"
    assert "failed: 580" in made.said(first)
    assert "connection_refused" in made.said(first)
    assert found.answer == f"It was the agent: {first.title}"


def test_it_goes_with_the_load():
    def each(number, began_s, chance):
        at_once = 10 + int(began_s)
        bad = at_once >= 110 and chance.random() < 0.3
        told = made.failed("rate_limited", "connect", None) | {"ended_at": began_s + 0.2}
        return made.healthy(number, began_s, chance) | (told if bad else {})

    rows = made.closed(each, lambda at_s: 10 + int(at_s), 150.0)
    one = made.finding(made.looked_at(rows), "rate_limited")
    assert "it goes with the load: of those that began when 1" in made.said(one)
    assert "none of" in made.said(one).split("it goes with the load")[1]


def test_as_many_ran_before_and_went_well():
    def each(number, began_s, chance):
        return made.failed("agent_error") if began_s >= 90.0 else made.healthy(number, began_s, chance)

    rows = made.closed(each, lambda at_s: 10 if at_s < 20 else 60, 120.0)
    text = made.said(made.finding(made.looked_at(rows), "agent_error"))
    assert "the load does not explain it" in text


@pytest.mark.parametrize("kind", ["authentication_failed", "tls_failed", "dns_failed"])
def test_all_that_fail_alike_are_the_configuration(kind):
    advice = "Authentication failed: expected 101; got 401: check authorization_header"
    rows = [
        made.row(number, number * 0.1, number * 0.1 + 0.05) | made.failed(kind, "connect", None, advice)
        for number in range(40)
    ]
    found = made.looked_at(rows, LATE)
    one = found.findings[0]
    assert one.about == "plan"
    assert one.title == f"{kind}: all 40 conversations failed, none completed"
    assert advice in made.said(one)
    assert found.answer == f"The plan: {one.title}"


def test_faults_of_our_own_are_the_generators():
    rows = [made.row(0), made.row(1) | made.failed("internal", message="expected a descriptor")]
    found = made.looked_at(rows, told=made.summary(internal_errors=1))
    one = made.finding(found, "internal")
    assert (one.about, one.severity) == ("generator", "bad")
    assert found.answer == f"It was the load generator: {one.title}"


def test_what_was_lost_with_a_worker_is_the_generators():
    lost = made.failed("worker_lost", message="its process was killed by SIGKILL")
    rows = [made.row(number) for number in range(30)] + [
        made.row(number, 20.0, 35.0) | lost for number in range(30, 47)
    ]
    found = made.looked_at(rows, LATE, made.summary())
    one = made.finding(found, "worker_lost: 17 of 47 conversations were lost with their worker")
    assert (one.about, one.severity, one.kind) == ("generator", "bad", "worker_lost")
    assert "which was not the agent" in made.said(one)
    assert [found.answer.split(":")[0], {one.about for one in found.findings if one.severity == "bad"}] == [
        "It was the load generator",
        {"generator"},
    ]
    end = made.finding(found, "no conversation was completed any more")
    assert "the generator's own: it was not the agent" in made.said(end)


def test_few_of_many_are_a_warning():
    rows = made.closed(made.healthy, 20, 120.0)
    rows[200] |= made.failed("agent_error")
    found = made.looked_at(rows, LATE)
    assert made.finding(found, "agent_error").severity == "warning"
    assert found.answer.startswith("Little went wrong: agent_error: 1 of 4")


def test_what_an_agent_says_can_not_act():
    told = made.failed(str(ErrorKind.AGENT_ERROR), message="\x1b[2J\u202eowned\ud800 <script>")
    rows = [made.row(number) | told | {"test_case": "\x1b[1m"} for number in range(9)] + [made.row(9)] * 200
    one = made.finding(made.looked_at(rows), "agent_error")
    text = made.said(one)
    assert "␛[2J⟨U+202E⟩owned⟨U+D800⟩ <script>" in text
    assert 'test case "␛[1m"' in text
    assert one.labels == {"test_case": "\x1b[1m"}


@pytest.mark.parametrize(
    ("kind", "words", "answer"),
    [
        ("no_response", "agent and generator can't be told apart there", "Both the agent and the generator: "),
        ("rate_limited", "which does not bring about errors of this kind", "It was the agent: "),
    ],
)
def test_errors_while_the_generator_fell_behind(kind, words, answer):
    def each(number, began_s, chance):
        return made.failed(kind) if began_s >= 60.0 else made.healthy(number, began_s, chance)

    timeline = [made.interval(at * 10.0, lag_s=0.4 if at > 6 else 0.002) for at in range(1, 13)]
    told = made.summary(loop_lag_p99_s=0.4, loop_lag_samples=1_000)
    found = made.looked_at(made.closed(each, 20, 120.0), timeline, told)
    one = made.finding(found, f"{kind}:")
    assert words in made.said(one)
    assert "woke at most 400 ms late (p99)" in made.said(one)
    assert found.answer.startswith(answer)


@pytest.mark.parametrize(
    ("response_s", "answer"), [(30.0, "It was the agent: "), (2.0, "Both the agent and the generator: ")]
)
def test_a_wait_is_held_against_how_late_the_generator_was(response_s, answer):
    def each(number, began_s, chance):
        return made.failed("no_response") if began_s >= 60.0 else made.healthy(number, began_s, chance)

    timeline = [made.interval(at * 10.0, lag_s=0.4 if at > 6 else 0.002) for at in range(1, 13)]
    told = made.summary(loop_lag_p99_s=0.4, loop_lag_samples=1_000)
    run = {"plan": {"timeouts": {"response": response_s}}}
    found = made.looked_at(made.closed(each, 20, 120.0), timeline, told, run)
    assert found.answer.startswith(answer)


def test_three_failures_of_one_of_two_agents_may_be_chance():
    rows = [made.row(number, number * 1.0, number + 5.0, agent=f"agent-{number % 2}") for number in range(40)]
    for number in (4, 14, 24):
        rows[number] |= made.failed("agent_error")
    one = made.finding(made.looked_at(rows), "agent_error")
    assert not one.labels
    assert "agent-0" not in made.said(one)
