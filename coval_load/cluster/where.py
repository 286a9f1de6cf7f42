"""Where the workers of a run are: on this machine, or in a Dask cluster that is there already."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

import attrs

DEFAULT_PORT = 8786
"""What a Dask scheduler listens at where nothing else is said (`dask scheduler --port`)."""
_SAFE = ("tls",)
_PLAIN = ("tcp",)


@attrs.frozen
class Local:
    """So many worker processes on this machine."""

    workers: int


@attrs.frozen
class Remote:
    """A Dask cluster, by its scheduler's address. `allow_plaintext`: agents' secrets may cross a network so."""

    address: str
    allow_plaintext: bool = False

    @property
    def is_encrypted(self) -> bool:
        """Whether all that is sent to it travels over TLS."""
        return is_encrypted(self.address)


Where = Local | Remote


def read_address(text: str, *, allow_plaintext: bool = False) -> Remote:
    """The cluster whose scheduler is at `text`: `tls://host:port` or `tcp://host:port`; the port may be left out.

    ValueError, for people, for anything else; and for `tcp://` to another machine unless `allow_plaintext`.
    """
    parts = _split(text)
    if parts.scheme in _PLAIN and not allow_plaintext and not _is_loopback_host(parts.hostname or ""):
        raise ValueError(
            "expected tls:// for a scheduler on another machine, since agents' secrets travel to the workers; "
            f"got {text}: set up TLS for the Dask cluster, and give its certificates here as well "
            "(DASK_DISTRIBUTED__COMM__TLS__CA_FILE, DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT, "
            "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY), or allow it with --cluster-plaintext"
        )
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return Remote(f"{parts.scheme}://{host}:{_port(parts) or DEFAULT_PORT}", allow_plaintext)


def is_encrypted(address: str) -> bool:
    """Whether a Dask address (`tls://10.0.0.7:40123`) is reached over TLS."""
    return address.partition("://")[0] in _SAFE


def is_loopback(address: str) -> bool:
    """Whether what is sent to a Dask address stays on this machine.

    So it does for `localhost`, 127.0.0.0/8 (RFC 1122, 3.2.1.3) and ::1 (RFC 4291, 2.5.3).
    """
    try:
        return _is_loopback_host(urlsplit(address).hostname or "")
    except ValueError:
        return False


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        is_plain = not (parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)
        fits = parts.scheme in _SAFE + _PLAIN and parts.hostname and is_plain and _port(parts) != 0
    except ValueError:
        fits = False
    if not fits or not text.isprintable() or " " in text:
        raise ValueError(
            f"expected the address of a Dask scheduler, such as tls://scheduler:8786; got {text!r}: "
            "give a scheme (tls or tcp), a host and a port"
        )
    return parts


def _port(parts: SplitResult) -> int | None:
    return parts.port


def _is_loopback_host(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
