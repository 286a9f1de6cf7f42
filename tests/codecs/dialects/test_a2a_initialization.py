"""The initialization of A2A agents: forms, JSON, tokens, and answers that hold none."""

import json
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.dialects.a2a.initialization import FORM, JSON, Initialization, InitializationFailed
from coval_load.codecs.templates import TemplateError

URL = "https://auth.example/token"
VALUES = {"simulation_output_id": "sim-1", "persona": {"user": "Ann & co"}}
OAUTH = {"grant_type": "client_credentials", "client_id": "me"}


def asked(payload, content_type=FORM, authorization=None):
    return Initialization.parse(URL, payload, content_type).request(VALUES, authorization or {})


def test_a_form():
    request = asked({"grant_type": "x", "user": "{{persona.user}}", "n": 1, "on": True, "deep": {"a": [1]}, "no": None})
    assert (request.method, request.url) == ("POST", URL)
    assert request.headers == (("Content-Type", FORM), ("Accept", JSON))
    assert request.body == b"grant_type=x&user=Ann+%26+co&n=1&on=true&deep=%7B%22a%22%3A%5B1%5D%7D"


def test_json():
    request = asked({"user": "{{persona.user}}", "n": [1, None]}, JSON, {"Authorization": "Basic abc"})
    assert request.headers == (("Content-Type", JSON), ("Accept", JSON), ("Authorization", "Basic abc"))
    assert json.loads(request.body) == {"user": "Ann & co", "n": [1, None]}
    assert json.loads(asked(["{{simulation_output_id}}"], JSON).body) == ["sim-1"]


def test_no_payload():
    assert (asked(None).body, asked(None, JSON).body) == (b"", b"{}")


def test_a_placeholder_without_a_value():
    with pytest.raises(TemplateError, match=r"initialization_payload: \{\{persona.no\}\}"):
        asked({"a": "{{persona.no}}"})


def test_the_token_is_sent_as_a_bearer_token():
    session = Initialization.parse(URL, OAUTH, FORM).session(b'{"access_token": "t0k", "token_type": "bearer", "a": 1}')
    assert session.headers == (("Authorization", "Bearer t0k"),)
    assert session.init_response["a"] == 1
    assert "t0k" not in repr(session)


@pytest.mark.parametrize(
    ("payload", "content_type"), [(OAUTH, JSON), ({"user": "x"}, FORM), (None, FORM), ({"user": "x"}, JSON)]
)
@pytest.mark.parametrize("answer", [b"{}", b"[]", b"", b" \r\n", b'{"access_token": null}'])
def test_a_token_is_needed_only_where_oauth_was_asked_for_one(payload, content_type, answer):
    session = Initialization.parse(URL, payload, content_type).session(answer)
    assert session.headers == ()
    assert session.init_response == json.loads(answer.strip() or b"null")


BEGINNING = "expected access_token in the answer of initialization_endpoint"


@pytest.mark.parametrize(
    ("payload", "answer", "message"),
    [
        (OAUTH, b"{}", f"{BEGINNING}; got an object without it"),
        (
            OAUTH,
            b'{"error": "invalid_client"}',
            f"{BEGINNING}; got an object without it, but error 'invalid_client'",
        ),
        (OAUTH, b'{"error": "Bearer s3cret"}', f"{BEGINNING}; got an object without it"),
        (OAUTH, b'["access_token"]', f"{BEGINNING}; got an array"),
        (OAUTH, b"", f"{BEGINNING}; got null"),
        (OAUTH, b"access_token=s3cret", f"{BEGINNING}; got no JSON"),
        (OAUTH, b'{"access_token": 7}', f"{BEGINNING} as visible ASCII; got a number"),
        (OAUTH, b'{"access_token": "a\\r\\nX: 1"}', f"{BEGINNING} as visible ASCII; got other characters, or none"),
        ({}, b'{"access_token": ""}', f"{BEGINNING} as visible ASCII; got other characters, or none"),
        ({}, b"<html>", "expected JSON in the answer of initialization_endpoint; got no JSON"),
    ],
)
def test_what_is_wrong_with_an_answer(payload, answer, message):
    with pytest.raises(InitializationFailed) as raised:
        Initialization.parse(URL, payload, FORM).session(answer)
    assert str(raised.value) == message


VALID = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(VALID, VALID, max_size=4))
def test_a_form_is_read_back_as_it_was_written(fields):
    plain = {name.replace("{{", ""): value.replace("{{", "") for name, value in fields.items()}
    body = asked(plain).body
    assert dict(parse_qsl(body.decode(), keep_blank_values=True)) == plain


@given(st.binary(), st.sampled_from([OAUTH, {}]))
def test_any_answer_is_taken_or_refused(answer, payload):
    try:
        Initialization.parse(URL, payload, FORM).session(answer)
    except InitializationFailed as error:
        assert "initialization_endpoint" in str(error)
