"""The gVisor runner by itself, and the choice between the runners."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Limits
from sandbox import cgroups, limits, policy, probe, runtime
from sandbox.runners import choice, runsc
from sandbox.runners.base import Ending, InputFile, Program, SandboxBroken
from sandbox.uids import UidPool
from servers.kit.errors import NotReady

POLICY = policy.load()
UIDS = UidPool(60706, 256)


@dataclass
class Ran:
    """What one run left."""

    output: bytes
    ending: Ending
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def built() -> runtime.Runtime:
    return runtime.find(Path(os.environ.get("LOUPE_SANDBOX_RUNTIME_DIR") or runtime.default_directory()))


@pytest.fixture
async def runner(built, home, monkeypatch) -> AsyncIterator[runsc.Runsc]:
    monkeypatch.setattr(tempfile, "tempdir", str(home))
    yield await runsc.find(POLICY, built, cgroups.find(), 0)
    assert list(home.iterdir()) == []


async def run(runner: runsc.Runsc, source: str, inputs: dict[str, bytes] | None = None, **wanted: Any) -> Ran:
    resolved = limits.resolve(Limits(**wanted), POLICY.limits)
    laid = tuple(InputFile(name, len(content)) for name, content in (inputs or {}).items())
    with tempfile.TemporaryFile() as spool:
        spool.write(b"".join((inputs or {}).values()))
        spool.flush()
        program = Program(source=source.encode(), seed=3, limits=resolved, inputs=laid, inputs_fd=spool.fileno())
        written = b""
        async with runner.start(program) as started:
            async for chunk in started.output():
                written += chunk.data
            ending = await started.ending()
            folder = Path(f"/proc/self/fd/{started.work_fd}")
            files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return Ran(written, ending, files)


async def test_a_sandbox_of_gvisor_holds_here(runner):
    await probe.prove(runner, POLICY)


async def test_inputs_come_in_and_files_go_out_but_no_link_and_no_input(runner):
    source = (
        "import os, pathlib\n"
        "text = open('chart.json').read() + open('more.json').read()\n"
        "pathlib.Path('data.csv').write_text(text)\n"
        "os.mkdir('deep'); pathlib.Path('deep/a').write_text('b')\n"
        "os.symlink('/etc/passwd', 'link'); os.mkfifo('pipe')\n"
        "print('done')\n"
    )
    ran = await run(runner, source, {"chart.json": b"one ", "more.json": b"two"})
    assert (ran.output, ran.ending.exit_code) == (b"done\n", 0)
    assert ran.files == {"data.csv": b"one two", "deep/a": b"b"}


async def test_inputs_can_be_neither_written_nor_replaced_and_the_box_not_entered(runner):
    source = (
        "import os\n"
        "attempts = [lambda: open('chart.json', 'w'), lambda: os.unlink('chart.json')]\n"
        "attempts += [lambda: os.rename('chart.json', 'x'), lambda: os.listdir('/box')]\n"
        "attempts += [lambda: open('/loupe/x', 'w'), lambda: open('/runtime/x', 'w')]\n"
        "attempts += [lambda: os.setuid(0), lambda: os.listdir('/root')]\n"
        "for attempt in attempts:\n"
        "    try:\n"
        "        attempt()\n"
        "    except OSError as error:\n"
        "        print(type(error).__name__)\n"
        "print(os.getuid())\n"
    )
    ran = await run(runner, source, {"chart.json": b"{}"})
    assert ran.output.split() == [*[b"PermissionError"] * 7, b"FileNotFoundError", b"1000"]


async def test_a_file_of_many_names_is_not_copied_past_the_disks_size(runner):
    source = (
        "import os\n"
        "open('a0', 'wb').write(bytes(1024 * 1024))\n"
        "for number in range(1, 40): os.link('a0', f'a{number}')\n"
    )
    ran = await run(runner, source, disk_mib=10)
    assert ran.ending.exit_code == 0
    assert 1 <= len(ran.files) <= 10


async def test_an_exception_is_named_with_its_line(runner):
    ran = await run(runner, "x = 1\nx / 0\n")
    assert ran.ending.exit_code == 1
    assert ran.ending.error is not None
    assert (ran.ending.error.type, ran.ending.error.line) == ("ZeroDivisionError", 2)


@pytest.mark.parametrize(
    ("source", "wanted", "exceeded"),
    [
        ("import time\nprint('hi', flush=True)\ntime.sleep(60)", {"wall_time_s": 2}, "WALL_TIME"),
        ("print('hi', flush=True)\nx = []\nwhile True: x.append(bytearray(1 << 23))", {"memory_mib": 200}, "MEMORY"),
        ("print('hi', flush=True)\nopen('x', 'wb').write(bytes(20 << 20))", {"disk_mib": 10}, "DISK"),
        ("while True: print('hi' * 999)", {"output_kib": 16}, "OUTPUT"),
        (
            "import os, time\nprint('hi', flush=True)\nwhile os.fork(): pass\ntime.sleep(60)",
            {"wall_time_s": 20},
            "PROCESSES",
        ),
    ],
)
async def test_a_limit_ends_the_program_and_keeps_what_it_wrote(runner, source, wanted, exceeded):
    ran = await run(runner, source, **wanted)
    assert ran.ending.is_stopped
    assert ran.ending.exceeded == LimitKind.Value(f"LIMIT_KIND_{exceeded}")
    assert ran.output.startswith(b"hi")


async def test_there_is_no_network(runner):
    ran = await run(runner, "import socket\nsocket.create_connection(('192.0.2.1', 80), timeout=1)")
    assert ran.ending.exceeded == LimitKind.LIMIT_KIND_NETWORK


async def test_the_data_stack_draws_and_equal_runs_leave_equal_files(runner):
    source = (
        "import numpy, pandas, matplotlib.pyplot as plt\n"
        "frame = pandas.DataFrame({'x': numpy.random.default_rng().random(5)})\n"
        "frame.to_csv('data.csv')\n"
        "frame.plot()\n"
    )
    first, second = await run(runner, source), await run(runner, source)
    assert sorted(first.files) == ["data.csv", "figure-1.png"]
    assert first.files == second.files
    assert first.ending.captured == ("figure-1.png",)


async def test_what_a_program_starts_is_dead_before_its_files_are_handed_out(runner):
    source = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    for n in range(10**6): open('late', 'w').write(str(n))\n"
        "open('data', 'w').write('x')\n"
    )
    ran = await run(runner, source)
    assert ran.files["data"] == b"x"


@pytest.fixture
async def warm(built) -> AsyncIterator[runsc.Runsc]:
    """One sandbox that waits, and its next that is being made."""
    found = await runsc.find(POLICY, built, cgroups.find(), 1)
    found.warm_up()
    await until(lambda: found.pool.ready_count == 1)
    yield found
    await found.close()


async def until(holds: Callable[[], bool]) -> None:
    """Return when it holds: a sandbox is made by processes of its own."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - a condition of another process
            await asyncio.sleep(0.01)


