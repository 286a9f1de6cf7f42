"""What an A2A agent's results hold: tasks, messages and updates of both versions, and the text in them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, cast

import attrs

from coval_load.codecs.dialects.a2a.versions import PENDING, STATES, is_user, plain_state
from coval_load.codecs.dialects.json_messages import kind_of, quoted
from coval_load.codecs.encoding import encode_json

Kind: TypeAlias = Literal["task", "message", "status-update", "artifact-update"]
Object: TypeAlias = Mapping[str, Any]

_KINDS: Final = ("task", "message", "status-update", "artifact-update")
_WRAPPERS: Final[Mapping[str, Kind]] = {
    "task": "task",
    "message": "message",
    "statusUpdate": "status-update",
    "artifactUpdate": "artifact-update",
}


class Unreadable(Exception):
    """A result that should have had a meaning; says what was expected and what came."""


def opened(result: Any) -> tuple[Kind, Object]:
    """What kind of thing `result` is, and the thing itself. Raises `Unreadable`.

    0.3 says it by `kind`, 1.0 by the only key of a wrapping object; 1.0's `GetTask` answers with a bare task. Each
    is read whatever version was spoken, and where neither is there, the thing is known by what it has.
    """
    if not isinstance(result, Mapping):
        raise Unreadable(f"expected an object as result; got {kind_of(result)}")
    kind = result.get("kind")
    if isinstance(kind, str):
        if kind not in _KINDS:
            raise Unreadable(f"expected a result of kind {', '.join(_KINDS)}; got {quoted(kind)}")
        return cast(Kind, kind), result
    wrapped = [name for name in _WRAPPERS if isinstance(result.get(name), Mapping)]
    if len(wrapped) > 1:
        raise Unreadable(f"expected one of {', '.join(_WRAPPERS)} in the result; got {' and '.join(wrapped)}")
    if wrapped:
        return _WRAPPERS[wrapped[0]], result[wrapped[0]]
    for name, bare in (("artifact", "artifact-update"), ("parts", "message"), ("status", "task")):
        if name in result:
            is_update = bare == "task" and "id" not in result and "taskId" in result
            return cast(Kind, "status-update" if is_update else bare), result
    raise Unreadable(f"expected one of {', '.join(_WRAPPERS)} in the result; got none")


@attrs.define
class AnswerPicture:
    """What is known of one answer: filled from its only result, or from a stream's events one after the other.

    Artifacts are lists of the texts of their parts, by the artifacts' ids. `earlier` are those that the task had
    before this turn; `message_id` is that of the message being answered. Texts are empty where there is none.
    """

    earlier: Mapping[str, Sequence[str]]
    message_id: str
    context_id: str | None = None
    task_id: str | None = None
    state: str | None = None
    status_text: str = ""
    artifacts: dict[str, list[str]] = attrs.field(factory=dict)
    last_said: str = ""
    last_artifact_id: str = ""

    @property
    def is_pending(self) -> bool:
        return self.state in PENDING

    def see(self, kind: Kind, thing: Object) -> str:
        """Take in what `opened` gave; returns the text that a message, or a piece of an artifact, adds to the reply.

        Raises `Unreadable` for a state that nobody knows, and for an artifact that is none.
        """
        self.context_id = _id(thing.get("contextId")) or self.context_id
        # A message may name a task that its agent never kept: a2a-sdk's hands such ids out, and then denies them.
        if kind != "message":
            self.task_id = _id(thing.get("id" if kind == "task" else "taskId")) or self.task_id
        match kind:
            case "message":
                return _text(thing)
            case "artifact-update":
                return self._see_artifact(thing.get("artifact"), is_more=thing.get("append") is True)
            case "task":
                self.artifacts |= {_id_of(known): part_texts(known) for known in _objects(thing.get("artifacts"))}
                self.last_said = self._last_agent_entry(_objects(thing.get("history"))) or self.last_said
        self._see_status(thing.get("status"))
        return ""

    @property
    def text(self) -> str:
        """The reply of a task: its status' message, or its artifacts, or what the agent said last in its history.

        Artifacts are those that this turn brought or changed. Where nothing else is there either, older ones are
        better than nothing: an agent may have made the same once more.
        """
        new = _lines(map(self._news, self.artifacts))
        return self.status_text or new or self.last_said or _lines(map("".join, self.artifacts.values()))

    def _news(self, artifact_id: str) -> str:
        now, before = self.artifacts[artifact_id], list(self.earlier.get(artifact_id, ()))
        return "".join(now[len(before) :] if now[: len(before)] == before else now)

    def _see_artifact(self, artifact: Any, *, is_more: bool) -> str:
        if not isinstance(artifact, Mapping):
            raise Unreadable(f"expected an object as artifact of an artifact update; got {kind_of(artifact)}")
        self.last_artifact_id = artifact_id = _id_of(artifact)
        texts = part_texts(artifact)
        if is_more:
            self.artifacts.setdefault(artifact_id, list(self.earlier.get(artifact_id, ()))).extend(texts)
            return "".join(texts)
        before = "".join(self.artifacts.get(artifact_id, ()))
        self.artifacts[artifact_id] = texts
        # Some agents send the whole text anew with each piece.
        return "".join(texts).removeprefix(before)

    def _see_status(self, status: Any) -> None:
        state = status.get("state") if isinstance(status, Mapping) else None
        plain = plain_state(state) if isinstance(state, str) else None
        if plain not in STATES:
            came = quoted(state) if isinstance(state, str) else "none"
            raise Unreadable(f"expected a task state of {', '.join(STATES)}; got {came}")
        self.state = plain
        message = status.get("message")
        text = _agent_text(message) if isinstance(message, Mapping) else ""
        self.status_text = "" if self.is_pending else text
        if self.is_pending and text:
            # What an agent says while it works becomes history once the status changes.
            self.last_said = text

    def _last_agent_entry(self, history: Sequence[Object]) -> str:
        own = [place for place, entry in enumerate(history) if entry.get("messageId") == self.message_id]
        said = map(_agent_text, reversed(history[own[-1] + 1 :] if own else history))
        return next(filter(None, said), "")


def part_texts(thing: Object) -> list[str]:
    """The texts of a message or an artifact, empty ones left out.

    Where there is none, the one text is its data, as JSON, and its files, by name, each on a line of its own.
    """
    found = _objects(thing.get("parts"))
    texts = [part["text"] for part in found if isinstance(part.get("text"), str) and part["text"]]
    described = "" if texts else _lines(map(_described, found))
    return [described] if described else texts


def _text(message: Object) -> str:
    # Parts of a message stand for themselves. Those of an artifact are joined with nothing instead: one that was
    # streamed keeps each piece as a part of its own.
    return "\n".join(part_texts(message))


def _lines(texts: Iterable[str]) -> str:
    return "\n".join(filter(None, texts))


def _described(part: Object) -> str:
    if "data" in part:
        try:
            return encode_json(part["data"]).decode()
        except ValueError:
            return "data"
    is_file = "file" in part or "raw" in part or "url" in part
    inner = part.get("file")
    file = {**part, **inner} if isinstance(inner, Mapping) else part
    names = (file.get(key) for key in ("name", "filename", "uri", "url"))
    return next((name for name in names if isinstance(name, str) and name), "file") if is_file else ""


def _agent_text(message: Object) -> str:
    return "" if is_user(message.get("role")) else _text(message)


def _objects(values: Any) -> list[Object]:
    return [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else []


def _id_of(artifact: Object) -> str:
    return _id(artifact.get("artifactId")) or ""


def _id(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
