"""Agent cards: where they lie, and which version they lead to."""

import json

import pytest
from a2a_agents import ENDPOINT
from hypothesis import given
from hypothesis import strategies as st

from coval_load.codecs.dialects.a2a.card import version_on
from coval_load.codecs.dialects.a2a.format import A2AFormat
from coval_load.codecs.dialects.a2a.versions import VERSIONS

ELSEWHERE = "https://elsewhere.example/a2a"


def listed(*interfaces):
    keys = ("url", "protocolBinding", "protocolVersion")
    return {"supportedInterfaces": [dict(zip(keys, values, strict=True)) for values in interfaces]}


@pytest.mark.parametrize(
    ("card", "version"),
    [
        ({"protocolVersion": "0.3.0", "url": ENDPOINT}, "0.3"),
        ({"protocolVersion": "0.2.6"}, "0.3"),
        ({"protocolVersion": "1.0"}, "1.0"),
        ({}, "0.3"),
        ([], "0.3"),
        (None, "0.3"),
        (listed((ENDPOINT, "JSONRPC", "1.0")), "1.0"),
        (listed((ENDPOINT, "JSONRPC", "1.0.3")), "1.0"),
        (listed((ENDPOINT, "JSONRPC", "1.4")), "1.0"),
        (listed((ENDPOINT, "JSONRPC", "2.0")), "1.0"),
        (listed((ENDPOINT, "JSONRPC", "10.0")), "1.0"),
        (listed((ENDPOINT, "JSONRPC", "0.9")), "0.3"),
        (listed((ENDPOINT, "JSONRPC", "next")), "0.3"),
        (listed((ENDPOINT, "JSONRPC", 1.0)), "0.3"),
        (listed((ELSEWHERE, "JSONRPC", "1.0"), (ENDPOINT + "/", "jsonrpc", "0.3")), "0.3"),
        (listed((ELSEWHERE, "JSONRPC", "1.0"), (ENDPOINT.replace("https", "http"), "JSONRPC", "0.3")), "0.3"),
        (listed((ELSEWHERE, "GRPC", "0.3"), (ELSEWHERE, "JSONRPC", "1.0"), (ELSEWHERE, "JSONRPC", "0.3")), "1.0"),
        (listed((ENDPOINT, "HTTP+JSON", "0.3"), (ELSEWHERE, "JSONRPC", "1.0")), "1.0"),
        ({**listed((ENDPOINT, "GRPC", "1.0")), "protocolVersion": "0.3"}, "0.3"),
        ({"supportedInterfaces": [1, {"protocolVersion": "1.0"}]}, "1.0"),
        ({"supportedInterfaces": {"url": ENDPOINT}}, "0.3"),
    ],
)
def test_versions(card, version):
    assert version_on(json.dumps(card).encode(), ENDPOINT).name == version


def test_no_card_is_0_3():
    for card in (None, b"", b"<html>", b"\xff"):
        assert version_on(card, ENDPOINT).name == "0.3"


@given(
    st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["supportedInterfaces", "protocolVersion", "protocolBinding", "url"]), inner, max_size=4
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_card_leads_to_a_version(card):
    assert version_on(card, ENDPOINT) in VERSIONS.values()


def test_the_card_is_asked_for_only_where_no_version_is_given():
    assert A2AFormat(ENDPOINT, a2a_version="1.0").discovery() == ()
    requests = A2AFormat("https://agent.example:8443/a/b", authorization={"X-API-Key": "k"}).discovery()
    assert [(request.method, request.url) for request in requests] == [
        ("GET", "https://agent.example:8443/.well-known/agent-card.json"),
        ("GET", "https://agent.example:8443/.well-known/agent.json"),
    ]
    assert all(request.headers == (("Accept", "application/json"), ("X-API-Key", "k")) for request in requests)
    assert all(request.body is None for request in requests)


def test_the_card_decides_what_is_spoken():
    card = json.dumps(listed((ELSEWHERE, "JSONRPC", "1.0"))).encode()
    for agent, method in (
        (A2AFormat(ENDPOINT), "SendMessage"),
        (A2AFormat(ENDPOINT, a2a_version="0.3"), "message/send"),
    ):
        request = agent.open({"simulation_output_id": "s"}, card).say("Hi", "")
        assert json.loads(request.body)["method"] == method
        assert request.url == ENDPOINT
