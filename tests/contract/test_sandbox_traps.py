"""The traps that other sandboxes fell into, and ours while it was tried out; docs/sandbox.md lists all of them."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from loupe.sandbox.v1.sandbox_pb2 import Outcome
from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from servers.kit.keys import KeyFolder
from tests.contract.sandbox_client import Client
from tests.running import running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["namespaces", "runsc"])
async def client(module_home, request) -> AsyncIterator[Client]:
    environment = {"LOUPE_SANDBOX_RUNNER": request.param, "LOUPE_SANDBOX_WARM_SANDBOXES": "1"}
    async with running("sandbox", module_home, environment) as server, server.channel() as channel:
        yield Client(SandboxServiceStub(channel), KeyFolder(module_home / "keys"), server)


async def test_core_pattern_can_not_be_written(client):
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    source = (
        "for path in ('/proc/sys/kernel/core_pattern', '/proc/sys/kernel/hostname', '/proc/sys/vm/drop_caches'):\n"
        "    try:\n"
        "        open(path, 'w').write('|/work/x')\n"
        "        print('written', path)\n"
        "    except OSError:\n"
        "        pass\n"
    )
    assert (await client.run(source)).stdout == b""
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


async def test_no_process_of_a_sandbox_has_the_services_environment(client):
    assert b"LOUPE_HOME" in Path(f"/proc/{client.server.process.pid}/environ").read_bytes()
    inside = psutil.Process(client.server.process.pid).children(recursive=True)
    assert inside
    for process in inside:
        assert b"LOUPE" not in Path(f"/proc/{process.pid}/environ").read_bytes()
    answer = await client.run("import os\nprint(sorted(n for n in os.environ if 'LOUPE' in n or 'KEY' in n))")
    assert answer.stdout == b"[]\n"


async def test_dev_holds_nothing(client):
    source = (
        "import errno\n"
        "for folder in ('/dev', '/dev/pts', '/dev/mqueue', '/'):\n"
        "    try:\n"
        "        open(f'{folder}/fill', 'wb').write(bytes(1 << 20))\n"
        "        print('written', folder)\n"
        "    except OSError:\n"
        "        pass\n"
        "try:\n"
        "    open('/dev/shm/fill', 'wb').write(bytes(20 << 20))\n"
        "except OSError as error:\n"
        "    print(errno.errorcode[error.errno])\n"
    )
    assert (await client.run(source, disk_mib=10)).stdout == b"ENOSPC\n"


async def test_every_sandbox_has_the_filter_not_only_the_first(client):
    source = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nprint(libc.syscall(272, 0), ctypes.get_errno())"
    for _ in range(3):
        assert (await client.run(source)).stdout == b"-1 1\n"  # unshare: EPERM


async def test_what_comes_back_was_written_by_nobody_who_still_lives(client):
    source = (
        "import os\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    number = 0\n"
        "    while True:\n"
        "        number += 1\n"
        "        open('late', 'w').write(str(number) * 1000)\n"
        "open('done', 'w').write('x')\n"
    )
    answer = await client.run(source)
    assert answer.result.outcome == Outcome.OUTCOME_COMPLETED
    for artifact in answer.result.artifacts:
        assert hashlib.sha256(answer.artifacts[artifact.name]).hexdigest() == artifact.sha256
    assert answer.artifacts["done"] == b"x"


async def test_random_state_is_shared_by_no_two_sandboxes_and_repeats_with_the_seed(client):
    source = (
        "import os, random, uuid, numpy\n"
        "print(random.random(), numpy.random.rand(), numpy.random.default_rng().random())\n"
        "print(uuid.uuid4(), os.urandom(8))\n"
    )
    first, again, other = [(await client.run(source, seed=seed)).stdout.splitlines() for seed in (1, 1, 2)]
    assert first[0] == again[0]
    assert all(one != another for one, another in zip(first[0].split(), other[0].split(), strict=True))
    assert first[1] != again[1] != other[1]


async def test_a_picture_that_would_be_gigabytes_comes_back_undecoded(client):
    side = 60_000
    rows = zlib.compress(bytes(10_000_000), 9)
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b""))
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    before = _peak_mib(client.server.process.pid)
    answer = await client.run("open('bomb.png', 'wb').write(open('in.png', 'rb').read())", inputs={"in.png": bomb})
    assert answer.artifacts == {"bomb.png": bomb}
    assert answer.result.artifacts[0].media_type == "image/png"
    assert _peak_mib(client.server.process.pid) - before < 32


def _peak_mib(pid: int) -> float:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
