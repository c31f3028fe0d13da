"""Ruff, kept warm as a language server: one document, one pull of diagnostics a review."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from loupe.critic.v1.critic_pb2 import Finding, Severity, Tool
from servers.critic.policy import RuffRules
from servers.critic.program import Program, shortened
from servers.kit import scratch
from servers.kit.errors import NotReady

log = logging.getLogger(__name__)

VERSION = f"ruff {version('ruff')}"
_SYNTAX_ERROR = "invalid-syntax"
# A diagnostic is about 600 bytes: this is some 7,000 of them.
_MAX_ANSWER_BYTES = 4 * 1024 * 1024
_CANARY = "canary\n"
# What a process that is gone, mute or confused makes of a conversation. TimeoutError is an OSError; uvloop raises
# RuntimeError for a write to a pipe whose reader has died.
_BROKEN = (OSError, EOFError, ValueError, LookupError, RuntimeError, asyncio.LimitOverrunError)


class RuffDied(Exception):
    """The language server ended, or answered what it never should."""


class TooManyDiagnostics(Exception):
    """The answer is too large to read."""


class RuffServer:
    """A `ruff server` process that is started again when it dies.

    No configuration of a user or a folder reaches it: it runs isolated, with its settings sent at start, an empty
    environment and a private empty folder. Reviews take turns.
    """

    def __init__(self, rules: RuffRules, *, timeout_s: float, binary: Path | None = None) -> None:
        self._rules = rules
        self._timeout_s = timeout_s
        # pip puts the binary beside the interpreter.
        self._binary = binary or Path(sys.executable).with_name("ruff")
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        scratch.sweep("ruff")
        self._folder = scratch.new_folder("ruff")
        self._last_id = 0

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the process and make it judge a program that is known to be wrong.

        Raises:
          NotReady: ruff can't be started or does not find what it should.
        """
        async with self._turn:
            try:
                await self._restart()
            except RuffDied as error:
                raise NotReady(f"ruff does not work ({error}): reinstall {VERSION.replace(' ', '==')}") from error

    async def close(self) -> None:
        """End the process."""
        await self._kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def check(self, program: Program) -> list[Finding]:
        """Return ruff's findings.

        Raises:
          NotReady: ruff died or did not answer in time, twice.
        """
        async with self._turn:
            try:
                diagnostics = await self._diagnose(program.uncommented)
            except RuffDied as death:
                log.warning("ruff is started again", extra={"reason": str(death)})
                try:
                    await self._restart()
                    diagnostics = await self._diagnose(program.uncommented)
                except RuffDied as error:
                    raise NotReady(f"ruff does not answer ({error}): try again") from error
                except TooManyDiagnostics:
                    return [_too_many()]
            except TooManyDiagnostics:
                return [_too_many()]
        return [self._finding(diagnostic) for diagnostic in diagnostics]

    def _finding(self, diagnostic: dict[str, Any]) -> Finding:
        rule, start, end = diagnostic["code"], diagnostic["range"]["start"], diagnostic["range"]["end"]
        is_blocking = rule not in self._rules.informing
        return Finding(
            tool=Tool.TOOL_RUFF,
            rule=rule,
            severity=Severity.SEVERITY_MEDIUM if is_blocking else Severity.SEVERITY_LOW,
            is_blocking=is_blocking,
            message=shortened(diagnostic["message"]),
            line=start["line"] + 1,
            column=start["character"] + 1,
            end_line=end["line"] + 1,
            end_column=end["character"] + 1,
        )

    async def _diagnose(self, text: str) -> list[dict[str, Any]]:
        if self._process is None:
            raise RuffDied("it was not running")
        uri = (self._folder / "program.py").as_uri()
        document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._send("textDocument/didOpen", {"textDocument": document})
                answer = await self._ask("textDocument/diagnostic", {"textDocument": {"uri": uri}})
                await self._send("textDocument/didClose", {"textDocument": {"uri": uri}})
            if answer["kind"] != "full":
                raise RuffDied("its answer was not complete")
            items: list[dict[str, Any]] = answer["items"]
        except BaseException as error:
            # Also after a cancellation: half an answer may wait in the pipe.
            await self._kill()
            if isinstance(error, TimeoutError):
                raise RuffDied(f"no answer in {self._timeout_s} s") from error
            if isinstance(error, _BROKEN):
                raise RuffDied(type(error).__name__) from error
            raise
        return items

    async def _restart(self) -> None:
        await self._kill()
        # HOME and the temporary folder decide where ruff looks for settings of a user: it finds an empty folder.
        environment = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "TMPDIR"), str(self._folder))
        try:
            self._process = await asyncio.create_subprocess_exec(
                self._binary,
                *("server", "--isolated", "--no-preview", "--silent"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=self._folder,
                env=environment,
                # A signal typed at a terminal is for the server, which then ends ruff itself.
                start_new_session=os.name == "posix",
            )
            async with asyncio.timeout(self._timeout_s):
                answer = await self._ask("initialize", self._initialization())
                await self._send("initialized", {})
        except (*_BROKEN, TooManyDiagnostics) as error:
            await self._kill()
            raise RuffDied(f"it can't be started: {error}") from error
        except BaseException:
            await self._kill()
            raise
        if answer["capabilities"].get("positionEncoding") != "utf-32":
            raise RuffDied("it does not count columns in code points")
        if [item["code"] for item in await self._diagnose(_CANARY)] != ["F821"]:
            raise RuffDied("it does not find an undefined name")

    def _initialization(self) -> dict[str, Any]:
        settings = {
            "configurationPreference": "editorOnly",
            "configuration": {
                "target-version": "py311",
                "lint": {"preview": False, "ignore": [], "per-file-ignores": {}},
            },
            "lint": {"enable": True, "select": sorted(self._rules.blocking | self._rules.informing)},
            "showSyntaxErrors": True,
        }
        return {
            "processId": os.getpid(),
            "rootUri": None,
            "capabilities": {"general": {"positionEncodings": ["utf-32"]}, "textDocument": {"diagnostic": {}}},
            "initializationOptions": {"settings": settings},
        }

    async def _ask(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._last_id += 1
        await self._send(method, parameters, id=self._last_id)
        while True:
            message = await self._receive()
            if message.get("id") == self._last_id and "method" not in message:
                if "result" not in message:
                    raise ValueError(str(message.get("error")))
                result: dict[str, Any] = message["result"]
                return result

    async def _send(self, method: str, parameters: dict[str, Any], **extra: int) -> None:
        assert self._process is not None and self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": parameters, **extra}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await self._process.stdin.drain()

    async def _receive(self) -> dict[str, Any]:
        assert self._process is not None and self._process.stdout is not None
        header = await self._process.stdout.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b":", 1) for line in header.split(b"\r\n") if b":" in line)
        length = int(fields[b"content-length"])
        if length > _MAX_ANSWER_BYTES:
            raise TooManyDiagnostics
        message: dict[str, Any] = json.loads(await self._process.stdout.readexactly(length))
        return message

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        if process.stdin:
            process.stdin.close()
        await process.wait()


def _too_many() -> Finding:
    return Finding(
        tool=Tool.TOOL_RUFF,
        rule="too-many-findings",
        severity=Severity.SEVERITY_HIGH,
        is_blocking=True,
        message="ruff finds more than can be shown",
    )
