"""The bubblewrap runner by itself: on a machine without control groups, and where it can't work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Limits
from sandbox import bootstrap, limits, policy, probe, runtime
from sandbox.runners import bubblewrap, runsc
from sandbox.runners.base import Ending, Program, SandboxBroken
from sandbox.uids import UidPool
from servers.kit.errors import NotReady

POLICY = policy.load()


@pytest.fixture(scope="module")
def built() -> runtime.Runtime:
    return runtime.find(Path(os.environ.get("LOUPE_SANDBOX_RUNTIME_DIR") or runtime.default_directory()))


@pytest.fixture
async def runner(built) -> bubblewrap.Bubblewrap:
    return await bubblewrap.find(POLICY, built, None, UidPool(60706, 256))


async def run(runner: bubblewrap.Bubblewrap, source: str, **wanted: Any) -> tuple[bytes, Ending]:
    resolved = limits.resolve(Limits(**wanted), POLICY.limits)
    written = b""
    async with runner.start(Program(source=source.encode(), seed=0, limits=resolved)) as started:
        async for chunk in started.output():
            written += chunk.data
        return written, await started.ending()


async def test_without_control_groups_every_limit_still_has_its_means(runner):
    assert runner.enforced_by == {
        LimitKind.LIMIT_KIND_CPU: "CPU affinity",
        LimitKind.LIMIT_KIND_MEMORY: "RLIMIT_AS of each process, a look at all every 0.25 s",
        LimitKind.LIMIT_KIND_WALL_TIME: "the service's clock",
        LimitKind.LIMIT_KIND_DISK: "tmpfs size",
        LimitKind.LIMIT_KIND_PROCESSES: "RLIMIT_NPROC in a user namespace",
        LimitKind.LIMIT_KIND_OUTPUT: "the service counts",
        LimitKind.LIMIT_KIND_ARTIFACTS: "the service counts",
        LimitKind.LIMIT_KIND_INODES: "tmpfs nr_inodes",
        LimitKind.LIMIT_KIND_NETWORK: "network namespace, seccomp",
    }
    written, ending = await run(runner, "import os; print(len(os.sched_getaffinity(0)))", cpu_count=1)
    assert (written, ending.exit_code) == (b"1\n", 0)


async def test_without_control_groups_processes_are_counted_by_the_user_namespace(runner):
    source = (
        "import os, time\n"
        "for n in range(100):\n"
        "    print(n, flush=True)\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(60)\n"
    )
    written, ending = await run(runner, source, process_count=20)
    assert ending.exceeded == LimitKind.LIMIT_KIND_PROCESSES
    assert written.splitlines()[19] == b"19"
    assert b"20\n" not in written.splitlines()


async def test_without_control_groups_memory_of_all_processes_is_watched(runner):
    source = (
        "import os, time\n"
        "for _ in range(6):\n"
        "    if os.fork() == 0:\n"
        "        held = bytearray(b'x') * 80_000_000\n"
        "        time.sleep(60)\n"
        "os.wait()\n"
    )
    _, ending = await run(runner, source, memory_mib=200)
    assert (ending.exceeded, ending.is_stopped) == (LimitKind.LIMIT_KIND_MEMORY, True)


async def test_a_machine_that_makes_no_sandbox_is_not_ready_and_hears_why(built):
    broken = bubblewrap.Bubblewrap(
        program=Path("/bin/false"),
        version="0",
        policy=POLICY,
        runtime=built,
        hierarchy=None,
        uids=UidPool(60706, 1),
    )
    with pytest.raises(SandboxBroken, match="bubblewrap ended"):
        await run(broken, "print(1)")
    with pytest.raises(NotReady, match="unprivileged user namespaces"):
        await probe.prove(broken, POLICY)


async def test_a_sandbox_that_lets_something_through_is_not_ready(built):
    loose = POLICY.model_copy(update={"syscalls": {}})
    runner = await bubblewrap.find(loose, built, None, UidPool(60706, 1))
    runner._filter = ""  # a filter of no instructions, which the kernel refuses
    with pytest.raises(NotReady, match="filter system calls"):
        await probe.prove(runner, POLICY)


async def test_without_bubblewrap_it_says_what_to_install(built, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotReady, match="apt-get install bubblewrap"):
        await bubblewrap.find(POLICY, built, None, UidPool(60706, 1))


def test_every_part_of_the_bootstrap_travels_into_the_sandbox():
    folder = Path(next(iter(bootstrap.__path__)))
    parts = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
    assert {*bubblewrap._BOOTSTRAP, *runsc._BOOTSTRAP} == parts


@given(first=st.integers(61000, 61050), count=st.integers(1, 20))
@settings(max_examples=20)
def test_no_uid_is_lent_twice_at_a_time(first, count):
    pool = UidPool(first, count)
    with pool.lend() as one:
        if count > 1:
            with pool.lend() as other:
                assert (one.uid != other.uid) or not one.is_switched
        assert one.uid != 0 or not one.is_switched
