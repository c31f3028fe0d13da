"""`loupe sandbox run`: a program in a sandbox of its own, on the operator's signature in place of the critic's."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from grpc_health.v1 import health_pb2, health_pb2_grpc

from cli import health, images, plan
from cli.config import Settings
from cli.connection import failure
from cli.errors import CommandFailed, ExitCode, reason_of
from loupe.sandbox.v1.sandbox_pb2 import (
    InputChunk,
    InputFile,
    LimitKind,
    Limits,
    Outcome,
    OutputStream,
    RunCodeRequest,
    RunResult,
    RunSpec,
)
from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from loupe.sandbox.v1.shown_value_pb2 import Cell
from servers.kit import wire_json
from servers.kit.services import BY_NAME, SERVICES
from servers.kit.tokens import CodeClaims, sign_code_token

_CHUNK_BYTES = 256 * 1024
_START_WITHIN_S = 60.0
_STOP_WITHIN_S = 10.0
_MAKE_A_KEY = (
    "make one with `openssl genpkey -algorithm ed25519 -out operator.pem && chmod 600 operator.pem` "
    "and set LOUPE_OPERATOR_KEY to its path"
)


def run(
    settings: Settings,
    program: Path,
    *,
    runner: str,
    inputs: Sequence[Path],
    out: Path | None,
    wall_time_s: float | None,
    as_json: bool,
) -> ExitCode:
    """Run a program; write what it writes, then how it ended."""
    key = _operator_key(settings.operator_key)
    try:
        source = program.read_bytes().decode()
        contents = {path.name: path.read_bytes() for path in inputs}
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{program}: {reason_of(error)}", ExitCode.USAGE) from None
    if out:
        images.make_folder(out)
    limits = Limits(wall_time_s=wall_time_s) if wall_time_s else Limits()
    spec = RunSpec(source=source, limits=limits)
    for name, content in contents.items():
        spec.inputs.append(InputFile(name=name, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()))
    settings.keys.ensure(service.name for service in SERVICES)
    with _own_sandbox(settings, key, runner) as address:
        spec.critic_token = _signed(key, source)
        result = asyncio.run(_stream(address, settings.keys.api_key(), spec, contents, out))
    return _told(result, as_json=as_json)


def _operator_key(path: Path | None) -> Ed25519PrivateKey:
    """Return the operator's key. Raises CommandFailed where there is none, or others could read it."""
    if path is None:
        raise CommandFailed(f"this command needs the operator's key: {_MAKE_A_KEY}", ExitCode.USAGE)
    path = path.expanduser()
    try:
        status = path.stat()
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise CommandFailed(f"{path} must be yours and nobody else's to read: chmod 600 {path}", ExitCode.USAGE)
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise CommandFailed(f"LOUPE_OPERATOR_KEY: {reason_of(error)}: {_MAKE_A_KEY}", ExitCode.USAGE) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise CommandFailed(f"{path} is not an Ed25519 key: {_MAKE_A_KEY}", ExitCode.USAGE)
    return key


def _signed(key: Ed25519PrivateKey, source: str) -> str:
    claims = CodeClaims(hashlib.sha256(source.encode()).hexdigest(), "none", "operator", 1, 1)
    return sign_code_token(key, claims, issuer="operator")


