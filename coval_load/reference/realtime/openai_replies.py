"""What an OpenAI Realtime server answers, and when: one response at a time."""

from typing import Any

import trio
import trio_websocket

from coval_load.reference.options import AgentOptions
from coval_load.reference.realtime.mouth import Speech, Voice, reply_due
from coval_load.reference.realtime.openai_items import Items
from coval_load.reference.realtime.openai_limits import RateLimits
from coval_load.reference.realtime.openai_response import Intent, Response
from coval_load.reference.realtime.openai_session import Session
from coval_load.reference.realtime.openai_wire import Refused, Wire
from coval_load.reference.realtime.openai_wording import Tokens
from coval_load.reference.realtime.tools import tool_call

GONE = (trio_websocket.ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError)


class Replies:
    """Starts responses in `nursery`, and breaks them off."""

    def __init__(
        self,
        wire: Wire,
        items: Items,
        session: Session,
        options: AgentOptions,
        voice: Voice,
        nursery: trio.Nursery,
    ) -> None:
        self.tokens = Tokens()
        self.next_end = trio.Event()
        self._wire = wire
        self._items = items
        self._session = session
        self._options = options
        self._voice = voice
        self._nursery = nursery
        self._limits = RateLimits(options.realtime.requests_limit)
        self._latest: Response | None = None
        self._unanswered_since: float | None = None
        self._written: list[float] = []
        self._calls = 0

    def ask(self, since: float) -> None:
        """The caller said something new, and had finished at `since`: the next response is the answer."""
        self._unanswered_since = since
        self._calls = 0

    def write(self, at: float) -> None:
        """The caller wrote something, or said it over a connection before this one."""
        self._written.append(at)

    def take_written(self) -> int:
        """How many turns were written since this was asked last."""
        count = len(self._written)
        self._written.clear()
        return count

    def create(self, params: dict[str, Any]) -> None:
        """What `response.create` asks for. Raises Refused while another response is under way."""
        active = self._under_way()
        if active is not None:
            raise Refused(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {active.id}."
                " Wait until the response is finished before creating a new one.",
            )
        if self._written:
            at = self._written[-1]
            self._wire.line.turn += self.take_written()
            self._wire.line.stamp("message_in", at)
            self.ask(at)
        self._start(params)

    async def answer(self) -> None:
        """Answers a turn that the server found, after the response that is under way, if any."""
        while (active := self._under_way()) is not None:
            await active.finished.wait()
        self._start({})

    def _start(self, params: dict[str, Any]) -> None:
        self._latest = Response(self._wire, self._items, self._options, self._intend(params))
        self._nursery.start_soon(self._run, self._latest)

    def _under_way(self) -> Response | None:
        latest = self._latest
        return None if latest is None or latest.is_over else latest

    async def _run(self, response: Response) -> None:
        try:
            await response.run(self._limits, self.tokens)
        except GONE:
            return  # the listening side stamps it
        response.is_over = True
        response.finished.set()
        self.next_end.set()
        self.next_end = trio.Event()

    def is_heard(self, at: float) -> bool:
        """Whether the caller, who plays in real time, still hears the agent at `at`, or waits for a reply."""
        playback = self._latest.playback if self._latest else None
        return self._under_way() is not None or (playback is not None and at < playback.ends_at)

    def hush(self) -> None:
        """The caller is told that nothing more of the latest reply is to be heard."""
        if self._latest is not None and self._latest.playback is not None:
            self._latest.playback.silence(trio.current_time())

    def break_off(self, reason: str, response_id: str | None = None) -> bool:
        """Stops the response under way; False where there is none, or it is another one."""
        active = self._under_way()
        if active is None or active.stop.is_set() or response_id not in (None, active.id):
            return False
        active.stop_reason = reason
        active.stop.set()
        return True

    def _intend(self, params: dict[str, Any]) -> Intent:
        turn, realtime = self._wire.line.turn, self._options.realtime
        since, self._unanswered_since = self._unanswered_since, None
        modalities = params.get("output_modalities") or self._session.settings["output_modalities"]
        shown = self._shown(params, modalities)
        if turn == 0:
            due = trio.current_time()
            return Intent(
                turn, "text" if modalities == ["text"] else "audio", "completed", due, self._speech(0), None, shown
            )
        due = reply_due(self._options, self._wire.line.random, trio.current_time() if since is None else since)
        if self._calls < realtime.tool_rounds:
            self._calls += 1
            call = tool_call(turn, self._calls)
            return Intent(turn, "call", "completed", due, self._speech(turn), call, shown)
        kind = "text" if modalities == ["text"] else realtime.reply_kind(turn)
        return Intent(turn, kind, realtime.reply_status(turn), due, self._speech(turn), None, shown)

    def _speech(self, turn: int) -> Speech:
        rate_hz, encoding = self._session.form("output")
        if turn == 0 and self._options.greeting:
            return self._voice.greeting(rate_hz, encoding)
        return self._voice.reply(turn, rate_hz, encoding)

    def _shown(self, params: dict[str, Any], modalities: Any) -> dict[str, Any]:
        output = self._session.settings["audio"]["output"]
        return {
            "conversation_id": f"conv_{self._wire.line.number}",
            "output_modalities": modalities,
            "max_output_tokens": params.get("max_output_tokens", self._session.settings["max_output_tokens"]),
            "audio": {"output": {"format": output["format"], "voice": output["voice"]}},
            "metadata": params.get("metadata"),
        }
