"""The system call filter, executed instruction by instruction as the kernel would."""

from __future__ import annotations

import errno
import struct

import pytest

from sandbox import policy, seccomp

X86_64, AARCH64, I386 = 0xC000003E, 0xC00000B7, 0x40000003
ALLOW, KILL = "allow", "kill"


def decide(program: bytes, arch: int, number: int, *arguments: int) -> str:
    """What the filter answers: allow, kill, or the name of an errno."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *[*arguments, 0, 0, 0, 0, 0, 0][:6])
    code = list(struct.iter_unpack("<HBBI", program))
    accumulator, at = 0, 0
    while True:
        operation, if_true, if_false, k = code[at]
        at += 1
        if operation == 0x06:
            if k == 0x7FFF0000:
                return ALLOW
            return KILL if k == 0x80000000 else errno.errorcode[k & 0xFFFF]
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, k)
            continue
        holds = {
            0x15: accumulator == k,
            0x25: accumulator > k,
            0x35: accumulator >= k,
            0x45: bool(accumulator & k),
        }[operation]
        at += if_true if holds else if_false


@pytest.fixture(scope="module")
def x86_64() -> bytes:
    return seccomp.program(policy.load().syscalls, "x86_64")


def test_ordinary_calls_pass(x86_64):
    for number in (0, 1, 2, 9, 39, 57, 59, 231, 257):  # read write open mmap getpid fork execve exit_group openat
        assert decide(x86_64, X86_64, number) == ALLOW


def test_calls_that_reach_out_are_refused(x86_64):
    for number in (101, 165, 166, 155, 272, 308, 310, 311, 321, 298, 246, 169, 250, 304):
        assert decide(x86_64, X86_64, number) == "EPERM"
    for number in (425, 435, 319):  # io_uring_setup clone3 memfd_create
        assert decide(x86_64, X86_64, number) == "ENOSYS"


def test_a_call_newer_than_the_table_does_not_exist(x86_64):
    assert decide(x86_64, X86_64, 451) == "ENOSYS"


def test_another_calling_convention_kills(x86_64):
    assert decide(x86_64, I386, 4) == KILL
    assert decide(x86_64, X86_64, 0x40000000 + 1) == KILL


def test_clone_makes_threads_and_processes_but_no_namespaces(x86_64):
    assert decide(x86_64, X86_64, 56, 0x3D0F00) == ALLOW
    assert decide(x86_64, X86_64, 56, 0x01200011) == ALLOW
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert decide(x86_64, X86_64, 56, flag | 17) == "EPERM"


def test_only_local_sockets_exist(x86_64):
    assert decide(x86_64, X86_64, 41, 1) == ALLOW
    for family in (2, 10, 16, 17, 38, 40):
        assert decide(x86_64, X86_64, 41, family) == "ENETUNREACH"
    # The kernel reads an int: what stands in the upper half must not hide the family.
    assert decide(x86_64, X86_64, 41, (1 << 32) | 2) == "ENETUNREACH"


def test_terminal_injection_and_personalities_are_refused(x86_64):
    assert decide(x86_64, X86_64, 16, 0, 0x5401) == ALLOW
    assert decide(x86_64, X86_64, 16, 0, 0x5412) == "EPERM"
    assert decide(x86_64, X86_64, 16, 0, 0x541C) == "EPERM"
    assert decide(x86_64, X86_64, 135, 0xFFFFFFFF) == ALLOW
    assert decide(x86_64, X86_64, 135, 0x0040000) == "EPERM"


def test_the_other_architecture_has_its_own_numbers():
    program = seccomp.program(policy.load().syscalls, "aarch64")
    assert decide(program, AARCH64, 117) == "EPERM"  # ptrace
    assert decide(program, AARCH64, 101) == ALLOW  # nanosleep there, ptrace on x86_64
    assert decide(program, AARCH64, 198, 2) == "ENETUNREACH"
    assert decide(program, X86_64, 0) == KILL


def test_an_unknown_machine_or_call_is_an_error_not_a_hole():
    with pytest.raises(seccomp.UnknownMachine):
        seccomp.program({}, "riscv64")
    with pytest.raises(KeyError):
        seccomp.program({"EPERM": ["ptrase"]}, "x86_64")
