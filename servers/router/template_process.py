"""The process that renders a model's chat template, as the router sees it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

_PROGRAM = Path(__file__).with_name("chat_template.py")
_MAX_ANSWER_BYTES = 64 * 1024 * 1024
# To start Python and import jinja takes 0.15 s of CPU; a prompt of 100 KB is rendered in 1 ms (November 2026).
_START_S = 20.0


class TemplateFailed(Exception):
    """A template that made no prompt of the messages it was given, or none in its time and memory."""


class TemplateProcess:
    """Renders one template, a prompt at a time; its process starts with the first, and again after it was killed."""

    def __init__(self, source: str, *, limit_s: float = 2.0) -> None:
        self._source = source
        self._limit_s = limit_s
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def render(self, variables: Mapping[str, Any]) -> str:
        """Return the prompt that the template makes of its variables. Raises TemplateFailed."""
        async with self._turn:
            try:
                if self._process is None:
                    self._process = await self._started()
                    await self._asked(self._process, {"source": self._source}, _START_S)
                return await self._asked(self._process, variables, self._limit_s)
            except TemplateFailed:
                raise
            except BaseException as error:
                # Whatever it was about to say would be taken for the answer to the next question.
                await self._end()
                if isinstance(error, TimeoutError):
                    raise TemplateFailed(f"took over {self._limit_s:g} s") from error
                if isinstance(error, asyncio.IncompleteReadError | ConnectionError | ValueError):
                    raise TemplateFailed("ended its process") from error
                raise

    async def close(self) -> None:
        """End the process."""
        await self._end()

    async def _started(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", str(_PROGRAM)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
        )

    @staticmethod
    async def _asked(process: asyncio.subprocess.Process, frame: Mapping[str, Any], limit_s: float) -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        body = orjson.dumps(frame)
        async with asyncio.timeout(limit_s):
            process.stdin.write(len(body).to_bytes(4, "little") + body)
            await process.stdin.drain()
            size = int.from_bytes(await process.stdout.readexactly(4), "little")
            if size > _MAX_ANSWER_BYTES:
                raise ValueError(f"{size} bytes in an answer")
            answer = orjson.loads(await process.stdout.readexactly(size))
        if "error" in answer:
            raise TemplateFailed(answer["error"])
        return str(answer["text"])

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
