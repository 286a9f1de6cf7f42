"""What of an initialization's answer is kept to oneself."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from coval_load.actors.http_secrets import outline, secrets_in, secrets_sent, texts_in

ANSWER = orjson.dumps(
    {"access_token": "abc", "token_type": "Bearer", "session": {"id": "session-77", "n": 12345678}, "ok": True}
)


def test_what_a_key_calls_a_secret():
    assert secrets_in(ANSWER) == {"abc"}
    assert secrets_in(b"<html>") == frozenset()


def test_what_comes_to_stand_in_a_header():
    given_texts = texts_in(ANSWER)
    headers = (("Authorization", "Bearer abc"), ("X-Session", "v1 session-77"), ("x-n", "12345678"), ("X-Other", "no"))
    assert secrets_sent(headers, given_texts) == {"session-77", "v1 session-77", "12345678"}


def test_what_every_request_says_is_no_secret():
    given_texts = texts_in(b'["application/json"]')
    assert given_texts == {"application/json"}
    assert secrets_sent((("Content-Type", "application/json"), ("ACCEPT", "application/json")), given_texts) == set()


def test_an_outline_shows_where_things_stand():
    expected = '{"access_token":"***","token_type":"***","session":{"id":"***","n":12345678},"ok":true}'
    assert outline(ANSWER) == expected
    assert outline(b"secret") == "6 bytes that are no JSON"
    assert outline(b" ") == ""


@given(st.binary(max_size=200))
def test_any_bytes(answer):
    assert isinstance(outline(answer), str)
    assert secrets_sent((("X-A", answer.decode("latin-1")),), texts_in(answer) | secrets_in(answer)) is not None


TEXTS = st.text("abcdefghij", min_size=8)


@given(st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(st.text("kl"), inner), max_leaves=10))
def test_no_text_is_in_the_outline(value):
    answer = orjson.dumps(value)
    assert all(text not in outline(answer) for text in texts_in(answer))
