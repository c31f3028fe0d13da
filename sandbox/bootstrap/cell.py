"""One single-use sandbox, forked from the warm zygote: built ahead of time, it waits for its one program.

Process 1 reaps and tells how the program ended; process 2 becomes the program. Each holds its own end of the control
socket (SOCK_SEQPACKET, JSON) until then:

    1. process 1: {"made": true} with pidfds of both
    2. service:   the order, with a descriptor of the program's bytes, and one of its inputs' where there are any
    3. process 2: {"ready": true} with a descriptor of /work, by which the outputs are collected when all here are dead
    4. process 1: {"exit": {"status": 0, ...}}, and ends; with process 1 the kernel ends every other

In a session process 2 keeps its end, and hears of its programs there (`resident`).
"""
# ruff: noqa: PTH208 - importing pathlib would slow every sandbox's start

import base64
import importlib
import io
import json
import os
import resource
import signal
import socket
from typing import Any, NoReturn

from sandbox.bootstrap import confinement, guest, resident

_MAX_ORDER_BYTES = 131072
_LARGEST_PROGRAM_BYTES = 1048576  # four times what the contract lets through


def warm(preload: list[str], matplotlib: str) -> None:
    """Import what programs will, and use it once: much is loaded at first use only."""
    confinement.copy_settings(matplotlib)
    for name in preload:
        importlib.import_module(name)
    if "matplotlib.pyplot" in preload:
        importlib.import_module("sandbox.bootstrap.figure_data")
        _draw()


def _draw() -> None:
    pyplot = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots()
    axes.plot([0, 1], [0, 1], label="a")
    axes.bar([0, 1], [1, 2])
    axes.legend()
    figure.savefig(io.BytesIO(), format="png")
    pyplot.close(figure)


def run(control_fd: int, stdout: int, stderr: int, report_fd: int, settings: dict[str, Any]) -> NoReturn:
    """Be process 1 of a cell in namespaces of its own."""
    os.setsid()
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    _close_all_but({0, 1, 2, control_fd, report_fd})
    try:
        control = socket.socket(fileno=control_fd)
        confinement.mount_proc(settings["hidden"])
        confinement.build_box(settings["disk_bytes"], settings["inode_count"], settings["matplotlib"])
        confinement.seal_proc()
        program_fd = confinement.mount_over(guest.PROGRAM, _LARGEST_PROGRAM_BYTES)
        os.chdir("/work")
        program = os.fork()
        if program == 0:
            _become_program(control, report_fd, program_fd, settings)
        os.close(report_fd)
        os.close(program_fd)
        pidfds = [os.pidfd_open(os.getpid()), os.pidfd_open(program)]
        socket.send_fds(control, [b'{"made": true}'], pidfds)
        for pidfd in pidfds:
            os.close(pidfd)
        confinement.empty_bounding_set()
        confinement.drop_privileges()
        confinement.filter_system_calls(base64.b64decode(settings["filter"]))
        # Python's own handler would let the program interrupt its process 1.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        status = _reap_until(program)
        peak_memory_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        control.send(json.dumps({"exit": {"status": status, "peak_memory_kib": peak_memory_kib}}).encode())
        os._exit(0)
    except BaseException as error:
        _give_up(error)


def _become_program(control: socket.socket, report_fd: int, program_fd: int, settings: dict[str, Any]) -> NoReturn:
    """Wait for the order, finish the confinement with the last rights there are, give them up, run the program."""
    try:
        # All that can be done before there is a program: its first output waits for the rest.
        confinement.empty_bounding_set()
        syscall_filter = base64.b64decode(settings["filter"])
        hooks = guest.prepare()
        _rehearse(program_fd)
        message, fds, _, _ = socket.recv_fds(control, _MAX_ORDER_BYTES, 2)
        if not message:
            os._exit(0)
        order = json.loads(message)
        confinement.copy_bytes(fds[0], 0, program_fd, order["program_bytes"])
        confinement.seal_mounted(guest.PROGRAM, program_fd)
        inputs = [(item["name"], item["size_bytes"]) for item in order["inputs"]]
        bounds = order["disk_bytes"], order["inode_count"]
        if inputs or bounds != (settings["disk_bytes"], settings["inode_count"]):
            confinement.resize_box(*bounds, settings["matplotlib"], len(inputs))
        if inputs:
            confinement.lay_inputs(inputs, fds[1])
        for fd in fds:
            os.close(fd)
        # Opened again: the folder in which this process stands was there before the mounts.
        os.chdir("/work")
        work_fd = os.open("/work", os.O_RDONLY | os.O_DIRECTORY)
        confinement.bound_resources(order["rlimits"], order["cpus"])
        confinement.drop_privileges()
        confinement.filter_system_calls(syscall_filter)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        socket.send_fds(control, [b'{"ready": true}'], [work_fd])
        os.close(work_fd)
        confinement.set_dumpable(True)
        if order["is_session"]:
            os.close(report_fd)  # each run brings one of its own
        else:
            control.close()
    except BaseException as error:
        _give_up(error)
    if order["is_session"]:
        resident.serve(control, hooks)
    guest.run(hooks, order["seed"], report_fd)


def _rehearse(program_fd: int) -> None:
    """Take every step that waits for the order once without its effect.

    A forked process meets each page of code and memory anew; met here, they cost the program's first output nothing.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    program = os.memfd_create("rehearsal")
    os.write(program, b"x = 0")
    limits = {name: resource.getrlimit(getattr(resource, name))[1] for name in ("RLIMIT_AS", "RLIMIT_NPROC")}
    order = json.dumps({"program_bytes": 5, "inputs": [], "rlimits": limits, "cpus": []})
    socket.send_fds(ours, [order.encode()], [program])
    message, fds, _, _ = socket.recv_fds(theirs, _MAX_ORDER_BYTES, 2)
    heard = json.loads(message)
    confinement.copy_bytes(fds[0], 0, program_fd, heard["program_bytes"])
    confinement.rehearse(guest.PROGRAM)
    confinement.bound_resources(heard["rlimits"], heard["cpus"])
    os.ftruncate(program_fd, os.lseek(program_fd, 0, os.SEEK_SET))
    for fd in (program, *fds):
        os.close(fd)
    ours.close()
    theirs.close()


def _give_up(error: BaseException) -> NoReturn:
    """Tell the service, which reads it as the program's output, why there is no sandbox."""
    os.write(2, f"{type(error).__name__}: {error}\n".encode())
    os._exit(70)


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
