"""The limits of one run: what the caller asks for, within what the operator allows."""

from collections.abc import Mapping

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Limits
from sandbox.policy import LimitRange
from servers.kit.errors import LimitTooHigh

MIB = 1024 * 1024
KIB = 1024

FIELDS: tuple[tuple[str, LimitKind.ValueType, str], ...] = (
    ("cpu_count", LimitKind.LIMIT_KIND_CPU, "cores"),
    ("memory_mib", LimitKind.LIMIT_KIND_MEMORY, "MiB"),
    ("wall_time_s", LimitKind.LIMIT_KIND_WALL_TIME, "s"),
    ("disk_mib", LimitKind.LIMIT_KIND_DISK, "MiB"),
    ("process_count", LimitKind.LIMIT_KIND_PROCESSES, "processes"),
    ("output_kib", LimitKind.LIMIT_KIND_OUTPUT, "KiB"),
    ("artifact_count", LimitKind.LIMIT_KIND_ARTIFACTS, "artifacts"),
    ("artifact_mib", LimitKind.LIMIT_KIND_ARTIFACTS, "MiB each"),
    ("inode_count", LimitKind.LIMIT_KIND_INODES, "files and folders"),
)
"""Each field of Limits, what it bounds, and its unit."""

_FRACTIONAL = {"cpu_count", "wall_time_s"}


def resolve(requested: Limits, allowed: Mapping[str, LimitRange]) -> Limits:
    """Return the limits with every field set.

    Raises:
      LimitTooHigh: one is over the operator's maximum; the message names it, both values and the unit.
    """
    resolved = Limits()
    for name, _, unit in FIELDS:
        value = getattr(requested, name) if requested.HasField(name) else allowed[name].default  # type: ignore[arg-type]  # HasField wants a literal
        if value > allowed[name].maximum:
            raise LimitTooHigh(f"limits.{name} is {value:g} {unit}, at most {allowed[name].maximum:g} {unit}")
        setattr(resolved, name, value if name in _FRACTIONAL else int(value))
    return resolved
