"""Runs the user's program in this process as `python program.py` would, and reports what only Python can know.

The report (JSON on a pipe) is written by the same process as the user's code, which may forge it: the service takes
nothing from it but the exception and which files are captured figures.
"""
# ruff: noqa: PTH123 - importing pathlib would slow every sandbox's start

import atexit
import errno
import json
import os
import random
import socket
import sys
import threading
import types
import warnings
from typing import NoReturn

from sandbox.bootstrap import library_hooks

PROGRAM = "/loupe/program.py"
_MAX_MESSAGE_CHARS = 2000
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NETWORK = {errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH}


def run(seed: int, report_fd: int) -> NoReturn:
    """Execute the program, then leave: the end marker is the exit, without the interpreter's slow teardown."""
    own_pid = os.getpid()
    hooks = library_hooks.install(seed)
    random.seed(seed)
    # Under Agg plt.show() has nothing to show, and warns; the figure is captured instead.
    warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
    sys.argv = [PROGRAM]
    sys.path[:] = ["/work", *(path for path in sys.path if path != "/loupe")]
    error, code = _execute()
    if os.getpid() != own_pid:  # a fork of the program that ran to the end
        _leave(code)
    figures, notes = hooks.capture_figures("/work")
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # waits for non-daemon threads, as the interpreter does
        atexit._run_exitfuncs()
    except BaseException as late:
        sys.excepthook(type(late), late, late.__traceback__)
    report = {"error": error and _described(error), "figures": figures, "notes": notes}
    os.write(report_fd, json.dumps(report).encode())
    _leave(code)


def _execute() -> tuple[BaseException | None, int]:
    """Return the uncaught exception, if any, and the exit code."""
    module = types.ModuleType("__main__")
    module.__file__ = PROGRAM
    sys.modules["__main__"] = module
    try:
        with open(PROGRAM, "rb") as file:
            code = compile(file.read(), PROGRAM, "exec", dont_inherit=True)
        exec(code, module.__dict__)
    except SystemExit as leaving:
        return None, _exit_code(leaving)
    except BaseException as error:
        own_frames = error.__traceback__
        # The first frame is this function's.
        error.__traceback__ = own_frames.tb_next if own_frames else None
        sys.excepthook(type(error), error, error.__traceback__)
        return error, 1
    return None, 0


def _exit_code(leaving: SystemExit) -> int:
    if leaving.code is None or isinstance(leaving.code, int):
        return (leaving.code or 0) & 0xFF
    sys.stderr.write(f"{leaving.code}\n")
    return 1


def _described(error: BaseException) -> dict[str, object]:
    try:
        message = str(error)[:_MAX_MESSAGE_CHARS]
    except Exception:  # the program's own __str__
        message = ""
    return {"type": type(error).__name__, "message": message, "line": _line(error), "refused": _refused(error)}


def _line(error: BaseException) -> int:
    """Return the deepest line of the program in the traceback; 0 if it is nowhere in it."""
    if isinstance(error, SyntaxError) and error.filename == PROGRAM:
        return error.lineno or 0
    line, traceback = 0, error.__traceback__
    while traceback:
        if traceback.tb_frame.f_code.co_filename == PROGRAM:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def _refused(error: BaseException) -> str:
    """Return which limit the exception tells of, through its causes; empty if none."""
    seen: list[object] = []
    while isinstance(error, BaseException) and error not in seen and len(seen) < 20:
        seen.append(error)
        if isinstance(error, MemoryError):
            return "memory"
        if isinstance(error, socket.gaierror):
            return "network"
        if isinstance(error, OSError) and error.errno in _DISK:
            return "disk"
        if isinstance(error, OSError) and error.errno in _NETWORK:
            return "network"
        if isinstance(error, BlockingIOError) or str(error) == "can't start new thread":
            return "processes"
        following = getattr(error, "reason", None) or error.__cause__
        if following is None and not error.__suppress_context__:
            following = error.__context__
        error = following  # type: ignore[assignment]  # the loop's condition checks it
    return ""


def _leave(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # closed or replaced by the program
            continue
    os._exit(code)
