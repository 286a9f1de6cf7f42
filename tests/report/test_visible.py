"""What agents say is seen and never acts."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coval_load.report.visible import ACTS as ACTS
from coval_load.report.visible import visible, visible_json

ANY_TEXT = st.text(st.characters(exclude_categories=()))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY_TEXT,
    lambda children: st.lists(children) | st.dictionaries(ANY_TEXT, children),
)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[2Jgone", "␛[2Jgone"),
        ("a\x00\x07\x08\r\x7f", "a␀␇␈␍␡"),
        ("\x85\x9b31m", "⟨U+0085⟩⟨U+009B⟩31m"),
        ("\u202egnp.exe\u202c", "⟨U+202E⟩gnp.exe⟨U+202C⟩"),
        ("\u2066\u2069\u200e\u200f\u061c", "⟨U+2066⟩⟨U+2069⟩⟨U+200E⟩⟨U+200F⟩⟨U+061C⟩"),
        ("\u2028\u2029\u200b\ufeff", "⟨U+2028⟩⟨U+2029⟩⟨U+200B⟩⟨U+FEFF⟩"),
        ("\ud83d x \udc00", "⟨U+D83D⟩ x ⟨U+DC00⟩"),
        ("a\U000e0041", "a⟨U+E0041⟩"),
    ],
)
def test_what_acts_becomes_a_picture(text, seen):
    assert visible(text) == seen


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pizza\n\twith ham",
        "<script>&\"'",
        "שלום",
        "مرحبا",
        "می\u200cخواهم",
        "👩\u200d🍳",
        "pi\u00adzza",
        "\u00a0é",
        "🍕",
    ],
)
def test_what_is_seen_stays(text):
    assert visible(text) == text


@given(ANY_TEXT)
def test_nothing_is_left_that_acts_and_it_is_done_once(text):
    seen = visible(text)
    assert visible(seen) == seen
    assert seen.encode().decode() == seen  # no lone surrogates
    left = {unicodedata.category(character) for character in seen if character not in "\n\t"}
    assert not left & {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(character) for character in seen} & {
        "LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI",
    }  # fmt: skip


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_plain_text_comes_through(text):
    assert visible(text) == text


@given(JSON)
def test_a_json_value_keeps_its_shape_and_every_string_in_it_is_visible(value):
    seen = visible_json(value)
    assert json.dumps(seen, ensure_ascii=False).encode()
    assert visible_json(seen) == seen
    assert type(seen) is type(value)


def test_keys_are_made_visible_and_what_is_no_text_stays():
    assert visible_json({"a\x1b": [1, 2.5, None, True, "\x1b"]}) == {"a␛": [1, 2.5, None, True, "␛"]}


def test_a_value_that_is_very_deep_is_cut():
    deep = value = []
    for _ in range(3000):
        value.append([])
        value = value[0]
    assert "…" in json.dumps(visible_json(deep), ensure_ascii=False)


def test_whatever_acts_is_looked_for():
    """The short way for what is printable leaves nothing out."""
    acting = [chr(code) for code in range(0x110000) if ACTS.match(chr(code))]
    assert len(acting) > 2000
    assert not [one for one in acting if one.isprintable()]
