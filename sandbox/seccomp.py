"""The system call filter as a classic BPF program.

A deny list: what can leave the sandbox, watch others or widen the kernel's attack surface is refused; the rest of a
data stack runs as anywhere. Instruction format as in linux/filter.h and linux/seccomp.h.
"""

import errno
import json
import platform
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

_LOAD_WORD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
# Offsets in struct seccomp_data; the low half of an argument on the little-endian machines we know.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

_X32_BIT = 0x40000000
# CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
_NEW_NAMESPACES = 0x7E020000
_AF_UNIX = 1
# Both push bytes into another reader of a terminal.
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_PERSONALITY_ASK = 0xFFFFFFFF


class UnknownMachine(Exception):
    """No table of system calls for this processor."""


def program(refused: Mapping[str, Sequence[str]], machine: str | None = None) -> bytes:
    """Return the filter, 8 bytes an instruction.

    Args:
      refused: names of system calls by the errno they give ("EPERM").
      machine: as `platform.machine()` says it.
    Another architecture's call (int 0x80, x32) kills the process. Calls newer than the table give ENOSYS: programs have
    to live with their absence anyway, and nobody has judged them. A socket of any family but AF_UNIX is ENETUNREACH.
    Raises:
      UnknownMachine: neither x86_64 nor aarch64.
      KeyError: a name that is no system call anywhere.
    """
    tables = json.loads(Path(__file__).with_name("syscalls.json").read_text())
    machine = machine or platform.machine()
    if machine not in tables:
        raise UnknownMachine(f"the sandbox knows the system calls of {', '.join(sorted(tables))}, not of {machine}")
    everywhere = {name for table in tables.values() for name in table["numbers"]}
    numbers = tables[machine]["numbers"]
    code = [
        (_LOAD_WORD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, tables[machine]["audit_arch"]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD_WORD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        code += [(_JUMP_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, _KILL_PROCESS)]
    code += [(_JUMP_GREATER, 0, 1, tables[machine]["highest"]), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    for reason, names in refused.items():
        for name in names:
            if name not in everywhere:
                raise KeyError(name)
            if name in numbers:
                code += [(_JUMP_EQUAL, 0, 1, numbers[name]), (_RETURN, 0, 0, _ERRNO | getattr(errno, reason))]
    refuse = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    allow = (_RETURN, 0, 0, _ALLOW)
    code += _for_call(numbers["clone"], 0, [(_JUMP_ANY_BIT, 0, 1, _NEW_NAMESPACES), refuse, allow])
    unreachable = (_RETURN, 0, 0, _ERRNO | errno.ENETUNREACH)
    code += _for_call(numbers["socket"], 0, [(_JUMP_EQUAL, 1, 0, _AF_UNIX), unreachable, allow])
    terminal = [(_JUMP_EQUAL, 1, 0, _TIOCSTI), (_JUMP_EQUAL, 0, 1, _TIOCLINUX), refuse, allow]
    code += _for_call(numbers["ioctl"], 1, terminal)
    same = [(_JUMP_EQUAL, 2, 0, 0), (_JUMP_EQUAL, 1, 0, _PERSONALITY_ASK), refuse, allow]
    code += _for_call(numbers["personality"], 0, same)
    code.append(allow)
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def _for_call(number: int, argument: int, body: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Return code that enters `body`, with an argument's low word loaded, for one system call only."""
    return [
        (_JUMP_EQUAL, 0, len(body) + 1, number),
        (_LOAD_WORD, 0, 0, _ARGUMENTS + 8 * argument),
        *body,
    ]
