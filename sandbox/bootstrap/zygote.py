"""Process 1 of a base sandbox: warms the interpreter once, then forks single-use cells from it.

The service holds the other end of the control socket (SOCK_SEQPACKET, JSON), whose descriptor is the only argument:

    1. service: {"preload": ["numpy", ...], "cell": {...}}            what to import, and what every cell is made of
    2. zygote:  {"warm": {"address_space_bytes": 400000000}}
    3. service: {"make": 7} with the cell's control socket, stdout, stderr and report
    4. zygote:  {"ended": 7, "cpu_s": 0.31, "peak_memory_kib": 120000}    its process 1 is gone, and all others with it

When the service closes its end, this ends, and with process 1 every cell. No user code ever runs here.
"""

import gc
import json
import os
import select
import signal
import socket
import sys
from typing import Any

from sandbox.bootstrap import cell, confinement

_MAX_MESSAGE_BYTES = 131072


def main() -> None:
    """Serve until the service is gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(control.recv(_MAX_MESSAGE_BYTES))
    os.umask(0o022)
    cell.warm(settings["preload"], settings["cell"]["matplotlib"])
    # What is here now stays: a collection in a cell would touch, and so copy, every page of it.
    gc.collect()
    gc.freeze()
    control.send(json.dumps({"warm": {"address_space_bytes": _address_space_bytes()}}).encode())
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker)
    numbers: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([control.fileno(), woken], [], [])
        if control.fileno() in ready:
            message, fds, _, _ = socket.recv_fds(control, _MAX_MESSAGE_BYTES, 4)
            if not message:
                os._exit(0)
            numbers[_fork_cell(fds, settings["cell"])] = json.loads(message)["make"]
        if woken in ready:
            os.read(woken, 4096)
        for ending in _reap(numbers):
            control.send(json.dumps(ending).encode())


def _fork_cell(fds: list[int], settings: dict[str, Any]) -> int:
    """Return the pid of a new cell's process 1; 0 if it could not be made: the cell's control socket then just ends."""
    told, tell = os.pipe()
    between = os.fork()
    if between == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            confinement.leave_namespaces()
            pid = os.fork()
            if pid == 0:
                cell.run(fds[0], fds[1], fds[2], fds[3], settings)
            os.write(tell, str(pid).encode())
        except OSError as error:
            os.write(fds[2], f"{error}\n".encode())
        finally:
            os._exit(0)
    os.close(tell)
    for fd in fds:
        os.close(fd)
    pid = int(os.read(told, 20) or 0)
    os.close(told)
    return pid


def _reap(numbers: dict[int, int]) -> list[dict[str, float]]:
    """Return the endings of the cells whose process 1 has ended."""
    endings: list[dict[str, float]] = []
    while True:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return endings
        if pid == 0:
            return endings
        if pid in numbers:
            cpu_s = usage.ru_utime + usage.ru_stime
            endings.append({"ended": numbers.pop(pid), "cpu_s": cpu_s, "peak_memory_kib": usage.ru_maxrss})


def _address_space_bytes() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123 - as everywhere in the sandbox
        return int(file.read().split()[0]) * os.sysconf("SC_PAGESIZE")
