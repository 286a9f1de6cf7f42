"""From an address to an open socket: TCP and TLS, each failure by its name. Shared by WebSocket and HTTP."""

import errno
import os
import socket
import ssl

import attrs
import trio

from coval_load.engine.handshake_turn import HandshakeTurn
from coval_load.engine.names import Address, Resolver
from coval_load.engine.outcome import ErrorKind, NotReached, SimulationFailed

_SEND_BUFFER_BYTES = 64 * 1024
"""A fixed kernel send buffer, so that an agent that does not read is seen after seconds, not minutes."""

_STREAM = socket.SOCK_STREAM | getattr(socket, "SOCK_NONBLOCK", 0)

_OURS = {
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOBUFS,
    errno.ENOMEM,
    errno.EADDRNOTAVAIL,
    errno.EACCES,
    errno.EPERM,
}


@attrs.define
class Opener:
    """Opens sockets for a run. `tls` is shared: its trust store is loaded once.

    A TLS handshake is a millisecond of arithmetic; `_turn` lets one of them be computed in each round of the
    event loop, so that a thousand callers who dial at once do not make the frames of the others late.
    """

    resolver: Resolver
    tls: ssl.SSLContext
    _turn: HandshakeTurn = attrs.field(factory=HandshakeTurn, init=False)

    async def open(
        self, host: str, port: int, secure: bool, *, what: str = "", tls_hint: str = ""
    ) -> socket.socket | ssl.SSLSocket:
        """A non-blocking socket to `host`, with TLS where `secure`, within the caller's deadline.

        `what` stands before the address in the message of a time-out; `tls_hint` ends that of a failed handshake.
        Raises SimulationFailed: `dns_failed`, `connection_refused`, `connect_timeout` where the kernel gave up,
        `tls_failed`, or `internal` where this machine has run out of something. It is a `NotReached` where dialling
        again may help: not for a private address, nor for a certificate that is wrong.
        """
        raw = await self._connect(await self.resolver.resolve(host, port), what)
        if not secure:
            return raw
        try:
            return await self._secure(raw, host, tls_hint)
        except BaseException:
            raw.close()
            raise

    async def _connect(self, addresses: list[Address], what: str) -> socket.socket:
        for address in addresses[:-1]:
            with trio.move_on_after((trio.current_effective_deadline() - trio.current_time()) / 2):
                try:
                    return await _connect_to(address)
                except OSError:
                    continue  # the last one's failure is the one that is told
        try:
            return await _connect_to(addresses[-1])
        except OSError as error:
            raise _refused(addresses[-1], error, what) from error

    async def _secure(self, raw: socket.socket, host: str, hint: str) -> ssl.SSLSocket:
        try:
            raw.getpeername()  # one that was reset already would raise, and be lost, within `wrap_socket`
            secured = self.tls.wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)
        except OSError as error:
            raise _tls_failed(host, error, hint) from error
        goes_on = False
        try:
            while True:
                try:
                    await self._turn.take(goes_on=goes_on)
                    try:
                        secured.do_handshake()
                        return secured
                    finally:
                        self._turn.give_back()
                except ssl.SSLWantReadError:
                    await trio.lowlevel.wait_readable(secured)
                except ssl.SSLWantWriteError:
                    await trio.lowlevel.wait_writable(secured)
                goes_on = True
        except (OSError, ssl.CertificateError) as error:
            secured.close()
            raise _tls_failed(host, error, hint) from error
        except BaseException:
            secured.close()
            raise


def reason(error: OSError) -> str:
    """What the system calls it, or OpenSSL, whose numbers are not the system's."""
    return os.strerror(error.errno) if error.errno and not isinstance(error, ssl.SSLError) else str(error)


async def _connect_to(address: Address) -> socket.socket:
    # Not Trio's socket: an address needs no looking up, and to make one and take it apart costs as much as dialling.
    raw = socket.socket(address.family, _STREAM)
    try:
        if raw.gettimeout() != 0:
            raw.setblocking(False)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        try:
            raw.connect((address.ip, address.port))
        except BlockingIOError:
            if not _is_connected(raw):
                await trio.lowlevel.wait_writable(raw)
                failed = raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if failed:
                    raise OSError(failed, os.strerror(failed)) from None
    except BaseException:
        raw.close()
        raise
    return raw


def _is_connected(raw: socket.socket) -> bool:
    # As it is at once on the same machine, where to ask costs less than to wait.
    try:
        raw.getpeername()
    except OSError:
        return False
    return True


def _refused(address: Address, error: OSError, what: str) -> SimulationFailed:
    where = f"{address.ip} port {address.port}"
    if error.errno in _OURS:
        return SimulationFailed(
            ErrorKind.INTERNAL,
            f"expected this machine to open a connection to {where}; got: {reason(error)}: "
            "raise its limits (ulimit -n, net.ipv4.ip_local_port_range) or lower the concurrency",
        )
    if error.errno == errno.ETIMEDOUT:
        return NotReached(ErrorKind.CONNECT_TIMEOUT, f"Timeout connecting to {what}{where}")
    return NotReached(
        ErrorKind.CONNECTION_REFUSED,
        f"Connection refused: expected an agent at {where}; got: {reason(error)}: "
        "check that it runs there and that no firewall is in the way",
    )


def _tls_failed(host: str, error: Exception, hint: str) -> SimulationFailed:
    why = (
        getattr(error, "verify_message", "")
        or getattr(error, "reason", "")
        or str(error)
        or "the connection was closed"
    )
    advice = (
        "name the authority that signed it as tls.ca_file in the plan (or give --ca-file)"
        if isinstance(error, ssl.SSLCertVerificationError)
        else f"check that the port speaks TLS{hint}"
    )
    failed = NotReached if _is_hang_up(error) else SimulationFailed
    return failed(ErrorKind.TLS_FAILED, f"expected a TLS handshake with {host} to succeed; got: {why}: {advice}")


def _is_hang_up(error: Exception) -> bool:
    """Whether the connection ended, rather than that the two ends did not agree."""
    return not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
