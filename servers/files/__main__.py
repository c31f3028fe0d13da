"""Starts the files server: `python -m servers.files`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from loupe.files.v1.files_service_pb2_grpc import add_FilesServiceServicer_to_server
from servers.files.archive import Archive
from servers.files.catalog import Catalog
from servers.files.config import Settings
from servers.files.servicer import FilesServicer
from servers.files.stores.local import LocalStore
from servers.kit import config, serve
from servers.kit.database import open_database
from servers.kit.mesh import Mesh


@asynccontextmanager
async def build(settings: Settings, mesh: Mesh) -> AsyncIterator[serve.Registration]:
    """Open the records and the blobs."""
    store = LocalStore(settings.home / "files")
    store.start()
    async with open_database(settings.home / "files.sqlite", Path(__file__).parent / "migrations") as engine:
        catalog = Catalog(engine)
        max_bytes = settings.max_upload_mib * 2**20
        archive = Archive(store, catalog, max_bytes=max_bytes, max_pixels=settings.max_pixels)
        yield serve.Registration(add_FilesServiceServicer_to_server, FilesServicer(catalog, store, archive))


if __name__ == "__main__":
    serve.run("files", config.load(Settings), build)
