"""Clips that come with the package, so that a first load test needs neither files nor a speech engine."""

import json
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

_FOLDER = files("coval_load.codecs.audio").joinpath("clips")


def _read_texts() -> Mapping[str, str]:
    described = json.loads(_FOLDER.joinpath("clips.json").read_text("utf-8"))
    return MappingProxyType({name: clip["text"] for name, clip in described.items()})


CLIPS: Mapping[str, str] = _read_texts()
"""Name of each clip -> the English text spoken in it. Names that begin with `agent-` are an agent's."""


def read_clip(name: str) -> bytes:
    """The FLAC file of a clip: 16-bit mono at 24,000 Hz, about -20 dBFS RMS, at most 30 ms of silence around.

    Raises KeyError for a name that is not in `CLIPS`.
    """
    if name not in CLIPS:
        raise KeyError(f"expected one of {', '.join(CLIPS)}; got {name!r}")
    return _FOLDER.joinpath(f"{name}.flac").read_bytes()


def clip_text(name: str) -> str:
    """The words of a clip. Raises KeyError for a name that is not in `CLIPS`."""
    return CLIPS[name]
