"""A folder with an agent of each medium, and a way to load plans there."""

import json

import pytest

from coval_load.codecs.audio.packaged import CLIPS
from coval_load.faults import Faulty
from coval_load.plans.loading import load_plan

VOICE = {
    "display_name": "Voice",
    "model_type": "MODEL_TYPE_WEBSOCKET",
    "metadata": {"endpoint": "wss://a.example/ws", "send_dtmf_template": '{"digit": "{{digit}}"}'},
}
CHAT = {
    "display_name": "Chat",
    "model_type": "MODEL_TYPE_CHAT_WEBSOCKET",
    "metadata": {"endpoint": "wss://a.example/chat"},
}
HELLO = {"id": "hello", "turns": [{"type": "text", "text": "Hello", "audio": "hello.wav"}]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "voice.json").write_text(json.dumps(VOICE))
    (tmp_path / "chat.json").write_text(json.dumps(CHAT))
    (tmp_path / "hello.wav").write_bytes(b"RIFF")
    (tmp_path / "menu.png").write_bytes(b"PNG")
    return tmp_path


@pytest.fixture
def load(folder):
    def load(source=None, overrides=None, **given):
        keys = {"environ": {}, "clip_names": CLIPS}
        base = {"agents": ["voice.json"], "test_set": [HELLO]}
        options = {key: given.pop(key) for key in ("environ", "clip_names", "speech", "checks") if key in given}
        return load_plan(source or base | given, overrides, **keys | options)

    return load


@pytest.fixture
def faults(load):
    def faults(source=None, overrides=None, **given):
        with pytest.raises(Faulty) as caught:
            load(source, overrides, **given)
        return [str(fault) for fault in caught.value.faults]

    return faults
