"""What a coordinator sends to its workers."""

import attrs
import trio

from coval_load.cluster.member import Member
from coval_load.cluster.messages import Ping, ToWorker, encode_to_worker
from coval_load.cluster.post import Post


@attrs.define(eq=False)
class Mail:
    """Sends over `post`, each message by itself: what carries them puts together what is sent at about the same time.

    No call waits.
    """

    post: Post
    _pings: int = attrs.field(default=0, init=False)

    def send(self, member: Member, message: ToWorker) -> None:
        """Send `message`, after whatever was sent before."""
        member.sent_at = trio.current_time()
        self.post.send(member.name, encode_to_worker((message,)))

    def ping(self, member: Member, origin: float | None = None) -> None:
        """Ask what its clock says, and tell when the run began by it."""
        self._pings += 1
        member.clock.pinged(self._pings, trio.current_time())
        self.send(member, Ping(self._pings, origin))
