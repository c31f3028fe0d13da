"""Settings of the orchestrator."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from servers.kit.record_settings import RecordSettings


class Settings(RecordSettings):
    """Read from LOUPE_ORCHESTRATOR_*."""

    model_config = SettingsConfigDict(env_prefix="LOUPE_ORCHESTRATOR_")

    worker_count: int = Field(default=2, ge=0)
    """Jobs that this process has in work at one time. 0 for a server beside workers of their own."""

    queue_size: int = Field(default=100, ge=1)
    """Jobs that may wait; more are answered RESOURCE_EXHAUSTED."""

    owner_queue_size: int = Field(default=80, ge=1)
    """Of those, jobs of one owner."""

    lease_s: float = Field(default=5.0, ge=2)
    """Time after which another worker takes a job up whose worker said nothing more. With PostgreSQL only."""

    keep_days: float = Field(default=0.0, ge=0)
    """Days after its end that a job goes, with the files it made. 0: never."""

    keep_uploads_days: float = Field(default=0.0, ge=0)
    """Days after its upload that a file goes which no job names: none did, or those that did are gone. What was made
    for its owner outside of jobs goes likewise, as an export. 0: uploads stay until their owner deletes them."""

    tidy_after_s: float = Field(default=3600.0, gt=0)
    """Time after a job's end at which files go that were stored for it and that no step of it names, as an attempt
    leaves them that was cut. Longer than a process that is frozen or cut off may go on."""

    redis_url: SecretStr = Field(default=SecretStr(""), validation_alias="LOUPE_REDIS_URL")
    """Redis, where several orchestrators or workers share a database: redis://HOST:6379. It carries news of jobs, in a
    millisecond in place of half a second, and keeps nothing. Default: none."""

    job_deadline_s: float = Field(default=300.0, gt=0)
    """Time of a job that names none, waiting included."""

    retry_within_s: float = Field(default=30.0, gt=0)
    """Time in which a server that failed must serve again for a job to go on whose owner consented to a retry."""

    max_steps: int = Field(default=60, ge=1)
    """Steps of one job; a job that needs more ends as an incident."""

    max_repairs: int = Field(default=2, ge=0)
    """Repairs of one job's code, after denials and after crashes together."""

    heartbeat_s: float = Field(default=15.0, gt=0)
    """Time between two signs of life to a watcher."""

    max_artifact_mib: int = Field(default=64, ge=1)
    """Most that one run's files may weigh together."""

    webhook_hosts: str = ""
    """Hosts that jobs may tell of their end, separated by commas: "example.org,hooks.local:8443". Default: none."""

    @field_validator("redis_url")
    @classmethod
    def _url_is_of_redis(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not value.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("begins with none of redis://, rediss:// and unix://")
        return value
