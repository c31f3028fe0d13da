"""Process 2 of a session: executes one program after the other in the same variables and files.

It is confined as every program is before it hears of the first. Its end of the cell's control socket stays open:

    1. service:  {"run": 1, "seed": 0, "program_bytes": 20, "inputs": [...]} with descriptors of the program's bytes,
                 stdout, stderr, the report and, where there are any, the inputs' bytes
    2. resident: {"done": 1, "code": 0}; the report was written before

The programs can reach the socket: the service believes nothing on it but that a run is over.
"""
# ruff: noqa: PTH101, PTH108, PTH123 - importing pathlib would slow every sandbox's start

import json
import linecache
import os
import socket
import sys
import traceback
import types
from typing import Any, NoReturn

from sandbox.bootstrap import confinement, guest, library_hooks

_MAX_ORDER_BYTES = 131072


def serve(control: socket.socket, hooks: library_hooks.LibraryHooks) -> NoReturn:
    """Execute what is ordered until the service hangs up."""
    own_pid = os.getpid()
    module = guest.new_main()
    sys.excepthook = _print_exception
    is_seeded = False
    while True:
        message, fds, _, _ = socket.recv_fds(control, _MAX_ORDER_BYTES, 5)
        if not message:
            os._exit(0)
        order = json.loads(message)
        source_fd, stdout, stderr, report_fd = fds[:4]
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        if not is_seeded:
            hooks.seed(order["seed"])
            is_seeded = True
        _lay_inputs(order["inputs"], fds[4:])
        name = f"/loupe/program-{order['run']}.py"
        hooks.begin(name)
        source = os.pread(source_fd, order["program_bytes"], 0)
        for fd in (source_fd, stdout, stderr, *fds[4:]):
            os.close(fd)
        # Functions outlive their run: a traceback finds its lines here, since no such file exists.
        text = source.decode(errors="replace")
        linecache.cache[name] = (len(source), None, text.splitlines(keepends=True), name)
        executed = guest.execute(source, module, name)
        if os.getpid() != own_pid:  # a fork of the program that ran to the end
            guest.leave(executed.code)
        guest.write_report(report_fd, executed, hooks, name)
        hooks.close_figures()
        guest.flush()
        os.close(report_fd)
        control.send(json.dumps({"done": order["run"], "code": executed.code}).encode())


def _lay_inputs(inputs: list[dict[str, Any]], fds: list[int]) -> None:
    """Write inputs as plain files: mounts, which would keep them unchanged, need rights that are gone."""
    offset = 0
    for item in inputs:
        path = f"/work/{item['name']}"
        if os.path.lexists(path):
            os.unlink(path)
        with open(path, "xb") as file:
            confinement.copy_bytes(fds[0], offset, file.fileno(), item["size_bytes"])
        os.chmod(path, 0o444)
        offset += item["size_bytes"]


def _print_exception(kind: type[BaseException], error: BaseException, trace: types.TracebackType | None) -> None:
    """Print as the interpreter would; its own printing looks for lines in files only."""
    traceback.print_exception(kind, error, trace)
