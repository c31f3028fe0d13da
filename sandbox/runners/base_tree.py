"""The base that every namespace sandbox shares: a read-only tree and no network, made by Debian's bubblewrap."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sandbox.policy import Policy
from sandbox.runners import guest_code
from sandbox.runtime import Runtime
from sandbox.uids import Identity

SETPRIV = "/usr/bin/setpriv"
_UID_INSIDE = "1000"
_START = "import sys; sys.path.insert(0, '/loupe'); from sandbox.bootstrap.zygote import main; main()"


def contents(policy: Policy) -> dict[str, bytes]:
    """Return the files that are made for the tree: path to content."""
    code = {f"/loupe/sandbox/bootstrap/{name}": content for name, content in guest_code.files().items()}
    # Each cell mounts its program over the empty one.
    return code | {"/loupe/program.py": b""} | {path: text.encode() for path, text in policy.filesystem.files.items()}


def command(
    bwrap: Path, identity: Identity, policy: Policy, runtime: Runtime, *, files: Mapping[str, int], control_fd: int
) -> list[str]:
    """Return the command that starts the zygote in the tree.

    Args:
      identity: whom to become first; bubblewrap started by real root leaves doors open (docs/traps.md).
      files: path to an open descriptor with the content.
    """
    become = [SETPRIV, "--reuid", str(identity.uid), "--regid", str(identity.gid), "--clear-groups", "--"]
    data = [text for path, fd in files.items() for text in ("--perms", "0444", "--file", str(fd), path)]
    seal = ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--"]
    python = ["/runtime/bin/python", "-s", "-P", "-B", "-u", "-c", _START, str(control_fd)]
    return [
        *(become if identity.is_switched else []),
        *(str(bwrap), *_namespaces(), *_tree(policy, runtime), *data, *seal, *python),
    ]


def _namespaces() -> list[str]:
    return [
        *("--unshare-all", "--unshare-user", "--uid", _UID_INSIDE, "--gid", _UID_INSIDE, "--hostname", "loupe"),
        *("--die-with-parent", "--new-session", "--as-pid-1", "--clearenv"),
        # Cells have all rights in namespaces of their own until they give them up; the zygote needs none.
        *("--cap-drop", "ALL"),
    ]


def _tree(policy: Policy, runtime: Runtime) -> list[str]:
    """Return the arguments that build the tree; later ones cover earlier ones."""
    arguments: list[str] = []
    for path in map(Path, policy.filesystem.read_only):
        if path.exists():
            arguments += ["--ro-bind", str(path), str(path)]
    for name in ("bin", "lib", "lib64"):
        # Merged on the machines of today, folders of their own on some older ones.
        if Path("/", name).is_symlink():
            arguments += ["--symlink", f"usr/{name}", f"/{name}"]
        elif Path("/", name).exists():
            arguments += ["--ro-bind", f"/{name}", f"/{name}"]
    # Uncovered: the kernel lets a cell mount its own /proc only where it could see all of this one.
    arguments += ["--ro-bind", str(runtime.path), "/runtime", "--proc", "/proc"]
    # Not bwrap's --dev: that is a writable tmpfs without bounds, with terminals in it.
    arguments += ["--tmpfs", "/dev"]
    for device in policy.filesystem.devices:
        arguments += ["--dev-bind", device, device]
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        arguments += ["--symlink", f"/proc/self/fd{target}", f"/dev/{name}"]
    for folder in ("/dev/shm", "/work", "/box", "/inputs", "/program"):
        arguments += ["--dir", folder]
    # The zygote's own, where matplotlib wants to write; each cell covers it with another.
    arguments += ["--tmpfs", "/tmp"]
    for name, value in policy.environment.items():
        arguments += ["--setenv", name, value]
    return arguments


def is_startable() -> bool:
    """Tell whether the command can become an ordinary user here."""
    return os.geteuid() != 0 or Path(SETPRIV).exists()
