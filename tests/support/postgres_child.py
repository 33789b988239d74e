"""Becomes a program that refuses to run as root, and that ends when its starter does.

    python postgres_child.py UID GID PROGRAM ARGUMENT...

UID and GID are -1 where the program runs as who started it. Linux ends it with SIGQUIT (for
Postgres: at once) should the starter die without a word; elsewhere it would stay.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(user: int, group: int, *command: str) -> None:
    starter = os.getppid()
    if user >= 0:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    os.umask(0o077)
    if sys.platform == "linux":  # after the change of user, which would forget it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
        if os.getppid() != starter:
            sys.exit("the starter is gone")
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
