"""Pieces come out of a pipe as they went in, however it is cut."""

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.cluster.pipes import LARGEST, Frames, frame, read_piece, write_piece

PIECES = st.lists(st.binary(max_size=300), max_size=8)


@given(PIECES, st.data())
def test_pieces_are_read_whatever_the_cuts(pieces, data):
    stream = b"".join(map(frame, pieces))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=20).map(sorted))
    frames = Frames()
    read = [piece for start, end in pairwise([0, *cuts, len(stream)]) for piece in frames.feed(stream[start:end])]
    assert read == pieces
    assert frames.is_between


@given(PIECES)
def test_a_thread_reads_what_was_written(pieces):
    pipe = io.BytesIO()
    for piece in pieces:
        write_piece(pipe, piece)
    pipe.seek(0)
    assert [read_piece(pipe) for _ in pieces] == pieces
    assert read_piece(pipe) is None


@given(st.binary(min_size=1, max_size=50), st.data())
def test_an_end_in_the_middle_is_no_piece(piece, data):
    whole = frame(piece)
    part = whole[: data.draw(st.integers(1, len(whole) - 1))]
    with pytest.raises(ValueError, match="end in the middle"):
        read_piece(io.BytesIO(part))
    frames = Frames()
    assert list(frames.feed(part)) == []
    assert not frames.is_between


@given(st.binary(max_size=64))
def test_what_is_no_stream_of_pieces_is_read_or_refused(data):
    size = int.from_bytes(data[:4], "big")
    if len(data) >= 4 and size > LARGEST:
        with pytest.raises(ValueError, match="expected at most 268435456 bytes"):
            list(Frames().feed(data))
        with pytest.raises(ValueError, match="expected at most 268435456 bytes"):
            read_piece(io.BytesIO(data))
    elif len(data) >= 4 + size:
        assert next(Frames().feed(data)) == data[4 : 4 + size] == read_piece(io.BytesIO(data))


def test_bytes_count_though_nobody_asks_for_the_pieces():
    frames = Frames()
    frames.feed(frame(b"one")[:5])
    assert list(frames.feed(frame(b"one")[5:])) == [b"one"]


def test_too_large_a_piece_is_not_written():
    class Large(bytes):
        def __len__(self):
            return LARGEST + 1

    with pytest.raises(ValueError, match="expected at most 268435456 bytes in one piece; got 268435457"):
        frame(Large())
