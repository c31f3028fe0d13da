"""Steps, figures and incidents in words, as the terminal shows them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from loupe.critic.v1.critic_pb2 import Verdict
from loupe.orchestrator.v1.incident_pb2 import Incident, RemedyKind
from loupe.orchestrator.v1.orchestrator_pb2 import JobState
from loupe.reasoning.v1.reasoning_pb2 import Action, ApprovalDecision, Decision, Observation, RunObserved
from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Outcome
from loupe.type.v1.figure_pb2 import ChartType, Fidelity, Figure
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse

_DOING = {
    "read_figures": "reading the picture",
    "write_code": "writing the code",
    "review_code": "reviewing the code",
    "run_code": "running the code",
    "repair_code": "repairing the code",
    "draw_overlay": "drawing the evidence",
    "finish": "finishing",
    "ask_approval": "waiting for your approval",
    "ask_person": "waiting for your answer",
    "edit_code": "taking your code",
    "correct_figure": "correcting the figure",
}

_TAKEN_BY = {
    RemedyKind.REMEDY_KIND_RETRY: "loupe jobs retry {job_id} --after {step}",
    RemedyKind.REMEDY_KIND_DOWNLOAD_AND_INSPECT: "loupe jobs export {job_id}",
    RemedyKind.REMEDY_KIND_REQUEST_REVIEW: "loupe jobs fork {job_id} --code FILE",
    RemedyKind.REMEDY_KIND_REUPLOAD: "loupe analyze IMAGE",
    RemedyKind.REMEDY_KIND_OPERATOR_ACTION: "loupe status",
    RemedyKind.REMEDY_KIND_SHORTEN: "loupe jobs retry {job_id} --after {step} --shorten",
}
_STANDING = {
    JobState.JOB_STATE_PENDING: "waits for its turn",
    JobState.JOB_STATE_RUNNING: "is being worked on",
    JobState.JOB_STATE_AWAITING_APPROVAL: "waits for your approval",
    JobState.JOB_STATE_AWAITING_INPUT: "waits for your answer",
    JobState.JOB_STATE_SUCCEEDED: "has succeeded",
    JobState.JOB_STATE_FAILED: "has failed",
    JobState.JOB_STATE_CANCELLED: "was cancelled",
}


def doing(action: Action) -> str:
    """Return what an action is: "reading the picture"."""
    return _DOING.get(action.WhichOneof("kind") or "", "working")


def outcome(observation: Observation) -> str:
    """Return what came of an action: "a bar chart, 12 values"."""
    match observation.WhichOneof("kind"):
        case "figures":
            return figures(observation.figures)
        case "code":
            return counted(len(observation.code.source.splitlines()), "line")
        case "verdict":
            return verdict(observation.verdict)
        case "run":
            return run(observation.run)
        case "approval":
            return decision(observation.approval)
        case "person":
            who = "" if observation.person.answered_by else " (nobody answered in time)"
            return f"“{plain(observation.person.text)}”{who}"
    return "done"


def decision(given: ApprovalDecision) -> str:
    """Return what was decided about code: "rejected: it reads the wrong series"."""
    name = Decision.Name(given.decision).removeprefix("DECISION_").lower()
    told = f"{name} for the whole job" if given.is_for_whole_job else name
    return f"{told}: {plain(given.reason)}" if given.reason else told


def asked(job_id: str, action: Action) -> Iterable[str]:
    """Yield lines that say what a job asks a person, and how to answer."""
    if action.HasField("ask_approval"):
        yield f"may this code run? {plain(action.ask_approval.why)}"
        yield f"`loupe jobs approve {job_id}` shows it and asks; `loupe jobs reject {job_id}` ends the job"
        yield f"it waits until {_local(action.ask_approval.expire_time)}; then the job's policy decides"
    elif action.HasField("ask_person"):
        yield plain(action.ask_person.prompt)
        for choice in action.ask_person.choices:
            yield f"  {plain(choice.choice_id)}  {plain(choice.text)}"
        yield f"`loupe jobs answer {job_id} {plain(action.ask_person.choices[0].choice_id)}` takes the first"
        yield f"it waits until {_local(action.ask_person.expire_time)}; then the first counts"


def _local(time: Timestamp) -> str:
    """Return a time as this machine's clock shows it, to the minute."""
    return f"{datetime.fromtimestamp(time.seconds).astimezone():%Y-%m-%d %H:%M}"


def is_setback(observation: Observation) -> bool:
    """Return whether an action came to nothing: no figures, code denied, a program that did not complete."""
    match observation.WhichOneof("kind"):
        case "figures":
            return not observation.figures.figures
        case "verdict":
            return not observation.verdict.is_approved
        case "approval":
            return observation.approval.decision == Decision.DECISION_REJECTED
        case "run":
            return observation.run.result.outcome != Outcome.OUTCOME_COMPLETED
    return False


