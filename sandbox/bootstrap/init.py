"""Process 1 of a sandbox: finishes the confinement, starts the program, reaps, and tells how it ended.

The service holds the other end of the control socket (SOCK_SEQPACKET, JSON). In order: the service sends the order;
init answers {"ready": true} with a descriptor of /work, by which the service collects the outputs after everything here
is dead; init sends {"exit": ...} and ends, and with process 1 the kernel ends every other.
"""
# ruff: noqa: PTH208 - importing pathlib would slow every sandbox's start

import base64
import json
import os
import resource
import signal
import socket
import sys

from sandbox.bootstrap import confinement, guest

_MAX_ORDER_BYTES = 131072


def main() -> None:
    """Run the order that arrives on the control socket; arguments are the descriptors control, report, spool."""
    control_fd, report_fd, spool_fd = (int(text) for text in sys.argv[1:4])
    _close_all_but({0, 1, 2, control_fd, report_fd, spool_fd})
    control = socket.socket(fileno=control_fd)
    order = json.loads(control.recv(_MAX_ORDER_BYTES))
    os.umask(0o022)
    inputs = [(item["name"], item["size_bytes"]) for item in order["inputs"]]
    confinement.build_box(order["disk_bytes"], order["inode_count"], order["matplotlib"], inputs, spool_fd)
    os.close(spool_fd)
    confinement.seal_proc()
    os.chdir("/work")
    work_fd = os.open("/work", os.O_RDONLY | os.O_DIRECTORY)
    confinement.bound_resources(order["rlimits"], order["cpus"])
    confinement.drop_privileges()
    confinement.filter_system_calls(base64.b64decode(order["filter"]))
    # Python's own handler would let the program interrupt its process 1.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    socket.send_fds(control, [b'{"ready": true}'], [work_fd])
    os.close(work_fd)

    child = os.fork()
    if child == 0:
        control.close()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        confinement.set_dumpable(True)
        guest.run(order["seed"], report_fd)
    os.close(report_fd)
    status = _reap_until(child)
    peak_memory_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    ending = {"status": status, "peak_memory_kib": peak_memory_kib}
    control.send(json.dumps({"exit": ending}).encode())
    os._exit(0)


def _reap_until(child: int) -> int:
    """Return the child's wait status, collecting the orphans that end before it."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return status


def _close_all_but(kept: set[int]) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:  # the listing's own descriptor
                continue
