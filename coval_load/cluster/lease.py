"""How long silence may last between a coordinator and its workers, in seconds."""

LEASE_S = 10.0
"""A worker that has heard nothing for so long ends all its simulations, and itself.

So the coordinator knows from when on a worker that it can't reach has let go of its agent: what was its place may be
taken by another one.
"""
SILENT_S = 10.0
"""A worker of which nothing was heard for so long is given up: it reports each second."""
