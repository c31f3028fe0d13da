"""What a run's files are worth: kept with the files server, and the answer taken from them only when it holds."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping

from loupe.reasoning.v1.reasoning_pb2 import NamedFile, RunObserved
from loupe.type.v1.answer_pb2 import Answer
from servers.kit import wire_json
from servers.kit.errors import DamagedMedia, EmptyFile, InvalidField, TooLarge, TooManyPixels
from servers.kit.files_client import FilesClient
from servers.kit.interceptors.validation import check
from servers.orchestrator.bundle import CODE_OUTPUTS
from servers.orchestrator.job_view import JobView
from servers.orchestrator.trace import untraced

# The answer becomes part of a step, and a step one message: 4 MiB hold it beside anything else in there.
MAX_ANSWER_BYTES = 1024 * 1024
MAX_CSV_BYTES = 8 * 1024 * 1024


async def keep(files: FilesClient, artifacts: Mapping[str, bytes], observed: RunObserved, *, request_id: str) -> None:
    """Store what a run left and name it in what was observed; a file that can't be kept becomes a note."""
    for index, (name, content) in enumerate(sorted(artifacts.items())):
        try:
            # Numbered, for a name may be longer than a request_id; by content, for a run that is run again may differ.
            mark = hashlib.sha256(content).hexdigest()[:16]
            stored = await files.write(content, name, request_id=f"{request_id}.{index}.{mark}")
        except (EmptyFile, TooLarge, DamagedMedia, TooManyPixels) as refused:
            observed.result.notes.append(f"{name} was not kept: {refused.message}")
            continue
        observed.artifacts.append(NamedFile(name=name, file=stored))


def take_answer(artifacts: Mapping[str, bytes], view: JobView, observed: RunObserved) -> str:
    """Put the code's answer into what was observed; return what is wrong with it, empty when nothing is.

    The artifacts were kept before.
    """
    kept = {named.name for named in observed.artifacts}
    missing = [name for name in CODE_OUTPUTS if name not in kept]
    if missing:
        notes = [note for note in observed.result.notes if note.startswith(tuple(f"{name} " for name in missing))]
        return "; ".join([f"the code did not write {', '.join(missing)}", *notes])
    problem = _problem_of_csv(artifacts["data.csv"])
    if problem:
        return f"data.csv is no table: {problem}"
    content = artifacts["answer.json"]
    if len(content) > MAX_ANSWER_BYTES:
        return f"answer.json has {len(content)} bytes, at most {MAX_ANSWER_BYTES}"
    try:
        answer = wire_json.parse(content.decode(), Answer)
        check(answer)
    except (ValueError, InvalidField) as error:  # UnicodeDecodeError is a ValueError
        return f"answer.json does not hold an answer: {error}"
    problem = untraced(answer, view.figures, view.goal.question)
    if problem:
        return f"answer.json can't be traced: {problem}"
    observed.answer.CopyFrom(answer)
    return ""


def _problem_of_csv(content: bytes) -> str:
    if len(content) > MAX_CSV_BYTES:
        return f"it has {len(content)} bytes, at most {MAX_CSV_BYTES}"
    try:
        for _ in csv.reader(io.StringIO(content.decode())):
            pass
    except (UnicodeDecodeError, csv.Error) as error:
        return str(error)
    return ""
