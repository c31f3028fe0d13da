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
from servers.router.providers.vllm_grpc import VllmGrpcProvider


@asynccontextmanager
async def opened(section: ProviderSection, key: str, *, local_only: bool) -> AsyncIterator[Provider]:
    """Keep a provider's connections until the block ends. Raises NotReady where a package is missing."""
    if section.kind in ("triton", "vllm_grpc"):
        of_kind = TritonProvider if section.kind == "triton" else VllmGrpcProvider
        provider = of_kind(section, key, local_only=local_only)
        provider.start()
        try:
            yield provider
        finally:
            await provider.close()
    else:
        async with open_session(section, local_only=local_only) as session:
            kind = OpenAiProvider if section.kind == "openai" else AnthropicProvider
            yield kind(section, key, session)
