"""Control groups of both versions, on folders laid out like the kernel's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Limits
from sandbox import cgroups

LIMITS = Limits(cpu_count=1.5, memory_mib=64, process_count=10)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    folder = tmp_path / "proc"
    folder.mkdir()
    return folder


def version_1(proc: Path, root: Path) -> None:
    (proc / "cgroup").write_text("8:pids:/\n4:memory:/jobs/a\n2:cpu,cpuacct:/\n1:name=systemd:/\n0::/\n")
    lines = []
    for number, name in enumerate(("memory", "pids", "cpu,cpuacct")):
        (root / name).mkdir(parents=True)
        lines.append(f"{number} 1 0:{number} / {root / name} rw - cgroup cgroup rw,{name}\n")
    (root / "unified").mkdir()
    lines.append(f"9 1 0:9 / {root / 'unified'} rw - cgroup2 cgroup2 rw\n")
    (proc / "mountinfo").write_text("".join(lines))
    (root / "memory/jobs/a").mkdir(parents=True)


def version_2(proc: Path, root: Path, *, enabled: str, processes: str = "") -> Path:
    (proc / "cgroup").write_text("0::/slice/scope\n")
    (proc / "mountinfo").write_text(f"9 1 0:9 / {root} rw - cgroup2 cgroup2 rw\n")
    scope = root / "slice/scope"
    scope.mkdir(parents=True)
    for folder in (scope, scope.parent):
        (folder / "cgroup.controllers").write_text("cpu memory pids io\n")
        (folder / "cgroup.subtree_control").write_text("")
        (folder / "cgroup.procs").write_text("")
    (scope / "cgroup.procs").write_text(processes)
    (scope.parent / "cgroup.subtree_control").write_text(enabled)
    return scope


def test_hybrid_machines_use_version_1_beneath_the_services_own_groups(proc, tmp_path):
    version_1(proc, tmp_path / "fs")
    hierarchy = cgroups.find(proc)
    assert hierarchy is not None
    assert hierarchy.version == 1
    assert hierarchy.enforced_by == {
        LimitKind.LIMIT_KIND_MEMORY: "cgroup v1 memory",
        LimitKind.LIMIT_KIND_PROCESSES: "cgroup v1 pids",
        LimitKind.LIMIT_KIND_CPU: "cgroup v1 cpu",
    }
    group = hierarchy.create(LIMITS)
    assert group.folders["memory"].parent == tmp_path / "fs/memory/jobs/a"
    assert group.folders["cpu"] == group.folders["cpuacct"]


def test_version_1_counts_are_read_in_our_units(tmp_path):
    (tmp_path / "memory.max_usage_in_bytes").write_text("4194304\n")
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    (tmp_path / "pids.events").write_text("max 3\n")
    (tmp_path / "cpuacct.usage").write_text("1500000000\n")
    group = cgroups.Group(dict.fromkeys(("memory", "pids", "cpu", "cpuacct"), tmp_path), 1)
    assert group.usage() == cgroups.Usage(cpu_s=1.5, peak_memory_kib=4096, oom_kill_count=2, refused_fork_count=3)


def test_version_2_counts_are_read_in_our_units(tmp_path):
    (tmp_path / "memory.peak").write_text("4194304\n")
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\noom_group_kill 0\n")
    (tmp_path / "pids.events").write_text("max 3\n")
    (tmp_path / "cpu.stat").write_text("usage_usec 250000\nuser_usec 200000\n")
    group = cgroups.Group(dict.fromkeys(("memory", "pids", "cpu"), tmp_path), 2)
    assert group.usage() == cgroups.Usage(cpu_s=0.25, peak_memory_kib=4096, oom_kill_count=1, refused_fork_count=3)


def test_version_2_alone_in_its_group_moves_down_and_switches_the_controllers_on(proc, tmp_path, monkeypatch):
    write_text = Path.write_text

    def write_as_the_kernel_does(path: Path, text: str) -> int:
        return write_text(path, text.replace("+", "") if path.name == "cgroup.subtree_control" else text)

    monkeypatch.setattr(Path, "write_text", write_as_the_kernel_does)
    scope = version_2(proc, tmp_path / "fs", enabled="", processes=f"{os.getpid()}\n")
    hierarchy = cgroups.find(proc)
    assert hierarchy is not None
    assert (scope / "loupe-service/cgroup.procs").read_text() == str(os.getpid())
    assert (scope / "cgroup.subtree_control").read_text() == "memory pids cpu"


def test_version_2_beside_other_processes_uses_the_delegated_parent(proc, tmp_path):
    scope = version_2(proc, tmp_path / "fs", enabled="memory pids", processes="1\n2\n")
    (scope / "cgroup.subtree_control").unlink()
    (scope / "cgroup.subtree_control").mkdir()  # writing it fails, as the kernel's does then
    hierarchy = cgroups.find(proc)
    assert hierarchy is not None
    assert hierarchy.enforced_by == {
        LimitKind.LIMIT_KIND_MEMORY: "cgroup v2 memory",
        LimitKind.LIMIT_KIND_PROCESSES: "cgroup v2 pids",
    }
    assert hierarchy.create(LIMITS).folders["memory"].parent == scope.parent


def test_without_the_memory_controller_there_is_no_hierarchy(proc, tmp_path):
    scope = version_2(proc, tmp_path / "fs", enabled="", processes="1\n")
    for folder in (scope, scope.parent):
        (folder / "cgroup.controllers").write_text("hugetlb\n")
    assert cgroups.find(proc) is None


async def test_a_group_is_removed_and_a_second_removal_is_no_error(tmp_path):
    (tmp_path / "group").mkdir()
    group = cgroups.Group({"memory": tmp_path / "group"}, 2)
    await group.remove()
    await group.remove()
    assert not (tmp_path / "group").exists()


def test_a_sweep_removes_only_empty_groups_whose_maker_is_gone(proc, tmp_path):
    version_1(proc, tmp_path / "fs")
    hierarchy = cgroups.find(proc)
    assert hierarchy is not None
    base = tmp_path / "fs/pids"
    living = f"loupe-sandbox-{os.getppid()}-1"  # another service's, for a sandbox that is being made
    former = f"loupe-sandbox-{os.getpid()}-1"  # of a container's process 1 before this one
    for name in ("loupe-sandbox-99999999-1", "loupe-sandbox-99999999-2/busy", "other", living, former):
        (base / name).mkdir(parents=True)
    hierarchy.sweep()
    assert {path.name for path in base.iterdir()} == {"loupe-sandbox-99999999-2", "other", living}
