"""`authorization_header` has three forms, `authentication_token` one, and nothing else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.agents.authorization import authorization_headers, credentials_of, token_headers

PAIR = base64.b64encode(b"me:pass word").decode()


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        ("Bearer abc.DEF-1", {"Authorization": "Bearer abc.DEF-1"}),
        ("bearer  abc", {"Authorization": "Bearer abc"}),
        (f"Basic {PAIR}", {"Authorization": f"Basic {PAIR}"}),
        ("BASIC " + PAIR, {"Authorization": f"Basic {PAIR}"}),
        ("X-API-Key k-1", {"X-API-Key": "k-1"}),
        ("x-api-key k-1", {"X-API-Key": "k-1"}),
    ],
)
def test_the_forms_of_the_documents(value, headers):
    assert authorization_headers(value) == headers


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "sesame-token", "Token sesame", "Bearer sesame two", "Bearer sesame\r\nX: y",
     "Basic sesame!", "Basic c2VzYW1", "X-API-Key: sesame", "Bearer sesäme", " Bearer sesame"],
)  # fmt: skip
def test_anything_else_is_refused_without_showing_it(value):
    with pytest.raises(ValueError, match=r"got \*\*\*") as caught:
        authorization_headers(value)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("token", ["abc.DEF-1", "Bearer abc.DEF-1", "bearer  abc.DEF-1"])
def test_a_token_is_sent_as_bearer(token):
    assert token_headers(token) == {"Authorization": "Bearer abc.DEF-1"}


@pytest.mark.parametrize("token", ["", " sesame", "Basic sesame", "X-API-Key sesame", "Bearer sesame two", "sesäme",
                                   "sesame\n", "Bearer Bearer sesame"])  # fmt: skip
def test_what_is_no_token_is_refused_without_showing_it(token):
    with pytest.raises(ValueError, match=r"got \*\*\*") as caught:
        token_headers(token)
    assert "sesame" not in str(caught.value)


@given(st.text(), st.sampled_from([authorization_headers, token_headers]))
def test_any_text_is_a_header_or_refused(value, headers_of):
    try:
        headers = headers_of(value)
    except ValueError:
        return
    (text,) = headers.values()
    assert text.isprintable()
    assert text.isascii()


def test_credentials_are_known_whole_and_in_parts():
    assert credentials_of("Bearer tok") == ("Bearer tok", "tok")
    assert credentials_of(f"Basic {PAIR}") == (f"Basic {PAIR}", PAIR, "me:pass word", "pass word")
    assert credentials_of("tok") == ("tok",)
    assert credentials_of("") == ()
