"""Limits and policy as data: policy.json, typed. The tests read the same file."""

import json
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class LimitRange(_Strict):
    """One limit."""

    default: float = Field(gt=0)
    """Where the caller names none."""
    maximum: float = Field(gt=0)
    """Highest a caller may name."""


class Filesystem(_Strict):
    """What a program sees besides its working directory."""

    read_only: tuple[str, ...]
    """Folders and files of this machine, at the same place inside; what is missing here is missing inside."""
    devices: tuple[str, ...]
    hidden: tuple[str, ...]
    """Covered with nothing, where they exist."""
    files: dict[str, str]
    """Made for the sandbox: path to content."""


class Policy(_Strict):
    """Everything about a sandbox that is a choice and not a mechanism."""

    limits: dict[str, LimitRange]
    """By the name of the field in loupe.sandbox.v1.Limits."""
    required: tuple[str, ...]
    """Limits, by the same names and "network", without which nothing is served: a machine must have means for each."""
    inputs_total_mib: int = Field(gt=0)
    rlimits: dict[str, int]
    """Besides the ones that follow from the limits."""
    filesystem: Filesystem
    environment: dict[str, str]
    """The whole environment of a program."""
    preload: tuple[str, ...]
    """Modules that are imported before a program comes, where a runner can: they cost it nothing then."""
    syscalls: dict[str, tuple[str, ...]]
    """Refused system calls by the errno they give. socket, clone, ioctl and personality are filtered by argument."""

    @model_validator(mode="after")
    def _required_limits_exist(self) -> Self:
        if unknown := set(self.required) - {*self.limits, "network"}:
            raise ValueError(f"required names no limit: {', '.join(sorted(unknown))}")
        return self


def load(path: Path | None = None) -> Policy:
    """Return the policy in a file, or the one shipped here.

    Raises:
      OSError, pydantic.ValidationError: the file can't be read or is not a policy.
    """
    return Policy.model_validate(json.loads((path or Path(__file__).with_name("policy.json")).read_text()))
