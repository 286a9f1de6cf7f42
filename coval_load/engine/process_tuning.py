"""What a process that runs the engine's loop asks of Python and of the system."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

if sys.platform != "win32":
    import resource


@contextmanager
def spared_collector() -> Iterator[None]:
    """Keep the garbage collector off the hot path within the block.

    What was loaded so far stays, so it need not be looked at again and again; and what a simulation allocates is
    mostly freed without its help, so it looks more seldom.
    """
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)


def raise_descriptor_limit() -> None:
    """Let this process open as many files and connections as it may."""
    if sys.platform != "win32":
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
