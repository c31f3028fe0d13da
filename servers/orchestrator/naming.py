"""Which files a job's record names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from google.protobuf.message import Message

from loupe.orchestrator.v1.orchestrator_pb2 import Step
from loupe.type.v1.file_ref_pb2 import FileRef


def made_files(steps: Sequence[Step]) -> set[str]:
    """Return the ids of the files that a job made: in its results, not taken over from another job, not its inputs."""
    made, given = set(), set()
    for step in steps:
        ids = {ref.file_id for ref in refs_of(step)}
        if step.attempt and (step.HasField("observation") or step.HasField("answer")):
            made |= ids
        else:
            given |= ids
    return made - given


def refs_of(message: Message) -> Iterator[FileRef]:
    """Yield every file that a message names, however deep."""
    if isinstance(message, FileRef):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for part in value if field.is_repeated else [value]:
                yield from refs_of(part)
