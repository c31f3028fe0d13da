"""What a program can't exceed, see or change: real server, real namespaces."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from loupe.sandbox.v1.sandbox_pb2 import (
    LimitKind,
    Outcome,
)
from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from servers.kit.keys import KeyFolder
from tests.contract.sandbox_client import Client
from tests.running import running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(module_home) -> AsyncIterator[Client]:
    environment = {"LOUPE_SANDBOX_CONCURRENT_RUNS": "2", "LOUPE_SANDBOX_QUEUED_RUNS": "1"}
    async with running("sandbox", module_home, environment) as server, server.channel() as channel:
        yield Client(SandboxServiceStub(channel), KeyFolder(module_home / "keys"), server)


# --- which limit ended it


async def test_the_wall_clock_ends_a_program_and_its_partial_output_stays(client):
    source = "open('a', 'w').write('x')\nprint('so far', end='')\nwhile True: pass"
    answer = await client.run(source, wall_time_s=1.0)
    assert answer.result.outcome == Outcome.OUTCOME_LIMIT_EXCEEDED
    assert answer.result.exceeded == LimitKind.LIMIT_KIND_WALL_TIME
    assert answer.stdout == b"so far"
    assert answer.artifacts == {"a": b"x"}
    assert answer.result.cpu_time.ToMilliseconds() > 0


async def test_memory_that_is_refused_is_a_memory_limit_with_its_line(client):
    answer = await client.run("held = []\nwhile True:\n    held.append(bytes(20_000_000))", memory_mib=200)
    assert answer.result.outcome == Outcome.OUTCOME_LIMIT_EXCEEDED
    assert answer.result.exceeded == LimitKind.LIMIT_KIND_MEMORY


async def test_memory_held_by_many_processes_together_is_bounded(client):
    source = (
        "import os, time\n"
        "for _ in range(6):\n"
        "    if os.fork() == 0:\n"
        "        held = bytearray(b'x') * 80_000_000\n"
        "        time.sleep(60)\n"
        "print(os.WTERMSIG(os.wait()[1]))\n"
    )
    answer = await client.run(source, memory_mib=200)
    assert answer.result.exceeded == LimitKind.LIMIT_KIND_MEMORY


async def test_a_full_disk_is_a_disk_limit_wherever_it_is_written(client):
    for folder in ("/work", "/tmp", "/dev/shm"):
        answer = await client.run(f"open('{folder}/big', 'wb').write(bytes(30_000_000))", disk_mib=20)
        assert answer.result.exceeded == LimitKind.LIMIT_KIND_DISK
        assert answer.result.error.type == "OSError"
        assert "No space left" in answer.result.error.message


async def test_the_disk_holds_what_it_says_to_the_byte(client):
    answer = await client.run("open('full', 'wb').write(bytes(2 * 1024 * 1024)); print('fits')", disk_mib=2)
    assert answer.stdout == b"fits\n"
    assert len(answer.artifacts["full"]) == 2 * 1024 * 1024


async def test_too_many_files_are_an_inode_limit(client):
    answer = await client.run("for n in range(101): open(str(n), 'w')", inode_count=100, artifact_count=3)
    assert answer.result.exceeded == LimitKind.LIMIT_KIND_INODES
    assert answer.result.error.message.endswith("'100'")


async def test_a_fork_bomb_meets_the_process_limit(client):
    answer = await client.run("import os\nwhile True: os.fork()", process_count=30)
    assert answer.result.exceeded == LimitKind.LIMIT_KIND_PROCESSES
    assert answer.result.error.type == "BlockingIOError"


async def test_a_thread_bomb_meets_the_process_limit(client):
    source = "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    answer = await client.run(source, process_count=30)
    assert answer.result.exceeded == LimitKind.LIMIT_KIND_PROCESSES


async def test_an_output_flood_is_cut_at_exactly_its_limit(client):
    answer = await client.run(
        "import sys\nwhile True: print('x' * 99); print('y' * 99, file=sys.stderr)", output_kib=64
    )
    assert answer.result.exceeded == LimitKind.LIMIT_KIND_OUTPUT
    assert len(answer.stdout) + len(answer.stderr) == 64 * 1024


async def test_no_network_of_any_family(client):
    source = (
        "import errno, socket\n"
        "for family in (2, 10, 16, 17, 38, 40, 44):\n"
        "    try:\n"
        "        socket.socket(family, socket.SOCK_DGRAM)\n"
        "    except OSError as error:\n"
        "        print(errno.errorcode[error.errno])\n"
        "import urllib.request\n"
        "urllib.request.urlopen('http://192.0.2.1/')\n"
    )
    answer = await client.run(source)
    assert answer.stdout.split() == [b"ENETUNREACH"] * 7
    assert answer.result.outcome == Outcome.OUTCOME_LIMIT_EXCEEDED
    assert answer.result.exceeded == LimitKind.LIMIT_KIND_NETWORK
    assert answer.result.error.line == 8


async def test_artifacts_over_a_limit_are_left_out_and_said_so(client):
    source = "open('big.bin', 'wb').write(bytes(3_000_000))\nfor n in range(4): open(f'{n}.txt', 'w').write('x')"
    answer = await client.run(source, artifact_mib=1, artifact_count=2)
    assert answer.artifacts == {"0.txt": b"x", "1.txt": b"x"}
    assert answer.result.outcome == Outcome.OUTCOME_COMPLETED
    assert answer.result.exceeded == LimitKind.LIMIT_KIND_ARTIFACTS
    assert list(answer.result.notes) == [
        "artifact big.bin is 2.9 MiB, at most 1 MiB",
        "2 more files are left out: at most 2 artifacts",
    ]


# --- what a program can't do


async def test_a_program_sees_nothing_of_the_host(client):
    source = (
        "import os\n"
        "print(sorted(name for name in os.listdir('/proc') if name.isdecimal()))\n"
        "print(sorted(os.environ))\n"
        "print(any(map(os.path.exists, ('/root', '/home', '/sys', '/var', '/usr/local'))))\n"
        "print(sorted(os.listdir('/')), sorted(os.listdir('/etc')), os.uname().nodename, os.getuid())\n"
        "print(sorted(int(name) for name in os.listdir('/proc/self/fd')))\n"
        "for name in ('1/environ', '1/mem', '1/maps', 'cmdline', 'kallsyms', 'keys', 'kmsg'):\n"
        "    try:\n"
        "        if open('/proc/' + name, 'rb').read(1): print('read', name)\n"
        "    except PermissionError:\n"
        "        pass\n"
    )
    lines = (await client.run(source)).stdout.decode().splitlines()
    assert lines[0] == "['1', '2']"
    assert "LOUPE_HOME" not in lines[1]
    assert lines[2] == "False"
    assert lines[3] == (
        "['bin', 'box', 'dev', 'etc', 'inputs', 'lib', 'lib64', 'loupe', 'proc', 'program', 'runtime', 'tmp', 'usr', "
        "'work'] "
        "['alternatives', 'group', 'hosts', 'ld.so.cache', 'nsswitch.conf', 'passwd'] loupe 1000"
    )
    # stdin, stdout, stderr, the report, and the listing itself
    assert len(eval(lines[4])) == 5
    assert lines[5:] == []


async def test_a_program_changes_nothing_but_its_folders(client):
    source = (
        "import errno, os\n"
        "targets = ['/x', '/usr/x', '/usr/bin/python3.11', '/runtime/x', '/loupe/program.py', '/etc/passwd',\n"
        "           '/dev/x', '/box/x', '/inputs/x', '/proc/sys/kernel/core_pattern', 'kept.txt']\n"
        "for target in targets:\n"
        "    try:\n"
        "        open(target, 'w')\n"
        "        print('written', target)\n"
        "    except OSError as error:\n"
        "        assert error.errno in (errno.EROFS, errno.EACCES, errno.EPERM), error\n"
        "for change, *more in ((os.unlink,), (os.rename, 'x'), (os.chmod, 0o777)):\n"
        "    try:\n"
        "        change('kept.txt', *more)\n"
        "        print('changed')\n"
        "    except OSError:\n"
        "        pass\n"
        "print(open('kept.txt').read())\n"
    )
    answer = await client.run(source, inputs={"kept.txt": b"as it came"})
    assert answer.stdout == b"as it came\n"
    assert answer.artifacts == {}


async def test_dangerous_system_calls_are_refused(client):
    source = (
        "import ctypes, errno\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "def call(*arguments):\n"
        "    ctypes.set_errno(0)\n"
        "    print(libc.syscall(*arguments), errno.errorcode.get(ctypes.get_errno()))\n"
        "call(272, 0x10000000)  # unshare a user namespace\n"
        "call(56, 0x10000011, 0, 0, 0, 0)  # clone into one\n"
        "call(435, 0, 0)  # clone3\n"
        "call(165, 0, 0, 0, 0, 0)  # mount\n"
        "call(101, 16, 1, 0, 0)  # ptrace\n"
        "call(425, 1, 0)  # io_uring_setup\n"
        "call(321, 0, 0, 0)  # bpf\n"
        "call(250, 0, 0, 0, 0, 0)  # keyctl\n"
        "call(16, 0, 0x5412, 0)  # TIOCSTI\n"
        "call(600)  # newer than anything\n"
        "call(0x40000000 + 39)  # x32 getpid\n"
        "print('survived')\n"
    )
    answer = await client.run(source)
    assert answer.stdout.decode().splitlines() == [
        "-1 EPERM",
        "-1 EPERM",
        "-1 ENOSYS",
        "-1 EPERM",
        "-1 EPERM",
        "-1 ENOSYS",
        "-1 EPERM",
        "-1 EPERM",
        "-1 EPERM",
        "-1 ENOSYS",
    ]
    assert answer.result.signal == 31


async def test_links_pipes_and_odd_names_in_the_output_are_not_followed(client):
    source = (
        "import os, socket\n"
        "os.symlink('/etc/passwd', 'link.txt'); os.symlink('/proc/1', 'folder'); os.mkfifo('pipe')\n"
        "socket.socket(socket.AF_UNIX).bind('socket')\n"
        "open('.hidden', 'w').write('x'); open('a\\nb.txt', 'w').write('1'); open('a_b.txt', 'w').write('2')\n"
        "open('locked.txt', 'w').write('3'); os.chmod('locked.txt', 0)\n"
        "open('sparse.bin', 'w').truncate(90_000_000)\n"
    )
    answer = await client.run(source)
    assert answer.artifacts == {"a_b-2.txt": b"1", "a_b.txt": b"2", "locked.txt": b"3"}
    assert list(answer.result.notes) == [
        ".hidden is left out: hidden",
        "folder is left out: not a regular file",
        "link.txt is left out: not a regular file",
        "pipe is left out: not a regular file",
        "socket is left out: not a regular file",
        "artifact sparse.bin is 85.8 MiB, at most 32 MiB",
        "artifact a_b-2.txt was called a\\nb.txt",
    ]


async def test_a_forged_report_changes_nothing_but_the_programs_own_fate(client):
    source = (
        "import os\n"
        "for fd in range(3, 50):\n"
        "    try:\n"
        '        os.write(fd, b\'{"exit": {"status": 0}}\' * 1000)\n'
        "    except OSError:\n"
        "        pass\n"
        "os._exit(9)\n"
    )
    answer = await client.run(source)
    assert (answer.result.outcome, answer.result.exit_code) == (Outcome.OUTCOME_FAILED, 9)
    assert not answer.result.HasField("error")


async def test_a_child_left_behind_dies_with_its_program(client):
    source = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(600)\n"
        "    os._exit(0)\n"
        "print('done')\n"
    )
    answer = await client.run(source)
    assert answer.stdout == b"done\n"
    assert answer.result.wall_time.ToMilliseconds() < 30_000
