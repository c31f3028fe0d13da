"""Engines as the suite sees them: a model to ask, and what can be done to it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from loupe.type.v1.access_pb2 import Role
from servers.kit import identity
from servers.kit.channels import ServiceTokens, open_channel
from servers.kit.identity import Caller
from servers.kit.keys import KeyFolder
from servers.kit.models.base import ChatModel
from servers.kit.models.in_process import LocalModel
from servers.kit.models.routed import RoutedModel
from servers.kit.models.transformers import TransformersModel
from tests.conformance.fault_proxy import FaultProxy, fault_proxy
from tests.conformance.servers import (
    BUILD,
    VLLM_MODEL,
    ModelServer,
    triton_server,
    vllm_grpc_server,
    vllm_server,
    word_grpc_server,
    word_server,
)
from tests.engines import word_tokenizer
from tests.running import running

ENGINES = tuple(os.environ.get("LOUPE_TEST_ENGINES", "openai,words-grpc").split(","))
"""Which engines a run is about. These two need nothing; make test-engines and make test-vllm install the others."""
SERVED = tuple(name for name in ENGINES if name != "transformers")
IN_PROCESS = tuple(name for name in ENGINES if name == "transformers")
TINY_MODELS = BUILD / "engines" / "models"
TINY_CONTEXT_TOKENS = 8192
WORD_CONTEXT_TOKENS = 512
STALL_S = 1.0
_SEEN_WITHIN_S = 10.0


@dataclass
class Rig:
    """An engine that can be asked."""

    name: str
    model: ChatModel
    sees: bool
    """Whether it takes pictures."""
    context_tokens: int

    @property
    def long_tokens(self) -> int:
        """Tokens of an answer that takes long enough to be disturbed, and fits into the context."""
        return self.context_tokens - 72


@dataclass
class Served(Rig):
    """A model server behind a proxy that can break its answers, behind the router."""

    server: ModelServer
    proxy: FaultProxy


@dataclass
class InProcess(Rig):
    """A model in this process."""

    folder: Path
    model: TransformersModel

    async def is_idle(self) -> None:
        """Wait until nothing is being made any more."""
        async with asyncio.timeout(_SEEN_WITHIN_S):
            while self.model.in_work:  # noqa: ASYNC110 - a thread ends it
                await asyncio.sleep(0.01)


@asynccontextmanager
async def opened(name: str, home: Path) -> AsyncIterator[Rig]:
    """Run an engine until the block ends; this task acts for an owner."""
    act()
    if name == "transformers":
        async with in_process(home) as rig:
            yield rig
        return
    context_tokens = TINY_CONTEXT_TOKENS if name.startswith("vllm") else WORD_CONTEXT_TOKENS
    server = {
        "openai": word_server,
        "words-grpc": word_grpc_server,
        "triton": triton_server,
        "vllm": lambda home: vllm_server(home, VLLM_MODEL, context_tokens // 2),
        "vllm-grpc": lambda home: vllm_grpc_server(home, VLLM_MODEL),
    }[name](home)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.kill)
        await server.start()
        proxy = await stack.enter_async_context(fault_proxy("127.0.0.1", server.port))
        of_model = ""
        if name == "triton":
            scheme = f'kind = "triton"\nbase_url = "grpc://127.0.0.1:{proxy.port}"\nmodel_control = "load"'
        elif name in ("words-grpc", "vllm-grpc"):
            scheme = f'kind = "vllm_grpc"\nbase_url = "grpc://127.0.0.1:{proxy.port}"'
            folder = word_tokenizer.write(home / "words") if name == "words-grpc" else Path(VLLM_MODEL).resolve()
            of_model = f'tokenizer_dir = "{folder}"\n'
        else:
            scheme = f'kind = "openai"\nbase_url = "http://127.0.0.1:{proxy.port}/v1"'
        (home / "router.toml").write_text(
            f'[[providers]]\nname = "up"\n{scheme}\nfirst_token_timeout_s = 30\nstall_timeout_s = {STALL_S}\n'
            "breaker_failures = 1000\n"
            '[[providers.models]]\nname = "chat"\nvision = true\njson_schema = true\nmax_output_tokens = 64\n'
            f"{of_model}"
        )
        router = await stack.enter_async_context(running("router", home))
        channel = open_channel(router.address, "router", ServiceTokens("reasoning", KeyFolder(home / "keys")))
        stack.push_async_callback(channel.close)
        yield Served(name, RoutedModel(channel, "chat"), True, context_tokens, server, proxy)


@asynccontextmanager
async def in_process(home: Path, model: str = "qwen2.5-vl", **more: object) -> AsyncIterator[InProcess]:
    """Run a tiny model in this process until the block ends."""
    folder = TINY_MODELS / model
    local = LocalModel(folder, model, is_lazy=False, max_output_tokens=64, **more)  # type: ignore[arg-type]  # its fields
    made = TransformersModel(local)
    try:
        await made.start()
        yield InProcess("transformers", made, model == "qwen2.5-vl", TINY_CONTEXT_TOKENS, folder)
    finally:
        await made.close()


def act(*, for_s: float | None = None) -> None:
    """Act for an owner, with so much time."""
    until = None if for_s is None else asyncio.get_running_loop().time() + for_s
    identity.act_for(Caller("ann", Role.ROLE_ANALYST), request_id="req_conformance", deadline=until)


class Watch:
    """How long something took."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()

    @property
    def s(self) -> float:
        """Seconds until now."""
        return self._clock() - self._began
