"""What the operator sets, read once from LOUPE_SANDBOX_*."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from sandbox import runtime
from sandbox.runners.choice import Wanted
from servers.kit.config import ServerSettings


class Settings(ServerSettings):
    """The sandbox's settings. Limits and policy are data of their own, in the policy file."""

    model_config = SettingsConfigDict(env_prefix="LOUPE_SANDBOX_")

    runtime_dir: Path = Field(default_factory=runtime.default_directory)
    """Where `python -m sandbox.runtime build` put the environment that programs run on; every uid must be able to
    read it. Default: /var/lib/loupe/runtime for root, else ~/.local/share/loupe/runtime."""

    runner: Wanted = "auto"
    """How programs are confined: namespaces, runsc (gVisor), or auto for namespaces where they hold, else runsc."""

    warm_sandboxes: int = Field(default=2, ge=0, le=64)
    """Sandboxes that wait ready for a program; each costs about 10 MiB, with gVisor 115 to 155. 0 makes each when it is
    wanted."""

    policy_file: Path | None = None
    """Limits and policy in place of the shipped sandbox/policy.json."""

    concurrent_runs: int = Field(default=2, ge=1, le=128)
    """Programs that run at one time."""

    queued_runs: int = Field(default=4, ge=0, le=1000)
    """Programs that wait for a place; more are answered RESOURCE_EXHAUSTED."""

    sessions: int = Field(default=2, ge=0, le=128)
    """Sessions open at one time; each holds a sandbox, and up to its memory limit. 0 allows none."""

    session_lease_s: float = Field(default=600.0, gt=0, le=86400)
    """Longest time a session lives without a run."""

    input_timeout_s: float = Field(default=30.0, gt=0)
    """Time in which the input files of a run must have arrived."""

    used_tokens_dir: Path | None = None
    """Folder in which used tokens are remembered, so that none runs twice after a restart or on another replica; all
    replicas share it. Default: in memory, for one replica; it refuses tokens older than itself."""

    operator_public_key: Path | None = None
    """Public key (PEM) whose signature lets code run in place of the critic's. Set by `loupe sandbox run` for the
    sandbox it starts for itself; a sandbox at the mesh's own address refuses to start with it."""

    first_uid: int = Field(default=60706, ge=1)
    """First of the uids that sandboxes get when the service runs as root. Accounts of the machine are left out."""

    uid_count: int = Field(default=256, ge=1, le=65536)
    """How many such uids there are; at least as many as concurrent runs."""

    @model_validator(mode="after")
    def _operators_are_apart(self) -> Self:
        is_meshs = self.listen in ("", self.address_of("sandbox"))
        if self.operator_public_key and is_meshs:
            raise ValueError("LOUPE_SANDBOX_OPERATOR_PUBLIC_KEY is for a sandbox that no other server reaches")
        return self

    @model_validator(mode="after")
    def _uids_suffice(self) -> Self:
        if self.uid_count < self.concurrent_runs:
            raise ValueError(f"LOUPE_SANDBOX_UID_COUNT is {self.uid_count}, LOUPE_SANDBOX_CONCURRENT_RUNS more")
        return self
