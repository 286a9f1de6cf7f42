"""What a chat agent says in reply: words, or the call of a tool. Not yet in the shape of any API."""

import itertools

import attrs

from coval_load.reference.chat_request import ChatRequest
from coval_load.reference.histories import ENDLESS
from coval_load.reference.options import HttpChatOptions

TOOL = "lookup_order"


@attrs.frozen
class Call:
    """One call of a tool; `arguments` is JSON text."""

    call_id: str
    name: str
    arguments: str


@attrs.frozen
class Said:
    """Reply `number`: `text`, or `call`. `ends` is whether the conversation is over with it."""

    number: int
    model: str
    text: str
    call: Call | None
    ends: bool
    prompt_tokens: int

    @property
    def completion_tokens(self) -> int:
        """About one for four characters."""
        return max(1, len(self.call.arguments if self.call else self.text) // 4)


def reply_to(asked: ChatRequest, number: int, options: HttpChatOptions, endless: bool) -> Said:
    """The reply to a request. An agent that is `endless` once in a turn goes on calling its tool."""
    turn, rounds = asked.history.turn, asked.history.rounds
    endless = endless or asked.history.endless
    call = None
    if endless or rounds < options.tool_rounds:
        name = ENDLESS if endless else "call"
        call = Call(f"{name}_{turn}_{rounds + 1}", TOOL, f'{{"order_id": "A-{turn}"}}')
    ends = call is None and options.ends_after is not None and turn >= options.ends_after
    return Said(number, asked.model, f"You said: {asked.history.text}", call, ends, asked.prompt_tokens)


def cut(text: str, count: int) -> list[str]:
    """`text` in `count` pieces of about the same length, in fewer where it has fewer characters."""
    count = max(1, min(count, len(text)))
    edges = [len(text) * at // count for at in range(count + 1)]
    return [text[begin:end] for begin, end in itertools.pairwise(edges)]
