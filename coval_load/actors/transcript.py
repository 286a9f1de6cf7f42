"""What was said, by whom and when, with what was measured in each turn."""

from typing import Any, Literal

import attrs

from coval_load.codecs.events import UsageReceived

Role = Literal["user", "assistant", "tool"]


@attrs.define
class Entry:
    """One turn of one side. Times are of the Trio clock; `end` None while it goes on.

    `content` is None where the words are not known, as of a voice agent that is not transcribed. `kind` is
    `speech`, or `dtmf` or `media`, or `text` where a voice agent wrote instead of speaking, or `tool_call` (`tool` has
    id, name and arguments) or `tool_result` (`tool` has id and name). `chunks` is in how many pieces a streamed text
    came, `usage` the tokens it took, from `usage_row`. `interrupted`: the caller barged in on it;
    `interrupted_caller`: it began while the caller spoke. `transcribed` is what the agent understood of a turn of the
    caller's. `ended` is how an agent's turn ended where it was not completed: `cancelled`, `incomplete` or `failed`,
    and after a colon and a space the agent's own words for why, as in `cancelled: turn_detected`.
    """

    role: Role
    content: str | None
    start: float
    end: float | None = None
    messages: int | None = None
    chunks: int | None = None
    usage: dict[str, int | None] | None = None
    tool: dict[str, str] | None = None
    metrics: dict[str, float] = attrs.field(factory=dict)
    kind: str = "speech"
    interrupted: bool = False
    interrupted_caller: bool = False
    transcribed: str | None = None
    ended: str | None = None

    @property
    def is_said(self) -> bool:
        """Whether it is words of one of the two, spoken or written."""
        return self.kind in ("speech", "text") and self.role != "tool"

    def holds(self, at: float) -> bool:
        """Whether it began then, or went on."""
        return self.start <= at <= (self.start if self.end is None else self.end)

    def row(self, origin: float) -> dict[str, Any]:
        """As in `simulations.jsonl`: times since `origin`, the start of the run."""
        row: dict[str, Any] = {"role": self.role, "content": self.content, "start": self.start - origin}
        row["end"] = None if self.end is None else self.end - origin
        if self.transcribed is not None:
            row["transcribed"] = self.transcribed
        if self.ended is not None:
            row["ended"] = self.ended
        if self.messages is not None:
            row["messages"] = self.messages
        if self.chunks is not None:
            row["chunks"] = self.chunks
        if self.kind != "speech":
            row["type"] = self.kind
        if self.tool is not None:
            row["tool"] = self.tool
        if self.usage is not None:
            row["usage"] = self.usage
        if self.interrupted:
            row["interrupted"] = True
        if self.interrupted_caller:
            row["interrupted_caller"] = True
        if self.metrics:
            row["metrics"] = dict(self.metrics)
        return row


def usage_row(usage: UsageReceived) -> dict[str, int | None]:
    """`usage` of an entry: input and output tokens always, those of audio and of the cache where the agent counts them.

    What it does not say of the first two is None.
    """
    row: dict[str, int | None] = attrs.asdict(usage)
    always = ("input_tokens", "output_tokens")
    return {name: count for name, count in row.items() if count is not None or name in always}


@attrs.define
class Transcript:
    """The turns of a conversation in the order in which they began."""

    entries: list[Entry] = attrs.field(factory=list)

    def add(self, entry: Entry) -> Entry:
        """Append `entry`, and give it back for what is learned later."""
        self.entries.append(entry)
        return entry

    def rows(self, origin: float) -> list[dict[str, Any]]:
        """Every entry's row."""
        return [entry.row(origin) for entry in sorted(self.entries, key=lambda entry: entry.start)]
