"""A real S3 server for tests, in this process; what it keeps outlives its stops."""

from __future__ import annotations

import io
import logging
import socket

from minio import Minio
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from servers.files.stores.settings import BucketSettings


class ObjectStore:
    """moto's S3 on a port."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._host = host
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs each request
        with socket.socket() as probe:
            probe.bind((host, 0))
            self.port: int = probe.getsockname()[1]
        self._server: ThreadedMotoServer | None = None

    @property
    def endpoint(self) -> str:
        """Where it is."""
        return f"http://{self._host}:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether it answers."""
        return self._server is not None

    def settings(self, bucket: str) -> BucketSettings:
        """How to reach a bucket of it."""
        return BucketSettings(self.endpoint, bucket, SecretStr("tester"), SecretStr("of-the-tests"))

    def environment(self, bucket: str = "loupe") -> dict[str, str]:
        """The same as variables of the files server."""
        return {
            "LOUPE_FILES_S3_ENDPOINT": self.endpoint,
            "LOUPE_FILES_S3_BUCKET": bucket,
            "LOUPE_FILES_S3_ACCESS_KEY": "tester",
            "LOUPE_FILES_S3_SECRET_KEY": "of-the-tests",
        }

    def client(self) -> Minio:
        """A client of one's own."""
        host = self.endpoint.removeprefix("http://")
        return Minio(endpoint=host, access_key="tester", secret_key="of-the-tests", secure=False, region="us-east-1")

    def overwrite(self, bucket: str, key: str, content: bytes) -> None:
        """Put other bytes in an object's place."""
        self.client().put_object(bucket_name=bucket, object_name=key, data=io.BytesIO(content), length=len(content))

    def objects(self, bucket: str) -> dict[str, bytes]:
        """Return everything in a bucket by its key, as a copy of it holds."""
        client = self.client()
        keys = [str(found.object_name) for found in client.list_objects(bucket_name=bucket, recursive=True)]
        return {key: client.get_object(bucket_name=bucket, object_name=key).read() for key in keys}

    def start(self) -> None:
        """Answer."""
        self._server = ThreadedMotoServer(self._host, self.port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        """Answer no more; connections are refused."""
        assert self._server is not None
        self._server.stop()
        self._server = None
