"""A non-blocking socket, plain or TLS, with the two calls that the hot path needs bound once."""

import socket
import ssl
from collections.abc import Callable

import attrs


@attrs.define(eq=False)
class Socket:
    """`recv(n)` and `send(data)` as the kernel or OpenSSL offers them: they raise what these raise.

    With TLS they are `SSLSocket.read` and `.write`, which skip two layers of argument checks of `recv`/`send`.
    """

    raw: socket.socket
    recv: Callable[[int], bytes] = attrs.field(init=False)
    send: Callable[[bytes | bytearray | memoryview], int] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        if isinstance(self.raw, ssl.SSLSocket):
            self.recv, self.send = self.raw.read, self.raw.write
        else:
            self.recv, self.send = self.raw.recv, self.raw.send

    def fileno(self) -> int:
        """The file descriptor; -1 when closed."""
        return self.raw.fileno()

    def close(self) -> None:
        """Close at once, without a TLS close-notify."""
        self.raw.close()
