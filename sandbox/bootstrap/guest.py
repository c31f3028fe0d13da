"""Runs the user's program in this process as `python program.py` would, and reports what only Python can know.

The report (two lines of JSON) is written by the same process as the user's code, which may forge it: the service bounds
what it reads, checks its form, and decides nothing by it but how the program's own failure reads.
"""
# ruff: noqa: PTH123 - importing pathlib would slow every sandbox's start

import __future__

import ast
import atexit
import errno
import json
import os
import socket
import sys
import threading
import types
import warnings
from typing import NoReturn

from sandbox.bootstrap import library_hooks, shown_value

PROGRAM = "/loupe/program.py"
_MAX_MESSAGE_CHARS = 2000
_MAX_NOTES = 10
_MAX_SHOWN_BYTES = 900_000  # the service reads a report of up to 1 MiB
_FUTURE = 0
for _feature in __future__.all_feature_names:
    _FUTURE |= getattr(__future__, _feature).compiler_flag
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NETWORK = {errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH}


def run(hooks: library_hooks.LibraryHooks, seed: int, report_fd: int) -> NoReturn:
    """Execute the program, then leave: the end marker is the exit, without the interpreter's slow teardown."""
    own_pid = os.getpid()
    hooks.seed(seed)
    module = new_main()
    with open(PROGRAM, "rb") as file:
        source = file.read()
    executed = execute(source, module, PROGRAM)
    if os.getpid() != own_pid:  # a fork of the program that ran to the end
        leave(executed.code)
    # Before anything that may wait for ever.
    write_report(report_fd, executed, hooks)
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # waits for non-daemon threads, as the interpreter does
        atexit._run_exitfuncs()
    except BaseException as late:
        sys.excepthook(type(late), late, late.__traceback__)
    leave(executed.code)


def prepare() -> library_hooks.LibraryHooks:
    """Make the interpreter what a program expects to find; all but the seed, before there is a program."""
    hooks = library_hooks.install(PROGRAM)
    # Under Agg plt.show() has nothing to show, and warns; the figure is captured instead.
    warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
    sys.argv = [PROGRAM]
    sys.path[:] = ["/work", *(path for path in sys.path if path != "/loupe")]
    # Once for nothing: a forked process has to copy every page that it writes to for the first time.
    hooks.seed(0)
    execute(b"x = 0\nx", types.ModuleType("__main__"), PROGRAM)
    return hooks


def new_main() -> types.ModuleType:
    """Return a fresh `__main__`, in place of our own."""
    module = types.ModuleType("__main__")
    module.__file__ = PROGRAM
    sys.modules["__main__"] = module
    return module


class Executed:
    """How a program went, while its process still lives."""

    def __init__(self, code: int, error: BaseException | None = None, value: object = None) -> None:
        self.code = code
        self.error = error
        """The uncaught exception, if any."""
        self.value = value
        """Of the last statement, where that is an expression."""


def execute(source: bytes, module: types.ModuleType, name: str) -> Executed:
    """Execute a program in a module, under a file name."""
    try:
        body, last = _compiled(source, name)
        exec(body, module.__dict__)
        return Executed(0, value=eval(last, module.__dict__) if last else None)
    except SystemExit as leaving:
        return Executed(_exit_code(leaving))
    except BaseException as error:
        own_frames = error.__traceback__
        # The first frame is this function's.
        error.__traceback__ = own_frames.tb_next if own_frames else None
        sys.excepthook(type(error), error, error.__traceback__)
        return Executed(1, error)


def _compiled(source: bytes, name: str) -> tuple[types.CodeType, types.CodeType | None]:
    """Return the program, and apart from it its last statement where that is an expression with a value."""
    tree = ast.parse(source, name)
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        return compile(tree, name, "exec", dont_inherit=True), None
    tree.body.pop()
    body = compile(tree, name, "exec", dont_inherit=True)
    # What the program imports from __future__ holds for its last line, too.
    expression = compile(ast.Expression(last.value), name, "eval", body.co_flags & _FUTURE, dont_inherit=True)
    return body, expression


def write_report(report_fd: int, executed: Executed, hooks: library_hooks.LibraryHooks, program: str = PROGRAM) -> None:
    """Capture what there is to show, and write the report: a line of what happened, and one of what was shown."""
    captured = hooks.capture_figures("/work")
    try:
        value = shown_value.describe(executed.value)
    except BaseException as error:  # of the value's own __repr__, say
        value = None
        hooks.notes.append(f"the last value could not be shown: {type(error).__name__}"[:500])
    shown = {"figures": hooks.figures, "value": value}
    if len(json.dumps(shown)) > _MAX_SHOWN_BYTES:
        shown["figures"] = []
        hooks.notes.append("more was drawn than can be told as numbers")
    happened = {
        "error": executed.error and _described(executed.error, program),
        "figures": captured,
        "notes": hooks.notes[:_MAX_NOTES],
    }
    report = "".join(json.dumps(part) + "\n" for part in (happened, shown)).encode()
    while report:
        report = report[os.write(report_fd, report) :]


def _exit_code(leaving: SystemExit) -> int:
    if leaving.code is None or isinstance(leaving.code, int):
        return (leaving.code or 0) & 0xFF
    sys.stderr.write(f"{leaving.code}\n")
    return 1


def _described(error: BaseException, program: str) -> dict[str, object]:
    try:
        message = str(error)[:_MAX_MESSAGE_CHARS].encode(errors="replace").decode()
    except Exception:  # the program's own __str__
        message = ""
    return {"type": type(error).__name__, "message": message, "line": _line(error, program), "refused": _refused(error)}


def _line(error: BaseException, program: str) -> int:
    """Return the deepest line of the program in the traceback; 0 if it is nowhere in it."""
    if isinstance(error, SyntaxError) and error.filename == program:
        return error.lineno or 0
    line, traceback = 0, error.__traceback__
    while traceback:
        if traceback.tb_frame.f_code.co_filename == program:
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


def leave(code: int) -> NoReturn:
    """End this process, with what it wrote."""
    flush()
    os._exit(code)


def flush() -> None:
    """Write out what the program wrote."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # closed or replaced by the program
            continue
