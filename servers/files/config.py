"""Settings of the files server."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from servers.files.stores.settings import BucketSettings
from servers.kit.record_settings import RecordSettings


class Settings(RecordSettings):
    """Read from LOUPE_FILES_*."""

    model_config = SettingsConfigDict(env_prefix="LOUPE_FILES_")

    max_upload_mib: int = Field(default=25, ge=1, le=4095)
    """Largest file that is taken; what goes over is refused while it arrives."""

    max_pixels: int = Field(default=50_000_000, ge=1)
    """Most pixels an image's header may announce."""

    s3_endpoint: str = ""
    """S3 or MinIO for the bytes: https://HOST[:PORT], or http:// on a network of one's own. Default: a local folder.
    What lies in that folder moves to the bucket by itself."""

    s3_bucket: str = Field(default="loupe", pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    """The bucket; made where it is missing."""

    s3_access_key: SecretStr = SecretStr("")
    """Who we are to the object store."""

    s3_secret_key: SecretStr = SecretStr("")
    """And the proof."""

    s3_region: str = Field(default="us-east-1", min_length=1)
    """Region of the bucket; MinIO's own is the default."""

    s3_path_style: bool = True
    """HOST/BUCKET rather than BUCKET.HOST; AWS itself is always asked in its own way."""

    s3_ca_file: Path | None = None
    """Certificates of who signed the store's, PEM. Default: the usual authorities. There is no way to check nothing."""

    s3_retry_s: float = Field(default=5.0, gt=0)
    """Time between two tries to reach an object store that is away."""

    s3_max_waiting_mib: int = Field(default=2048, ge=1)
    """Most that may wait on the local disk for an object store that is away; then uploads are refused."""

    sweep_every_s: float = Field(default=3600.0, gt=0)
    """Time between two searches for bytes that nobody has a use for."""

    sweep_grace_s: float = Field(default=86400.0, ge=3600)
    """Age at which bytes without a record are removed. A restored database lacks what was stored after its backup."""

    @field_validator("s3_endpoint")
    @classmethod
    def _endpoint_is_an_origin(cls, value: str) -> str:
        scheme, separator, host = value.partition("://")
        if value and (scheme not in ("http", "https") or not separator or not host or "/" in host):
            raise ValueError(f"{value!r} is not of the form https://HOST[:PORT]")
        return value

    @model_validator(mode="after")
    def _keys_come_with_the_endpoint(self) -> Settings:
        keys = (self.s3_access_key.get_secret_value(), self.s3_secret_key.get_secret_value())
        if self.s3_endpoint and not all(keys):
            raise ValueError("LOUPE_FILES_S3_ENDPOINT needs LOUPE_FILES_S3_ACCESS_KEY and LOUPE_FILES_S3_SECRET_KEY")
        return self

    @property
    def bucket(self) -> BucketSettings | None:
        """The bucket, if bytes go to one."""
        if not self.s3_endpoint:
            return None
        return BucketSettings(
            endpoint=self.s3_endpoint,
            bucket=self.s3_bucket,
            access_key=self.s3_access_key,
            secret_key=self.s3_secret_key,
            region=self.s3_region,
            is_path_style=self.s3_path_style,
            ca_file=self.s3_ca_file,
        )
