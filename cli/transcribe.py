"""`loupe transcribe`: what is said in a recording, segment by segment as it is recognised."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import grpc

from cli import images, lifecycle, wording
from cli.config import Settings
from cli.connection import Connection, again, failure
from cli.errors import CommandFailed, ExitCode, reason_of
from cli.jobs import connected
from cli.subtitles import FORMS, Form
from loupe.speech.v1.speech_pb2 import (
    NoSpeech,
    StreamTranscribeRequest,
    StreamTranscribeResponse,
    TranscribeEnd,
    TranscribeRequest,
)
from loupe.speech.v1.speech_service_pb2_grpc import SpeechServiceStub
from loupe.type.v1.engine_pb2 import Engine
from servers.kit import wire_json

if TYPE_CHECKING:  # the asynchronous stubs are types only
    from loupe.speech.v1.speech_service_pb2_grpc import SpeechServiceAsyncStub


def transcribe(settings: Settings, path: Path, language: str, form: str, *, as_json: bool) -> ExitCode:
    """Print what is said; UNANSWERABLE where nobody speaks."""
    _, codes = images.readable([path], "a recording")
    if codes:
        return codes[0]
    lifecycle.ensure_running(settings)

    async def run(connection: Connection) -> ExitCode:
        speech: SpeechServiceAsyncStub = SpeechServiceStub(connection.channel)
        try:
            file = await connection.upload(path)
        except OSError as error:
            raise CommandFailed(f"{images.shown(path)}: {reason_of(error)}") from None
        except grpc.aio.AioRpcError as error:
            raise failure(error, images.shown(path)) from None
        request = TranscribeRequest(file=file, language=language)
        try:
            if as_json:
                answer = await again(lambda: speech.Transcribe(request, metadata=connection.metadata))
                click.echo(wire_json.to_line(answer))
                return ExitCode.UNANSWERABLE if answer.HasField("no_speech") else ExitCode.ANSWERED
            end = await _follow(connection, speech, request, FORMS[form])
        except grpc.aio.AioRpcError as error:
            raise failure(error, images.shown(path)) from None
        finally:
            await connection.forget(file)
        _tell_degraded(end.engine)
        if end.HasField("no_speech"):
            click.echo(f"{images.shown(path)}: {_nobody(end.no_speech)}", err=True)
            return ExitCode.UNANSWERABLE
        return ExitCode.ANSWERED

    return connected(settings, run)


async def _follow(
    connection: Connection, speech: SpeechServiceAsyncStub, request: TranscribeRequest, form: Form
) -> TranscribeEnd:
    """Print segments as they come; return the end. A call that fails before its first event is tried again."""

    async def begun() -> tuple[grpc.aio.UnaryStreamCall[StreamTranscribeRequest, StreamTranscribeResponse], object]:
        call = speech.StreamTranscribe(StreamTranscribeRequest(request=request), metadata=connection.metadata)
        return call, await call.read()

    call, event = await again(begun)
    click.echo(form.head, nl=False)
    number = 0
    while isinstance(event, StreamTranscribeResponse):
        if event.HasField("end"):
            return event.end
        number += 1
        click.echo(form.cue(number, event.segment), nl=False)
        event = await call.read()
    raise CommandFailed("the transcript broke off: what is printed is not all of it")


def _nobody(no_speech: NoSpeech) -> str:
    return f"nobody speaks: {wording.plain(no_speech.detail)}"


def _tell_degraded(engine: Engine) -> None:
    if engine.degraded_reason:
        click.echo(f"loupe: the {engine.name} engine stood in: {wording.plain(engine.degraded_reason)}", err=True)
