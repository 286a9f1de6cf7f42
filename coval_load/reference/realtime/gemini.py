"""An agent that speaks the Gemini Live API: google.genai.live is its client, google.genai.types names its messages."""

from contextlib import aclosing

import trio

from coval_load.reference.line import Line
from coval_load.reference.options import AgentOptions, RealtimeOptions
from coval_load.reference.realtime import gemini_wording as wording
from coval_load.reference.realtime.gates import KEY, gemini_key
from coval_load.reference.realtime.gemini_fields import INVALID_ARGUMENT, POLICY_VIOLATED, Refused, invalid
from coval_load.reference.realtime.gemini_reading import read_message
from coval_load.reference.realtime.gemini_replies import Replies
from coval_load.reference.realtime.gemini_sending import Sender
from coval_load.reference.realtime.gemini_sessions import Session, Sessions
from coval_load.reference.realtime.gemini_setup import NO_SETUP, SetUp, read_setup
from coval_load.reference.realtime.gemini_turns import Messages, Turns
from coval_load.reference.realtime.mouth import Voice

# From goAway to the end of the connection, where no limit says when that is.
TIME_LEFT_S = 10.0
ABORTED = "The operation was aborted."
NO_KEY = "Method doesn't allow unregistered callers. Please use API Key or other form of API consumer identity."
WRONG_KEY = "API key not valid. Please pass a valid API key."


class GeminiAgent:
    """Answers each connection by itself; holds what all of them share: the voice, and sessions to go on with."""

    def __init__(self, options: AgentOptions) -> None:
        self._options = options
        self._voice = Voice(options.voice)
        self._voice.prepare(options.voice.agent_rate_hz, "pcm")
        self._sessions = Sessions(options.realtime.sole_connection)

    async def converse(self, line: Line) -> None:
        """Runs until the connection ends."""
        try:
            async with aclosing(line.messages()) as messages:
                setup = await _hear_setup(messages)
                if setup is not None:
                    _check_key(line)
                    with self._sessions.take_up(setup.handle) as session:
                        await self._talk(line, messages, setup, session)
        except* Refused as group:
            refused = group.exceptions[0]
            while isinstance(refused, BaseExceptionGroup):
                refused = refused.exceptions[0]
            await _hang_up(line, refused)

    async def _talk(self, line: Line, messages: Messages, setup: SetUp, session: Session) -> None:
        line.turn = session.turn
        session.simulation_output_id = line.simulation_output_id or session.simulation_output_id
        line.simulation_output_id = session.simulation_output_id
        sender = Sender(line, self._options.realtime.text_frames)
        turns = Turns(line, sender, setup, self._options)
        replies = Replies(line, sender, self._options, self._voice, setup, session, self._sessions, turns)
        async with trio.open_nursery() as nursery:
            if await _is_ready(line, sender):
                nursery.start_soon(replies.answer)
                nursery.start_soon(_end_in_time, sender, self._options.realtime)
            await turns.listen(messages)
            nursery.cancel_scope.cancel()


def _check_key(line: Line) -> None:
    key = gemini_key(line.target, line.headers)
    if key is None:
        raise Refused(POLICY_VIOLATED, NO_KEY)
    if key != KEY:
        raise Refused(INVALID_ARGUMENT, WRONG_KEY)


async def _hear_setup(messages: Messages) -> SetUp | None:
    """None where the connection ended before it came."""
    async for _, message in messages:
        name, value = read_message(message)
        if name != "setup":
            raise invalid(NO_SETUP)
        return read_setup(value)
    return None


async def _is_ready(line: Line, sender: Sender) -> bool:
    if "refused-setup" in line.kinds:
        line.stamp("misbehaved", kind="refused-setup")
        raise invalid("Request contains an invalid argument.")
    if "no-ready" in line.kinds:
        return False
    await sender.send(wording.setup_complete(f"reference-{line.number}"))
    line.stamp("ready")
    return True


async def _end_in_time(sender: Sender, options: RealtimeOptions) -> None:
    """The connection is as old as it may get: says so before, where it is to, and ends it."""
    began = trio.current_time()
    away_s, limit_s = options.go_away_after_s, options.session_limit_s
    if away_s is not None:
        limit_s = away_s + TIME_LEFT_S if limit_s is None else limit_s
        await trio.sleep_until(began + away_s)
        sender.line.stamp("message_out", kind="goAway")
        await sender.send(wording.go_away(limit_s - away_s))
    if limit_s is not None:
        await trio.sleep_until(began + limit_s)
        raise Refused(POLICY_VIOLATED, ABORTED)


async def _hang_up(line: Line, refused: Refused) -> None:
    line.stamp("rejected", code=refused.code, reason=refused.reason)
    await line.close(refused.code, refused.reason)
    line.stamp("closed", code=refused.code)
