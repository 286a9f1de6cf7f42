"""The floor of `connections`: TCP, a TLS handshake with the certificate verified, closed again, in a loop.

    python handshakes.py WORK ENDPOINT CA_FILE SESSIONS SECONDS INTERVAL_SECONDS TURNS

Python's own ssl on blocking sockets (docs.python.org, "ssl", "Client-side operation"): no loop, no upgrade, one at a
time.
"""

import socket
import ssl
import sys
import time
from urllib.parse import urlsplit


def main(work: str, endpoint: str, ca_file: str, sessions: str, seconds: str, interval: str, turns: str) -> None:
    tls = ssl.create_default_context(cafile=ca_file)
    parts = urlsplit(endpoint)
    errors = 0
    until = time.perf_counter() + float(seconds)
    try:
        while time.perf_counter() < until:
            try:
                with (
                    socket.create_connection((parts.hostname, parts.port)) as plain,
                    tls.wrap_socket(plain, server_hostname=parts.hostname),
                ):
                    pass
            except OSError:
                errors += 1
    finally:
        print(f"errors: OSError={errors}", flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
