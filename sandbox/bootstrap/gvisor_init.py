"""Both processes of a gVisor sandbox that is made ahead of time and waits for its one program.

Process 2 imports what programs will, waits, and becomes the program; process 1 reaps, ends what is left and hands the
files out. The kernel in here is gVisor's own, so confinement is mostly its: process 1 only keeps the program from what
it needs itself. /box is a folder of the host that the program, being somebody else, can't enter: the report, and, once
everything else is dead, the files. What else there is to say goes over stdin, a socket (lines of JSON) that the program
never has:

    1. service:   {"preload": ["numpy", ...], "disk_bytes": 104857600, ...}    what every program gets
    2. process 2: {"waiting": true}
    3. service:   {"program_bytes": 8, "inputs": [...], ...}, then those bytes, then the inputs'
    4. process 2: {"ready": true}
    5. process 1: {"exit": {"status": 0, ...}}; what is left is killed from outside
"""
# ruff: noqa: PTH101, PTH102, PTH123, PTH208 - importing pathlib would slow every sandbox's start

import base64
import contextlib
import gc
import io
import json
import os
import resource
import shutil
import signal
import socket
import stat
import sys
import time
from typing import Any, NoReturn

from sandbox.bootstrap import cell, confinement, guest

_UID = 1000
_BETWEEN_KILLS_S = 0.001
_PIECE_BYTES = 1048576
_ORDER = "/loupe/order.json"
_BOX = "/inside"


def main() -> None:
    """Serve one program."""
    control = socket.socket(fileno=os.dup(0))
    heard = control.makefile("rb")
    settings = json.loads(heard.readline())
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.umask(0o022)
    os.mkdir("/box/out", 0o700)
    report_fd = os.open("/box/report", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    program = os.fork()
    if program == 0:
        _become_program(control, heard, report_fd, settings)
    os.close(report_fd)
    status = _reap_until(program)
    _end_all_others()
    with open(_ORDER) as file:
        order = json.load(file)
    inputs = {item["name"] for item in order["inputs"]}
    left = os.statvfs("/work")
    _hand_out("/work", "/box/out", inputs, _Budget(order["inode_count"], order["disk_bytes"]))
    said = {
        "status": status,
        "peak_memory_kib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,
        "is_disk_full": left.f_bavail == 0,
    }
    control.sendall(json.dumps({"exit": said}).encode() + b"\n")
    control.recv(1)  # nothing comes: the service kills this


def _become_program(
    control: socket.socket, heard: io.BufferedReader, report_fd: int, settings: dict[str, Any]
) -> NoReturn:
    """Warm up, wait for the program, lay it and its inputs out, give up every right, run it."""
    _build_box(settings["disk_bytes"], settings["matplotlib"])
    cell.warm(settings["preload"], settings["matplotlib"])
    _own_settings()
    _forget_fonts()
    confinement.empty_bounding_set()
    syscall_filter = base64.b64decode(settings["filter"])
    hooks = guest.prepare()
    control.sendall(b'{"waiting": true}\n')
    order = json.loads(heard.readline() or b"null")
    if order is None:
        os._exit(0)
    with open(_ORDER, "x") as file:
        json.dump(order, file)
    with open(guest.PROGRAM, "xb") as file:
        _copy(heard, file, order["program_bytes"])
    inputs = [(item["name"], item["size_bytes"]) for item in order["inputs"]]
    if inputs or order["disk_bytes"] != settings["disk_bytes"]:
        _build_box(order["disk_bytes"] + sum(map(_pages, (size for _, size in inputs))), settings["matplotlib"])
        confinement.copy_settings(settings["matplotlib"])
        _own_settings()
        _lay_inputs(inputs, heard)
    heard.close()
    os.chdir("/work")
    _bound("RLIMIT_AS", order["address_space_bytes"] + _address_space_bytes())
    _bound("RLIMIT_FSIZE", order["file_bytes"])
    os.setgroups([])
    os.setresgid(_UID, _UID, _UID)
    os.setresuid(_UID, _UID, _UID)
    confinement.filter_system_calls(syscall_filter)
    control.sendall(b'{"ready": true}\n')
    control.close()
    guest.run(hooks, order["seed"], report_fd)


def _lay_inputs(inputs: list[tuple[str, int]], source: io.BufferedReader) -> None:
    """Lay files into /work, each a mount point: under gVisor a sticky folder does not keep one from being replaced."""
    os.mkdir(f"{_BOX}/inputs")
    for name, size in inputs:
        for path in (f"{_BOX}/inputs/{name}", f"/work/{name}"):
            with open(path, "xb") as file:
                os.fchmod(file.fileno(), 0o444)
                _copy(source, file, size if path.startswith(_BOX) else 0)
        confinement.bind(f"{_BOX}/inputs/{name}", f"/work/{name}")


def _build_box(size_bytes: int, matplotlib: str) -> None:
    """Make /work, /tmp and /dev/shm one bounded file system of their own; what they were before is covered."""
    # What we put there ourselves is not taken from the program's share.
    size_bytes += sum(_pages(entry.stat().st_size) for entry in os.scandir(matplotlib))
    # The program can't enter the box itself.
    confinement.mount_bounded(_BOX, f"size={size_bytes},mode=0700")
    for folder, target in (("work", "/work"), ("tmp", "/tmp"), ("shm", "/dev/shm")):
        os.mkdir(f"{_BOX}/{folder}")
        os.chmod(f"{_BOX}/{folder}", 0o1777)
        confinement.bind(f"{_BOX}/{folder}", target)


def _own_settings() -> None:
    """Give matplotlib's folder to the program, which may want to write there."""
    os.chown("/tmp/matplotlib", _UID, _UID)
    for name in os.listdir("/tmp/matplotlib"):
        os.chown(f"/tmp/matplotlib/{name}", _UID, _UID)


def _forget_fonts() -> None:
    """Close the font files that matplotlib keeps open, as it does itself at a fork: no program inherits one."""
    font_manager = sys.modules.get("matplotlib.font_manager")
    if font_manager:
        font_manager._get_font.cache_clear()
        gc.collect()


def _copy(source: io.BufferedReader, target: io.BufferedWriter, size: int) -> None:
    while size:
        piece = source.read(min(size, _PIECE_BYTES))
        if not piece:
            raise EOFError("the service is gone")
        target.write(piece)
        size -= len(piece)


def _bound(name: str, value: int) -> None:
    resource.setrlimit(getattr(resource, name), (value, value))


def _address_space_bytes() -> int:
    """Return what the warm interpreter has reserved: the program's limit begins there."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGESIZE")


def _pages(size: int) -> int:
    page = os.sysconf("SC_PAGESIZE")
    return -(-size // page) * page


def _reap_until(child: int) -> int:
    while True:
        pid, status = os.wait()
        if pid == child:
            return status


def _end_all_others() -> None:
    """Leave nobody who could change a file while it is handed out: one that is just being forked escapes a signal."""
    while True:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return  # everybody's ancestor is this process
        time.sleep(_BETWEEN_KILLS_S)


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