def figures(response: AnalyzeImageResponse) -> str:
    """Return what was read from a picture, or why nothing was."""
    if response.figures:
        return "; ".join(figure(found) for found in response.figures)
    return f"nothing to read: {nothing_because(response)}"


def nothing_because(response: AnalyzeImageResponse) -> str:
    """Return why a picture gave no figures."""
    return "; ".join(plain(reason).rstrip(".") for reason in response.reasons) or "no chart and no table was found"


def figure(found: Figure) -> str:
    """Return a figure in a few words: "a grouped bar chart, 3 series, 12 values"."""
    if found.HasField("table"):
        size = f"{counted(found.table.row_count, 'row')}, {counted(found.table.column_count, 'column')}"
        told = f"a table, {size}"
    else:
        kind = chart_kind(found.chart.type)
        article = "an" if kind[0] in "aeiou" else "a"
        count = sum(point.y.HasField("number") for series in found.chart.series for point in series.points)
        many = f"{len(found.chart.series)} series, " if len(found.chart.series) > 1 else ""
        told = f"{article} {kind}, {many}{counted(count, 'value')}"
    if found.fidelity in (Fidelity.FIDELITY_REVIEW, Fidelity.FIDELITY_FAIL):
        why = "; ".join(dict.fromkeys(plain(reason.message).rstrip(".") for reason in found.reasons))
        word = "to be checked" if found.fidelity == Fidelity.FIDELITY_REVIEW else "not usable as data"
        told += f", {word}: {why}" if why else f", {word}"
    return told


def chart_kind(kind: ChartType.ValueType) -> str:
    """Return a chart type in words: "grouped bar chart"."""
    name = ChartType.Name(kind).removeprefix("CHART_TYPE_").replace("_", " ").lower()
    if name == "unspecified":
        return "chart"
    return name if name == "histogram" else f"{name} plot" if name in ("box", "scatter") else f"{name} chart"


def verdict(given: Verdict) -> str:
    """Return a critic's verdict: "approved, 0 findings"."""
    told = f"{'approved' if given.is_approved else 'denied'}, {counted(len(given.findings), 'finding')}"
    blocking = next((finding for finding in given.findings if finding.is_blocking), None)
    if blocking is None:
        return told
    return f"{told}: line {blocking.line}: {plain(blocking.message)} ({plain(blocking.rule)})"


def run(observed: RunObserved) -> str:
    """Return how a program ended: "3 files" or "failed: ZeroDivisionError: division by zero (line 3)"."""
    result = observed.result
    if result.outcome == Outcome.OUTCOME_COMPLETED:
        return counted(len(observed.artifacts), "file")
    if result.outcome == Outcome.OUTCOME_LIMIT_EXCEEDED:
        limit = LimitKind.Name(result.exceeded).removeprefix("LIMIT_KIND_").replace("_", " ").lower()
        return f"stopped at the limit of {limit}"
    if result.outcome == Outcome.OUTCOME_CANCELLED:
        return "cancelled"
    if result.error.type:
        return f"failed: {plain(result.error.type)}: {plain(result.error.message)} (line {result.error.line})"
    return f"failed with exit code {result.exit_code}"


def incident_lines(incident: Incident, job_id: str, *, goes_on: bool) -> Iterable[tuple[str, str]]:
    """Yield pairs of a word and what it says: what failed, why, and what is safe to do next, each with its command.

    Args:
      goes_on: the job gets over it by itself, as its owner consented to.
    """
    yield "failed", plain(incident.summary)
    if incident.diagnosis:
        yield "why", plain(incident.diagnosis)
    if goes_on:
        yield "next", "the job goes on, as you allowed it to"
        return
    for place, remedy in enumerate(incident.remedies):
        taken = _TAKEN_BY.get(remedy.kind, "").format(job_id=job_id, step=incident.failed_sequence)
        yield "next" if place == 0 else "or", f"{plain(remedy.label)}{f': `{taken}`' if taken and job_id else ''}"


def state(value: JobState.ValueType) -> str:
    """Return a job's state in words: "awaiting approval"."""
    return JobState.Name(value).removeprefix("JOB_STATE_").replace("_", " ").lower()


def standing(value: JobState.ValueType) -> str:
    """Return what there is to say of a job, as the end of a sentence about it: "has failed"."""
    return _STANDING.get(value, f"is {state(value)}")


def counted(number: int, noun: str) -> str:
    """Return "1 value" or "12 values"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def plain(text: str) -> str:
    """Return text from a picture, a model or a program as one line that can't steer a terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
