"""The tool that a realtime agent calls, as the chat agents do."""

from coval_load.reference.chat_reply import TOOL, Call


def tool_call(turn: int, nth: int) -> Call:
    """Call `nth`, from 1, in `turn`."""
    return Call(f"call_{turn}_{nth}", TOOL, f'{{"order_id": "A-{turn}"}}')
