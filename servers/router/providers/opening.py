"""Opens the provider of each kind of address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from servers.router.configuration import ProviderSection
from servers.router.providers.anthropic import AnthropicProvider
from servers.router.providers.base import Provider
from servers.router.providers.http import open_session
from servers.router.providers.openai import OpenAiProvider
from servers.router.providers.triton import TritonProvider


@asynccontextmanager
async def opened(section: ProviderSection, key: str, *, local_only: bool) -> AsyncIterator[Provider]:
    """Keep a provider's connections until the block ends. Raises NotReady where a package is missing."""
    if section.kind == "triton":
        triton = TritonProvider(section, key, local_only=local_only)
        triton.start()
        try:
            yield triton
        finally:
            await triton.close()
    else:
        async with open_session(section, local_only=local_only) as session:
            kind = OpenAiProvider if section.kind == "openai" else AnthropicProvider
            yield kind(section, key, session)
