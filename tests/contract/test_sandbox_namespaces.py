"""The namespaces runner by itself: without control groups, its pool of sandboxes, and where it can't work."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Limits
from sandbox import bootstrap, limits, policy, probe, runtime
from sandbox.runners import base_tree, namespaces
from sandbox.runners.base import Ending, Program, SandboxBroken
from sandbox.uids import UidPool
from servers.kit.errors import NotReady

POLICY = policy.load()


@pytest.fixture(scope="module")
def built() -> runtime.Runtime:
    return runtime.find(Path(os.environ.get("LOUPE_SANDBOX_RUNTIME_DIR") or runtime.default_directory()))


async def made(built: runtime.Runtime, chosen: policy.Policy = POLICY, warm_count: int = 0) -> namespaces.Namespaces:
    return await namespaces.find(chosen, built, None, UidPool(60706, 256), warm_count)


@pytest.fixture
async def runner(built) -> AsyncIterator[namespaces.Namespaces]:
    found = await made(built)
    yield found
    await found.close()


async def until(holds: Callable[[], bool]) -> None:
    """Return when it holds; a background task needs a few turns of the loop."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - a condition of another process
            await asyncio.sleep(0.01)


async def run(runner: namespaces.Namespaces, source: str, **wanted: Any) -> tuple[bytes, Ending]:
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
    broken = namespaces.Namespaces(
        bwrap=Path("/bin/false"),
        version="0",
        policy=POLICY,
        runtime=built,
        hierarchy=None,
        uids=UidPool(60706, 1),
        warm_count=0,
    )
    with pytest.raises(SandboxBroken, match="zygote did not start"):
        await run(broken, "print(1)")
    with pytest.raises(NotReady, match="unprivileged user namespaces"):
        await probe.prove(broken, POLICY)
    await broken.close()


async def test_a_sandbox_whose_filter_the_kernel_refuses_is_not_ready(built):
    runner = await made(built)
    runner._filter = ""  # a filter of no instructions
    with pytest.raises(NotReady, match="filter system calls"):
        await probe.prove(runner, POLICY)
    await runner.close()


async def test_a_sandbox_without_a_module_it_should_have_warm_is_not_ready(built):
    runner = await made(built, POLICY.model_copy(update={"preload": ("no_such_module",)}))
    with pytest.raises(NotReady, match="No module named 'no_such_module'"):
        await probe.prove(runner, POLICY)
    await runner.close()


async def test_what_one_program_changes_the_next_does_not_see(built):
    """Random state, patched libraries, settings, shared memory, environment: all copies of their own."""
    runner = await made(built, warm_count=2)
    first = (
        "import os, sys, numpy, matplotlib\n"
        "numpy.mean = lambda _: 'patched'\n"
        "numpy.random.rand(5)\n"
        "matplotlib.rcParams['figure.dpi'] = 7\n"
        "os.environ['LEFT'] = 'behind'\n"
        "open('/tmp/left', 'w').write('behind')\n"
        "open('/dev/shm/left', 'w').write('behind')\n"
        "sys.settrace(lambda *_: None)\n"
    )
    second = (
        "import os, sys, numpy, matplotlib\n"
        "print(numpy.mean([1, 3]), numpy.random.rand() == numpy.random.RandomState(0).rand())\n"
        "print(matplotlib.rcParams['figure.dpi'], os.environ.get('LEFT'), sys.gettrace())\n"
        "print(os.listdir('/tmp'), os.listdir('/dev/shm'), os.listdir('/work'))\n"
    )
    assert (await run(runner, first))[1].exit_code == 0
    written, _ = await run(runner, second)
    assert written.decode().splitlines() == ["2.0 True", "100.0 None None", "['matplotlib'] [] []"]
    await runner.close()


async def test_sandboxes_wait_ready_and_are_made_anew_when_one_is_used(built):
    runner = await made(built, warm_count=2)
    runner.warm_up()
    await until(lambda: runner.pool.ready_count == 2)
    assert (await run(runner, "print(1)"))[0] == b"1\n"
    await until(lambda: runner.pool.ready_count == 2)
    assert (runner.pool.made_count, runner.pool.waited_count) == (3, 0)
    await runner.close()
    assert runner.pool.ready_count == 0


async def test_an_exhausted_pool_makes_one_on_the_spot(runner):
    assert (await run(runner, "print(1)"))[0] == b"1\n"
    assert (runner.pool.made_count, runner.pool.waited_count) == (1, 1)


async def test_a_zygote_that_is_killed_is_replaced_and_its_waiting_sandboxes_are_not_used(built):
    runner = await made(built, warm_count=1)
    runner.warm_up()
    await until(lambda: runner.pool.ready_count == 1)
    killed = runner._zygote
    assert killed and killed._launcher
    os.killpg(killed._launcher.pid, signal.SIGKILL)
    await until(lambda: not killed.is_alive)
    assert (await run(runner, "print('again')"))[0] == b"again\n"
    assert runner._zygote is not killed
    await runner.close()


async def test_a_program_whose_sandbox_is_killed_from_outside_has_not_failed(runner):
    resolved = limits.resolve(Limits(), POLICY.limits)
    source = b"import time; print('here', end='', flush=True); time.sleep(60)"
    async with runner.start(Program(source=source, seed=0, limits=resolved)) as started:
        output = started.output()
        assert (await anext(output)).data == b"here"
        os.kill(started._cell.init_pid, signal.SIGKILL)
        assert [chunk async for chunk in output] == []
        with pytest.raises(SandboxBroken, match="killed from outside"):
            await started.ending()


async def test_no_process_or_descriptor_is_left(built):
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    runner = await made(built, warm_count=2)
    runner.warm_up()
    for _ in range(5):
        await run(runner, "import subprocess; subprocess.Popen(['/usr/bin/sleep', '60'])")
    zygote = runner._zygote
    assert zygote and zygote._launcher
    await runner.close()
    assert not Path(f"/proc/{zygote._launcher.pid}").exists()
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


async def test_without_bubblewrap_it_says_what_to_install(built, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotReady, match="apt-get install bubblewrap"):
        await made(built)


def test_every_part_of_the_bootstrap_travels_into_the_sandbox():
    folder = Path(next(iter(bootstrap.__path__)))
    parts = {f"/loupe/sandbox/bootstrap/{path.name}" for path in folder.glob("*.py")}
    assert parts - {"/loupe/sandbox/bootstrap/__init__.py"} <= set(base_tree.contents(POLICY))


@given(first=st.integers(61000, 61050), count=st.integers(1, 20))
@settings(max_examples=20)
def test_no_uid_is_lent_twice_at_a_time(first, count):
    pool = UidPool(first, count)
    with pool.lend() as one:
        if count > 1:
            with pool.lend() as other:
                assert (one.uid != other.uid) or not one.is_switched
        assert one.uid != 0 or not one.is_switched
