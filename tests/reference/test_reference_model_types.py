"""Model types by the names that people type."""

import click
import pytest

from coval_load.reference.model_types import CHAT, CHAT_A2A, CHAT_WEBSOCKET, MODEL_TYPE, VOICE


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("voice", VOICE),
        ("websocket", VOICE),
        ("MODEL_TYPE_WEBSOCKET", VOICE),
        ("Chat", CHAT),
        ("MODEL_TYPE_CHAT", CHAT),
        ("chat_a2a", CHAT_A2A),
        ("chat_websocket", CHAT_WEBSOCKET),
        ("MODEL_TYPE_CHAT_WEBSOCKET", CHAT_WEBSOCKET),
    ],
)
def test_what_is_typed(typed, meant):
    assert MODEL_TYPE.convert(typed, None, None) == meant


@pytest.mark.parametrize("typed", ["", "sms", "MODEL_TYPE_VOICE"])
def test_what_there_is_no_agent_for(typed):
    with pytest.raises(click.BadParameter, match="expected one of voice, chat"):
        MODEL_TYPE.convert(typed, None, None)
