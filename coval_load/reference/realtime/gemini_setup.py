"""The first message of a Gemini Live connection: how the conversation is to be."""

from collections.abc import Mapping
from typing import Any

import attrs

from coval_load.reference.realtime.gemini_fields import (
    INVALID_ARGUMENT,
    POLICY_VIOLATED,
    Refused,
    invalid,
    read_flag,
    read_milliseconds,
    read_object,
    read_objects,
    read_text,
)

KNOWN = frozenset(
    [
        "model",
        "generationConfig",
        "systemInstruction",
        "tools",
        "realtimeInputConfig",
        "sessionResumption",
        "contextWindowCompression",
        "inputAudioTranscription",
        "outputAudioTranscription",
        "proactivity",
        "historyConfig",
        "avatarConfig",
        "safetySettings",
        "labels",
        "explicitVadSignal",
    ]
)
GENERATION = frozenset(
    [
        "responseModalities",
        "temperature",
        "topP",
        "topK",
        "maxOutputTokens",
        "mediaResolution",
        "seed",
        "speechConfig",
        "thinkingConfig",
        "enableAffectiveDialog",
        "candidateCount",
        "presencePenalty",
        "frequencyPenalty",
        "stopSequences",
        "translationConfig",
    ]
)
REALTIME_INPUT = frozenset(
    ["automaticActivityDetection", "activityHandling", "turnCoverage", "interimTranscriptTimestampEnabled"]
)
DETECTION = frozenset(
    ["disabled", "startOfSpeechSensitivity", "endOfSpeechSensitivity", "prefixPaddingMs", "silenceDurationMs"]
)
MODALITIES = ("AUDIO", "TEXT")
NO_SETUP = "setup must be the first message and only the first"


@attrs.frozen
class SetUp:
    """What a caller asks for.

    With `is_automatic` the server hears itself when the caller speaks, and `silence_s` of silence (None: as the
    server likes) end a turn; `interrupts` is whether the caller's speech stops the agent. `handle` names a session
    to go on with; `tools` are the names of functions that may be called. With `tells_history` what was said before
    comes first, and is not answered.
    """

    model: str
    speaks: bool = True
    is_automatic: bool = True
    silence_s: float | None = None
    interrupts: bool = True
    transcribes_caller: bool = False
    transcribes_agent: bool = False
    resumes: bool = False
    handle: str | None = None
    tools: tuple[str, ...] = ()
    tells_history: bool = False


def read_setup(value: Any) -> SetUp:
    """Raises `Refused` with the API's codes where it can't be taken."""
    fields = read_object(value, "setup", KNOWN)
    detection, interrupts = _detection(fields)
    resumption = fields.get("sessionResumption")
    return SetUp(
        model=_model(fields),
        speaks=_speaks(fields),
        is_automatic=not read_flag(detection, "disabled", "setup.realtime_input_config.automatic_activity_detection"),
        silence_s=read_milliseconds(detection, "silenceDurationMs", "setup.realtime_input_config"),
        interrupts=interrupts,
        transcribes_caller=_is_object(fields, "inputAudioTranscription"),
        transcribes_agent=_is_object(fields, "outputAudioTranscription"),
        resumes=resumption is not None,
        handle=_handle(resumption),
        tools=_tools(fields.get("tools", [])),
        tells_history=_tells_history(fields),
    )


def _model(fields: Mapping[str, Any]) -> str:
    model = read_text(fields, "model", "setup")
    if not model:
        raise Refused(INVALID_ARGUMENT, "setup.model is required: expected models/...")
    if not model.startswith("models/") or model == "models/":
        raise Refused(
            POLICY_VIOLATED,
            f"{model[:40]} is not found, or is not supported for bidiGenerateContent: expected models/...",
        )
    return model


def _speaks(fields: Mapping[str, Any]) -> bool:
    generation = read_object(fields.get("generationConfig", {}), "setup.generation_config", GENERATION)
    modalities = generation.get("responseModalities") or ["AUDIO"]
    if not isinstance(modalities, list) or len(modalities) > 1:
        raise invalid("setup.generation_config.response_modalities: expected one of AUDIO, TEXT")
    if modalities[0] not in MODALITIES:
        raise invalid("Invalid value at 'setup.generation_config.response_modalities[0]'")
    return bool(modalities[0] == "AUDIO")


def _detection(fields: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    where = "setup.realtime_input_config"
    options = read_object(fields.get("realtimeInputConfig", {}), where, REALTIME_INPUT)
    handling = read_text(options, "activityHandling", where)
    detection = options.get("automaticActivityDetection", {})
    return read_object(detection, f"{where}.automatic_activity_detection", DETECTION), handling != "NO_INTERRUPTION"


def _is_object(fields: Mapping[str, Any], name: str) -> bool:
    if name not in fields:
        return False
    read_object(fields[name], f"setup.{name}")
    return True


def _tells_history(fields: Mapping[str, Any]) -> bool:
    known = frozenset(["initialHistoryInClientContent"])
    options = read_object(fields.get("historyConfig", {}), "setup.history_config", known)
    return read_flag(options, "initialHistoryInClientContent", "setup.history_config")


def _handle(resumption: Any) -> str | None:
    if resumption is None:
        return None
    # `transparent` is Vertex AI's alone.
    fields = read_object(resumption, "setup.session_resumption", frozenset(["handle"]))
    return read_text(fields, "handle", "setup.session_resumption") or None


def _tools(value: Any) -> tuple[str, ...]:
    names = []
    for tool in read_objects(value, "setup.tools"):
        for function in read_objects(tool.get("functionDeclarations", []), "setup.tools.function_declarations"):
            name = read_text(function, "name", "setup.tools.function_declarations")
            if not name:
                raise invalid("setup.tools: expected a name of each function")
            names.append(name)
    return tuple(names)
