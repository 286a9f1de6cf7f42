"""Messages come out as they went in, and whatever else comes is told as what it is."""

from functools import partial
from typing import Any, get_args, get_type_hints

import attrs
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.cluster import messages

TEXTS = st.text(st.characters())  # agents may say lone surrogates
FLOATS = st.floats(allow_nan=False)
INTS = st.integers(-(2**63), 2**64 - 1)
PLAIN = st.recursive(
    st.none() | st.booleans() | INTS | FLOATS | TEXTS | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    bytes: st.binary(),
    str: TEXTS,
    int: INTS,
    float: FLOATS,
    bool: st.booleans(),
    int | None: st.none() | INTS,
    float | None: st.none() | FLOATS,
    str | None: st.none() | TEXTS,
    list[str]: st.lists(TEXTS),
    dict[str, str]: st.dictionaries(TEXTS, TEXTS),
    dict[str, Any]: st.dictionaries(TEXTS, PLAIN, max_size=3),
    dict[str, Any] | None: st.none() | st.dictionaries(TEXTS, PLAIN, max_size=3),
}
PACK = partial(msgpack.packb, unicode_errors="surrogatepass")
WAYS = {
    "to a worker": (messages.ToWorker, messages.encode_to_worker, messages.decode_to_worker),
    "from a worker": (messages.FromWorker, messages.encode_from_worker, messages.decode_from_worker),
}


def any_of(kind: type) -> st.SearchStrategy[Any]:
    fields = {name: VALUES[hint] for name, hint in get_type_hints(kind).items()}
    return st.builds(kind, **fields)


def any_piece(way: str) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.one_of([any_of(kind) for kind in get_args(WAYS[way][0])]), max_size=5)


@pytest.mark.parametrize("way", WAYS)
@given(st.data())
def test_messages_come_out_as_they_went_in(way, data):
    _, encode, decode = WAYS[way]
    piece = data.draw(any_piece(way))
    assert decode(encode(piece)) == piece
    assert list(map(type, decode(encode(iter(piece))))) == list(map(type, piece))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("junk", [st.binary(), PLAIN.map(PACK), st.lists(PLAIN).map(PACK)])
@given(st.data())
def test_whatever_comes_is_messages_or_a_value_error(way, junk, data):
    accept(way, data.draw(junk))


@pytest.mark.parametrize("way", WAYS)
@given(st.data())
def test_a_piece_that_was_spoilt_is_messages_or_a_value_error(way, data):
    piece = bytearray(WAYS[way][1](data.draw(any_piece(way))))
    at = data.draw(st.integers(0, len(piece) - 1))
    piece[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    accept(way, bytes(piece))


def accept(way, piece):
    kinds, _, decode = WAYS[way]
    try:
        decoded = decode(piece)
    except ValueError as error:
        assert str(error).startswith("expected messages of this release of coval-load; got ")
    else:
        assert {type(one) for one in decoded} <= set(get_args(kinds))


@pytest.mark.parametrize("way", WAYS)
def test_a_piece_that_is_cut_off_anywhere_is_a_value_error(way):
    kinds, encode, decode = WAYS[way]
    example = {bytes: b"ab", str: "é", int: 300, float: 1.5, bool: True, list[str]: ["a"]}
    whole = encode(
        kind(*(example.get(hint, {"a": "b"}) for hint in get_type_hints(kind).values())) for kind in get_args(kinds)
    )
    assert len(decode(whole)) == len(get_args(kinds))
    for length in range(len(whole)):
        with pytest.raises(ValueError, match="install the same release everywhere"):
            decode(whole[:length])


@pytest.mark.parametrize(
    "piece",
    [
        [[99]],
        [[-1]],
        [[True]],
        [["Ping", 1]],
        [[]],
        [[1]],
        [[1, 2, 3, 4]],
        [7],
        7,
        None,
        [msgpack.ExtType(5, b"")],
    ],
)
def test_what_another_release_may_say_is_a_value_error(piece):
    with pytest.raises(ValueError, match="install the same release everywhere"):
        messages.decode_to_worker(msgpack.packb(piece))


def test_the_plan_is_not_shown():
    assert "secret" not in repr(messages.Setting(b"secret", 0, "run"))


def test_every_field_is_carried():
    for kinds, _, _ in WAYS.values():
        for kind in get_args(kinds):
            assert all(field.init for field in attrs.fields(kind))
