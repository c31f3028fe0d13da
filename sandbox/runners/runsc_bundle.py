"""What runsc is given: an OCI bundle, with a read-only tree of what the machine must share and one folder of the host.

config.json   the sandbox, in the Open Container Initiative's words
rootfs/       empty folders, over which everything is mounted
bootstrap/    our code inside
box/          the host's folder: the report and the files come out here
state/        runsc's own
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sandbox.policy import Policy
from sandbox.runners import guest_code
from sandbox.runtime import Runtime

_START = "import sys; sys.path.insert(0, '/loupe'); from sandbox.bootstrap.gvisor_init import main; main()"
_SYSTEM_FOLDERS = ("bin", "dev", "etc", "lib", "lib64", "proc", "sys", "usr")
_FOLDERS = (*_SYSTEM_FOLDERS, "box", "inside", "loupe", "runtime", "tmp", "work")
# What the bootstrap needs of its own kernel: to lay out folders, become somebody else for the program, and end what it
# left. None of them is the program's, and none of them counts in the machine's kernel.
_CAPABILITIES = (
    *("CAP_SETPCAP", "CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL"),
    "CAP_SYS_ADMIN",
)
_PROGRAM_BYTES = 2097152  # the program, and the order it came with


def lay_out(folder: Path, policy: Policy, runtime: Runtime) -> None:
    """Fill an empty folder with the bundle of one sandbox."""
    for name in ("box", "state"):
        (folder / name).mkdir(mode=0o700)
    for name in _FOLDERS:
        (folder / "rootfs" / name).mkdir(parents=True)
    code = folder / "bootstrap"
    code.mkdir()
    for name, content in guest_code.files().items():
        (code / name).write_bytes(content)
    for path, text in policy.filesystem.files.items():
        (folder / "rootfs" / path.lstrip("/")).write_text(text)
    (folder / "config.json").write_text(json.dumps(_config(folder, policy, runtime)))


def _config(folder: Path, policy: Policy, runtime: Runtime) -> dict[str, Any]:
    return {
        "ociVersion": "1.0.0",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": ["/runtime/bin/python", "-s", "-P", "-B", "-u", "-c", _START],
            "env": [f"{name}={value}" for name, value in policy.environment.items()],
            "cwd": "/",
            "capabilities": {kind: list(_CAPABILITIES) for kind in ("bounding", "effective", "permitted")},
            # Set from outside: gVisor's setrlimit refuses half of them.
            "rlimits": [{"type": name, "hard": value, "soft": value} for name, value in policy.rlimits.items()],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "loupe",
        "mounts": _mounts(folder, policy, runtime),
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]},
    }


def _mounts(folder: Path, policy: Policy, runtime: Runtime) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
        _own("/loupe", _PROGRAM_BYTES),
        # The bootstrap mounts the box over these, with the bounds of the program that comes.
        *(_own(path, 4096) for path in ("/inside", "/work", "/tmp", "/dev/shm")),
        {"destination": "/box", "type": "bind", "source": str(folder / "box"), "options": ["rw", "rbind"]},
    ]
    shared = {path: path for path in policy.filesystem.read_only if Path(path).is_dir()}
    shared |= {f"/{name}": f"/usr/{name}" for name in ("bin", "lib", "lib64") if Path("/usr", name).is_dir()}
    shared |= {"/runtime": str(runtime.path), "/loupe/sandbox/bootstrap": str(folder / "bootstrap")}
    for target, source in shared.items():
        mounts.append({"destination": target, "type": "bind", "source": source, "options": ["ro", "rbind"]})
        (folder / "rootfs" / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
    return mounts


def _own(path: str, size_bytes: int) -> dict[str, Any]:
    options = ["nosuid", "nodev", "noexec", "mode=0755", f"size={size_bytes}"]
    return {"destination": path, "type": "tmpfs", "source": "tmpfs", "options": options}