async def test_a_sandbox_that_waits_takes_a_program_its_inputs_and_its_own_limits(warm):
    source = (
        "import os, resource, sys\n"
        "print('pandas' in sys.modules, open('a.csv').read(), os.stat('a.csv').st_uid)\n"
        "print(os.statvfs('/work').f_blocks * 4096 <= 11 << 20)\n"
        "print(resource.getrlimit(resource.RLIMIT_FSIZE)[0] == 11 << 20)\n"
        "print(sys.stdin.read(), len(os.listdir('/proc/self/fd')))\n"
    )
    ran = await run(warm, source, {"a.csv": b"1,2"}, disk_mib=10, memory_mib=300)
    # stdin, stdout, stderr, the report, and the listing itself
    assert ran.output.decode().splitlines() == ["True 1,2 0", "True", "True", " 5"]
    assert (ran.ending.exit_code, warm.pool.waited_count) == (0, 0)


async def test_a_used_sandbox_is_replaced_by_another_that_knows_nothing_of_it(warm):
    first = "import os, numpy\nnumpy.mean = None\nfor d in ('/tmp', '/dev/shm', '/work'): open(d + '/left', 'w')"
    second = (
        "import os, numpy\nprint(numpy.mean([1, 3]), os.listdir('/tmp'), os.listdir('/dev/shm'), os.listdir('/work'))"
    )
    assert (await run(warm, first)).ending.exit_code == 0
    await until(lambda: warm.pool.ready_count == 1)
    ran = await run(warm, second)
    assert ran.output == b"2.0 ['matplotlib'] [] []\n"
    assert ran.ending.cpu_s < 1.5  # less than making it took
    assert (warm.pool.made_count, warm.pool.waited_count) == (2, 0)


async def test_a_waiting_sandbox_that_died_is_not_used(warm):
    cell = warm.pool._ready[0]
    cell._process.kill(None)
    await cell.died()
    ran = await run(warm, "import sys\nprint('pandas' in sys.modules)")
    assert ran.output == b"False\n"  # made on the spot, which does not import ahead
    assert warm.pool.waited_count == 1


async def test_after_closing_no_process_group_or_descriptor_is_left(built):
    hierarchy = cgroups.find()
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    runner = await runsc.find(POLICY, built, hierarchy, 1)
    runner.warm_up()
    await until(lambda: runner.pool.ready_count == 1)
    await run(runner, "import os, time\nif os.fork() == 0: time.sleep(60)")
    await runner.close()
    left = [
        path
        for base in (hierarchy._bases.values() if hierarchy else ())
        for path in base.glob(f"loupe-sandbox-{os.getpid()}-*")
    ]
    assert left == []
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


async def test_a_sandbox_that_can_not_be_made_says_why(built):
    runner = await runsc.find(POLICY.model_copy(update={"preload": ("no_such_module",)}), built, cgroups.find(), 0)
    with pytest.raises(SandboxBroken, match="No module named 'no_such_module'"):
        await runner._make(("no_such_module",))


async def test_a_machine_with_runsc_alone_gets_it_and_one_with_neither_is_told_both_remedies(
    built, monkeypatch, tmp_path
):
    (tmp_path / "runsc").symlink_to("/usr/bin/runsc")
    monkeypatch.setenv("PATH", str(tmp_path))
    chosen = await choice.choose("auto", POLICY, built, cgroups.find(), UIDS, 0)
    assert chosen.name == "runsc"
    with pytest.raises(NotReady, match="apt-get install bubblewrap"):
        await choice.choose("namespaces", POLICY, built, cgroups.find(), UIDS, 0)
    (tmp_path / "runsc").unlink()
    with pytest.raises(NotReady, match=r"apt-get install bubblewrap.*; or .*apt-get install runsc"):
        await choice.choose("auto", POLICY, built, cgroups.find(), UIDS, 0)
