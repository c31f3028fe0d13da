"""Starts the files server: `python -m servers.files`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from loupe.files.v1.files_service_pb2_grpc import add_FilesServiceServicer_to_server
from servers.files.archive import Archive
from servers.files.catalog import Catalog
from servers.files.config import Settings
from servers.files.servicer import FilesServicer
from servers.files.stores.base import BlobStore
from servers.files.stores.local import LocalStore
from servers.files.sweep import Sweep
from servers.kit import config, serve
from servers.kit.database import open_database
from servers.kit.mesh import Mesh
from servers.kit.metrics import counting


@asynccontextmanager
async def build(settings: Settings, mesh: Mesh) -> AsyncIterator[serve.Registration]:
    """Open the records and the blobs."""
    async with AsyncExitStack() as stack:
        migrations = Path(__file__).parent / "migrations"
        catalog = Catalog(await stack.enter_async_context(open_database(settings.records_of("files"), migrations)))
        store = await stack.enter_async_context(_opened(settings))
        max_bytes = settings.max_upload_mib * 2**20
        archive = Archive(store, catalog, max_bytes=max_bytes, max_pixels=settings.max_pixels)
        counts = stack.enter_context(counting("files", settings.otlp_endpoint))
        sweep = Sweep(store, catalog, counts, every_s=settings.sweep_every_s, grace_s=settings.sweep_grace_s)
        await stack.enter_async_context(sweep.running())
        yield serve.Registration(add_FilesServiceServicer_to_server, FilesServicer(catalog, store, archive))


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[BlobStore]:
    local = LocalStore(settings.home / "files")
    local.start()
    if settings.bucket is None:
        async with local.watched():
            yield local
        return
    max_waiting_bytes = settings.s3_max_waiting_mib * 2**20
    # Imported where it is used: the client brings what a laptop's files server never needs.
    from servers.files.stores.bucket import Bucket
    from servers.files.stores.s3 import S3Store

    bucket = Bucket(settings.bucket)
    store = S3Store(bucket, local, max_waiting_bytes=max_waiting_bytes, retry_s=settings.s3_retry_s)
    async with local.watched(), store.running():
        yield store


if __name__ == "__main__":
    serve.run("files", config.load(Settings), build)