@contextmanager
def _own_sandbox(settings: Settings, key: Ed25519PrivateKey, runner: str) -> Iterator[str]:
    """Start a sandbox server on a socket in a folder of its own; yield its address once it serves, and end it."""
    settings.logs_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = settings.logs_dir / "sandbox-run.log"
    with tempfile.TemporaryDirectory(prefix="loupe-") as folder:
        public = Path(folder, "operator.pem")
        public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        address = f"unix:{folder}/sandbox.sock"
        environment = {
            **os.environ,
            **plan.environment(settings),
            "LOUPE_SANDBOX_LISTEN": address,
            "LOUPE_SANDBOX_RUNNER": runner,
            "LOUPE_SANDBOX_OPERATOR_PUBLIC_KEY": str(public),
            "LOUPE_SANDBOX_WARM_SANDBOXES": "0",
            "LOUPE_SANDBOX_CONCURRENT_RUNS": "1",
        }
        with log.open("ab") as file:
            offset = file.tell()
            # A session of its own: Ctrl-C is ours to hear, and the server's end ours to bring about.
            server = subprocess.Popen(
                plan.command(BY_NAME["sandbox"].module),
                cwd=plan.ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        try:
            _wait_until_serving(address, server, log, offset)
            yield address
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(_STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_until_serving(address: str, server: subprocess.Popen[bytes], log: Path, offset: int) -> None:
    until = time.monotonic() + _START_WITHIN_S
    with grpc.insecure_channel(address, options=[("grpc.max_reconnect_backoff_ms", 100)]) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=BY_NAME["sandbox"].full_name)
        while time.monotonic() < until and server.poll() is None:
            with contextlib.suppress(grpc.RpcError):
                status = stub.Check(request, timeout=1.0, wait_for_ready=True).status
                if status == health_pb2.HealthCheckResponse.SERVING:
                    return
                if remedy := health.remedy(log, offset):
                    raise CommandFailed(remedy)
            time.sleep(0.05)
    raise CommandFailed(f"no sandbox could be started: {health.last_words(log, offset)} (see {log})")


async def _stream(address: str, api_key: str, spec: RunSpec, contents: dict[str, bytes], out: Path | None) -> RunResult:
    async def requests() -> AsyncIterator[RunCodeRequest]:
        yield RunCodeRequest(spec=spec)
        for name, content in contents.items():
            for start in range(0, max(len(content), 1), _CHUNK_BYTES):
                yield RunCodeRequest(input=InputChunk(name=name, data=content[start : start + _CHUNK_BYTES]))

    result = RunResult()
    is_line_open: dict[int, bool] = {}
    streams = {
        OutputStream.OUTPUT_STREAM_STDOUT: sys.stdout.buffer,
        OutputStream.OUTPUT_STREAM_STDERR: sys.stderr.buffer,
    }
    async with grpc.aio.insecure_channel(address) as channel:
        call = SandboxServiceStub(channel).RunCode(requests(), metadata=(("authorization", f"Bearer {api_key}"),))
        try:
            async for response in call:
                match response.WhichOneof("message"):
                    case "output":
                        stream = streams[response.output.stream]
                        stream.write(response.output.data)
                        stream.flush()
                        is_line_open[response.output.stream] = not response.output.data.endswith(b"\n")
                    case "artifact" if out:
                        _append(out / response.artifact.name, response.artifact.data)
                    case "result":
                        result = response.result
        except grpc.aio.AioRpcError as error:
            raise failure(error, "the sandbox") from None
    if is_line_open.get(OutputStream.OUTPUT_STREAM_STDOUT):
        click.echo()  # the result is a line of its own
    return result


def _append(path: Path, data: bytes) -> None:
    """Add to a file that this run makes; the sandbox gives no name that leads out of the folder, and this checks."""
    if ".." in path.parts:
        raise CommandFailed(f"the sandbox named a file {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(data)


def _told(result: RunResult, *, as_json: bool) -> ExitCode:
    if as_json:
        click.echo(wire_json.to_line(result))
    else:
        for line in _shown(result):
            click.echo(line)
        exceeded = f", {LimitKind.Name(result.exceeded).removeprefix('LIMIT_KIND_').lower()}" if result.exceeded else ""
        outcome = Outcome.Name(result.outcome).removeprefix("OUTCOME_").lower().replace("_", " ")
        wall_s, cpu_s = result.wall_time.ToMilliseconds() / 1000, result.cpu_time.ToMilliseconds() / 1000
        click.echo(
            f"{outcome}{exceeded}: exit code {result.exit_code}, {wall_s:.3f} s, {cpu_s:.3f} s CPU, "
            f"{result.peak_memory_kib // 1024} MiB, {len(result.artifacts)} files, {result.runner}",
            err=True,
        )
        for note in result.notes:
            click.echo(note, err=True)
    if result.outcome == Outcome.OUTCOME_COMPLETED:
        return ExitCode.ANSWERED
    return ExitCode.FAILED


def _shown(result: RunResult) -> Iterator[str]:
    """Yield the last value and the figures' series as a person reads them; nothing in them reaches the terminal raw."""
    value = result.value
    if value.HasField("table"):
        yield _plain("\t".join(column.name for column in value.table.columns))
        for row in value.table.rows:
            yield _plain("\t".join(_cell(cell) for cell in row.cells))
        if value.is_truncated:
            yield f"... of {value.table.row_count} rows and {value.table.column_count} columns"
    elif value.text:
        yield _plain(value.text) + (" ..." if value.is_truncated else "")
    for figure in result.figures:
        series = [f"{one.name or 'unnamed'} ({one.point_count})" for axes in figure.axes for one in axes.series]
        name = ", ".join(figure.artifact_names) or figure.title or "a figure"
        yield _plain(f"{name}: {', '.join(series) or 'no series'}")


def _cell(cell: Cell) -> str:
    kind = cell.WhichOneof("value")
    if kind == "number":
        return f"{cell.number:.15g}"
    return "" if kind is None else str(getattr(cell, kind))


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text)
