"""Process 1 of a gVisor sandbox: lays out the inputs, runs the program as an ordinary user, hands its files out.

The kernel in here is gVisor's own, so confinement is mostly its: this process only keeps the program from what it needs
itself. /box is a folder of the host that the program, being somebody else, can't enter: the report, how the program
ended, and, once everything else is dead, its files.
"""
# ruff: noqa: PTH102, PTH123 - importing pathlib would slow every sandbox's start

import base64
import json
import os
import resource
import shutil
import signal
import stat

from sandbox.bootstrap import confinement, guest

_UID = 1000
_KILL_ROUNDS = 3


def main() -> None:
    """Run the order in /loupe/order.json."""
    with open("/loupe/order.json") as file:
        order = json.load(file)
    os.umask(0o022)
    shutil.copytree(order["matplotlib"], "/tmp/matplotlib")
    os.chown("/tmp/matplotlib", _UID, _UID)
    os.mkdir("/box/out", 0o700)
    report_fd = os.open("/box/report", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    child = os.fork()
    if child == 0:
        os.chdir("/work")
        confinement.empty_bounding_set()
        os.setgroups([])
        os.setresgid(_UID, _UID, _UID)
        os.setresuid(_UID, _UID, _UID)
        confinement.filter_system_calls(base64.b64decode(order["filter"]))
        guest.run(order["seed"], report_fd)
    os.close(report_fd)
    status = _reap_until(child)
    _end_all_others()
    budget = _Budget(order["inode_count"], order["disk_bytes"])
    _hand_out("/work", "/box/out", {item["name"] for item in order["inputs"]}, budget)
    peak_memory_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with open("/box/exit", "w") as file:
        json.dump({"exit": {"status": status, "peak_memory_kib": peak_memory_kib}}, file)
    os._exit(0)


def _reap_until(child: int) -> int:
    while True:
        pid, status = os.wait()
        if pid == child:
            return status


def _end_all_others() -> None:
    """Leave nobody who could change a file while it is handed out."""
    for _ in range(_KILL_ROUNDS):
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            return
        try:
            while True:
                os.wait()
        except ChildProcessError:
            continue


class _Budget:
    """What may still be handed out: one file with many links would be as many copies on the machine's disk."""

    def __init__(self, files: int, size_bytes: int) -> None:
        self._files = files
        self._bytes = size_bytes

    def allows(self, size_bytes: int) -> bool:
        """Take a file or folder off the budget; False where it is used up."""
        self._files -= 1
        self._bytes -= size_bytes
        return self._files >= 0 and self._bytes >= 0


def _hand_out(source: str, target: str, inputs: set[str], budget: _Budget) -> None:
    """Copy regular files and folders; links, pipes and devices stay. The service looks at the copies again."""
    for entry in sorted(os.scandir(source), key=lambda found: found.name):
        status = entry.stat(follow_symlinks=False)
        kind = status.st_mode
        if (source == "/work" and entry.name in inputs) or not budget.allows(status.st_size):
            continue
        if stat.S_ISDIR(kind):
            os.mkdir(f"{target}/{entry.name}", 0o700)
            _hand_out(entry.path, f"{target}/{entry.name}", set(), budget)
        elif stat.S_ISREG(kind):
            shutil.copyfile(entry.path, f"{target}/{entry.name}", follow_symlinks=False)
