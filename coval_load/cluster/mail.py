"""What a coordinator sends to its workers: all that one turn of the loop has for a worker goes as one piece."""

import attrs
import trio

from coval_load.cluster.member import Member
from coval_load.cluster.messages import Ping, ToWorker, encode_to_worker
from coval_load.cluster.post import Post


@attrs.define(eq=False)
class Mail:
    """Sends over `post`; no call waits."""

    post: Post
    _pings: int = attrs.field(default=0, init=False)
    _writing: list[Member] = attrs.field(factory=list, init=False)
    """Members that something is to be sent to at the end of this turn of the loop."""

    def send(self, member: Member, message: ToWorker) -> None:
        """Send `message` at the end of this turn, after whatever was to be sent before."""
        if not member.outgoing:
            if not self._writing:
                trio.lowlevel.current_trio_token().run_sync_soon(self._flush)
            self._writing.append(member)
        member.outgoing.append(message)

    def ping(self, member: Member, origin: float | None = None) -> None:
        """Ask what its clock says, and tell when the run began by it."""
        self._pings += 1
        member.clock.pinged(self._pings, trio.current_time())
        self.send(member, Ping(self._pings, origin))

    def _flush(self) -> None:
        writing, self._writing = self._writing, []
        for member in writing:
            member.sent_at = trio.current_time()
            self.post.send(member.name, encode_to_worker(member.outgoing))
            member.outgoing.clear()
