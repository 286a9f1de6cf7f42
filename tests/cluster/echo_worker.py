"""Stands in for a worker's process: echoes pieces with what it is told to do by some of them."""

import os
import signal
import sys
import time

from coval_load.cluster.pipes import read_piece, write_piece

out, into = sys.stdout.buffer, sys.stdin.buffer


def obey(piece):
    match piece.split(b" "):
        case [b"exit", status]:
            sys.exit(int(status))
        case [b"stop"]:
            os.kill(os.getpid(), signal.SIGSTOP)
        case [b"linger"]:
            while True:
                time.sleep(60)
        case [b"garbage"]:
            os.write(1, b"\xff" * 10)
        case _:
            write_piece(out, piece)


write_piece(out, b"pid %d" % os.getpid())
while (read := read_piece(into)) is not None:
    obey(read)
