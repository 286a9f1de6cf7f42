"""What was learnt on the way is hidden in all that is shown, as if it had been known from the beginning."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.actors import learnt_secrets
from coval_load.actors.learnt_secrets import LearntSecrets
from coval_load.agents.secrets import Redactor

SECRETS = st.frozensets(st.text("abc.-/\"\\' ü", min_size=1, max_size=12), max_size=3)


@given(SECRETS, st.data())
def test_it_hides_what_a_redactor_does(secrets, data):
    texts = st.text("abc.-/\"\\' üxy", max_size=20) | st.sampled_from(["", *secrets])
    long = st.builds(lambda texts: "".join(texts) * 5, st.lists(texts, max_size=6))
    value = data.draw(long | st.lists(long) | st.dictionaries(long, st.lists(long)))
    learnt = LearntSecrets()
    learnt.learn(secrets)
    assert learnt.hide(value) == Redactor(secrets).clean(value)


def test_it_learns_more_and_more():
    learnt = LearntSecrets()
    rows = [{"role": "assistant", "content": "first-1 and second-2"}]
    assert learnt.hide(rows) is rows
    learnt.learn(frozenset({"first-1"}))
    assert learnt.hide(rows)[0]["content"] == "*** and second-2"
    learnt.learn(frozenset({"second-2"}))
    assert learnt.hide(rows)[0]["content"] == "*** and ***"
    assert "first-1" not in repr(learnt)


def test_a_token_that_nobody_says_costs_no_redactor(monkeypatch):
    def made(_):
        pytest.fail("made")

    monkeypatch.setattr(learnt_secrets, "Redactor", made)
    learnt = LearntSecrets()
    learnt.learn(frozenset({"eyJhbGciOiJIUzI1NiJ9." + "x" * 1000}))
    rows = [{"role": "assistant", "content": "hello", "start": 0.5}]
    assert learnt.hide(rows) is rows
    assert learnt.hide("hello") == "hello"
