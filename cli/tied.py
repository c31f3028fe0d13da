"""Becomes another program that ends when its parent does: `python tied.py PARENT_PID COMMAND...`.

Linux sends the chosen signal when the parent is gone, however it went; the setting outlives execve (prctl(2)).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the tie was made
        sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
