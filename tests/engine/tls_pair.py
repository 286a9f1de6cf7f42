"""Two ends of a TLS connection over a pair of sockets."""

import ssl
from functools import cache

import trustme
from agent_end import pair

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_WAITS = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


@cache
def _contexts(version):
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("agent.example").configure_cert(server)
    authority.configure_trust(client)
    for context in (server, client):
        context.minimum_version = context.maximum_version = VERSIONS[version]
    return client, server


def secured_pair(version="1.3"):
    """A caller's end and an agent's, both non-blocking, after the handshake."""
    ours, theirs = pair()
    client, server = _contexts(version)
    caller = client.wrap_socket(ours, server_hostname="agent.example", do_handshake_on_connect=False)
    agent = server.wrap_socket(theirs, server_side=True, do_handshake_on_connect=False)
    waiting = [caller, agent]
    while waiting:
        for end in tuple(waiting):
            try:
                end.do_handshake()
            except _WAITS:
                continue
            waiting.remove(end)
    return caller, agent


def say_goodbye(end):
    """A close-notify, without waiting for the other's."""
    try:
        end.unwrap()
    except (*_WAITS, ssl.SSLSyscallError, BlockingIOError):
        pass


def received(end):
    """What has come to `end` so far."""
    came = b""
    while True:
        try:
            data = end.recv(1 << 16)
        except (*_WAITS, BlockingIOError):
            return came
        if not data:
            return came
        came += data
