"""Files that a plan names: looked for where they are named, and faulted where they are not there."""

import mimetypes
import ssl
from pathlib import Path

LARGEST_IMAGE = 10 * 1024 * 1024
"""Bytes."""


class FileFault(Exception):
    """A file that can't be used; the message says why."""


def find_file(folder: Path, name: str) -> Path:
    """The absolute path of file `name`, seen from `folder`. Raises `FileFault` where there is no such file."""
    path = (folder / name).absolute()
    try:
        is_there = path.is_file()
    except (OSError, ValueError):
        is_there = False
    if not is_there:
        raise FileFault(f"expected a file at {path}; there is none")
    return path


def find_authorities(folder: Path, name: str) -> Path:
    """As `find_file`, for a PEM file of certificate authorities that TLS can load."""
    path = find_file(folder, name)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        raise FileFault(f"expected certificates in PEM at {path}; got: {reason}") from None
    return path


def find_image(folder: Path, name: str) -> Path:
    """As `find_file`, for an image of at most `LARGEST_IMAGE` bytes; its suffix says that it is one."""
    path = find_file(folder, name)
    mime_type = mimetypes.guess_type(path.name)[0]
    if mime_type is None or not mime_type.startswith("image/"):
        raise FileFault(f"expected an image (.png, .jpg, .webp, ...); got {path.name}")
    size = path.stat().st_size
    if size > LARGEST_IMAGE:
        raise FileFault(f"expected an image of at most {LARGEST_IMAGE} bytes; got {size}")
    return path
