"""What agrees to an upgrade is read as `websockets` reads it; the rest is left to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.uri import parse_uri
from websockets.utils import accept_key

from coval_load.engine.acceptance import Acceptances, end_of_acceptance

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = accept_key(KEY)
ACCEPTED = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", ACCEPT)]


def answer(headers, status="HTTP/1.1 101 Switching Protocols"):
    return "".join(f"{line}\r\n" for line in (status, *(f"{name}: {value}" for name, value in headers), "")).encode()


def read_by_websockets(data):
    """Where the answer ends that `websockets` agrees with, None where it refuses or waits for more."""
    protocol = ClientProtocol(parse_uri("ws://localhost/"))
    protocol.key = KEY
    for end in range(1, len(data) + 1):
        protocol.receive_data(data[end - 1 : end])
        if protocol.handshake_exc is not None:
            return None
        if protocol.state is State.OPEN:
            return end
    return None


def test_a_usual_answer_and_what_comes_behind_it():
    for headers in (ACCEPTED, [*ACCEPTED, ("Server", "one two"), ("Date", "")], ACCEPTED[::-1]):
        usual = answer(headers)
        assert end_of_acceptance(usual, KEY) == len(usual)
        assert end_of_acceptance(usual + b"\x81\x05hello", KEY) == len(usual)


@pytest.mark.parametrize(
    "other",
    [
        b"",
        answer(ACCEPTED)[:-1],
        answer(ACCEPTED, "HTTP/1.1 200 OK"),
        answer(ACCEPTED, "HTTP/1.0 101 Switching Protocols"),
        answer(ACCEPTED[1:]),
        answer(ACCEPTED[:2]),
        answer([ACCEPTED[0], ACCEPTED[2]]),
        answer([*ACCEPTED[:2], ("Sec-WebSocket-Accept", accept_key("another"))]),
        answer([*ACCEPTED, ACCEPTED[2]]),
        answer([*ACCEPTED, ("Sec-WebSocket-Protocol", "chat")]),
        answer([*ACCEPTED, ("sec-websocket-extensions", "permessage-deflate")]),
        answer([*ACCEPTED, *((f"X-{number}", "x") for number in range(200))]),
        answer([*ACCEPTED, ("X-Long", "x" * 5000)]),
    ],
)
def test_anything_else_is_left_to_the_library(other):
    assert end_of_acceptance(other, KEY) is None


NAMES = st.sampled_from(
    ["Upgrade", "connection", "SEC-WEBSOCKET-ACCEPT", "Sec-WebSocket-Protocol", "Content-Length", "Transfer-Encoding"]
) | st.text("aA-: \t\x00\xe9", max_size=4)
VALUES = st.sampled_from(
    ["websocket", "WebSocket", "Upgrade", "keep-alive, Upgrade", ACCEPT, "5", "chunked"]
) | st.text("a ,\t\x7f\n\r\xe9", max_size=4)


@given(st.data())
def test_what_is_taken_is_what_the_library_takes(data):
    more = data.draw(st.lists(st.tuples(NAMES, VALUES), max_size=3))
    headers = data.draw(st.permutations([*ACCEPTED, *more]).map(list))
    if data.draw(st.booleans()):
        headers.pop()
    status = data.draw(
        st.sampled_from(["HTTP/1.1 101 Switching Protocols", "HTTP/1.1 101 ", "HTTP/1.1 101", "HTTP/1.1 1010 x"])
    )
    came = answer(headers, status).replace(b": ", data.draw(st.sampled_from([b": ", b":", b" : ", b":\t"])))
    end = end_of_acceptance(came + b"\x81\x00", KEY)
    if end is not None:
        assert read_by_websockets(came + b"\x81\x00") == end


OTHER_KEY = "AAAAAAAAAAAAAAAAAAAAAA=="
PROOFS = st.sampled_from([ACCEPT, accept_key(OTHER_KEY), ""])


@given(st.lists(st.tuples(st.sampled_from([KEY, OTHER_KEY]), PROOFS, PROOFS, st.booleans()), max_size=8))
def test_what_was_accepted_before_makes_no_difference(answers):
    acceptances = Acceptances()
    for key, proof, other, is_first in answers:
        headers = [*ACCEPTED[:2], ("Sec-WebSocket-Accept", proof)]
        headers.insert(0 if is_first else 3, ("X-Proof", other))
        came = answer(headers)
        for data in (came + b"\x81\x00", came[:-1], came[:-2], came.replace(b"\r\nX-", b" ")):
            assert acceptances.end(data, key) == end_of_acceptance(data, key)


def test_a_proof_that_stands_elsewhere_too_is_no_proof_for_another_key():
    acceptances = Acceptances()
    both = answer([("X-Proof", ACCEPT), *ACCEPTED])
    assert acceptances.end(both, KEY) == len(both)
    assert acceptances.end(answer([("X-Proof", accept_key(OTHER_KEY)), *ACCEPTED]), OTHER_KEY) is None


def test_what_is_kept_of_acceptances_is_bounded():
    acceptances = Acceptances()
    for number in range(100):
        came = answer([*ACCEPTED, ("Date", str(number))])
        assert acceptances.end(came, KEY) == acceptances.end(came, KEY) == len(came)
        assert len(acceptances._known) <= 16
