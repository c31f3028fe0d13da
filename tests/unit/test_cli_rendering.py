"""A job's messages as plain lines and as JSON lines."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterable, Iterator

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console

from cli.rendering import JsonLines, TextLines
from loupe.critic.v1.critic_pb2 import Finding, Verdict
from loupe.orchestrator.v1.incident_pb2 import Incident, Remedy, RemedyKind
from loupe.orchestrator.v1.orchestrator_pb2 import FinalAnswer, Heartbeat, Job, JobState, RunJobResponse, Step, Thought
from loupe.reasoning.v1.reasoning_pb2 import (
    Action,
    AskApproval,
    AskPerson,
    Choice,
    CodeWritten,
    NamedFile,
    Observation,
    ReadFigures,
    ReviewCode,
    RunCode,
    RunObserved,
    WriteCode,
)
from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Outcome, PythonError, RunResult
from loupe.type.v1.answer_pb2 import Answer, AnswerStatus
from loupe.type.v1.engine_pb2 import Engine
from loupe.type.v1.figure_pb2 import Chart, ChartType, DataPoint, Fidelity, FidelityReason, Figure, Series, Table, Value
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse


def bars(count: int) -> Figure:
    points = [DataPoint(label=str(place), y=Value(number=place)) for place in range(count)]
    return Figure(figure_id="f1", chart=Chart(type=ChartType.CHART_TYPE_BAR, series=[Series(points=points)]))


def steps(*bodies: Thought | Action | Observation | FinalAnswer | Incident) -> Iterable[RunJobResponse]:
    """Messages of a job whose steps come 0.6 s apart."""
    names = {Thought: "thought", Action: "action", Observation: "observation", FinalAnswer: "answer"}
    for place, body in enumerate(bodies):
        step = Step(sequence=place + 1, create_time=Timestamp(seconds=place * 6 // 10, nanos=place * 6 % 10 * 10**8))
        getattr(step, names.get(type(body), "incident")).CopyFrom(body)
        yield RunJobResponse(step=step)


def printed(
    *bodies: Thought | Action | Observation | FinalAnswer | Incident,
    state: JobState.ValueType = JobState.JOB_STATE_UNSPECIFIED,
) -> list[str]:
    out = io.StringIO()
    printer = TextLines(Console(file=out, width=40, markup=False, highlight=False, emoji=False, soft_wrap=True))
    for response in steps(*bodies):
        response.step.job_state = state
        printer.show(response, "job_1")
    return out.getvalue().splitlines()


def test_a_job_reads_as_what_was_done_what_came_of_it_and_the_answer() -> None:
    out = io.StringIO()
    printer = TextLines(Console(file=out, width=40, soft_wrap=True))
    printer.begin("coffee.png", "Which month?")
    printer.show(RunJobResponse(job=Job(job_id="job_1")))
    for response in steps(
        Thought(text="Read the picture."),
        Action(read_figures=ReadFigures()),
        Observation(figures=AnalyzeImageResponse(figures=[bars(12)])),
        Action(write_code=WriteCode()),
        Observation(code=CodeWritten(source="a = 1\nb = 2\n")),
        Action(review_code=ReviewCode()),
        Observation(verdict=Verdict(is_approved=True)),
        Action(run_code=RunCode()),
        Observation(
            run=RunObserved(
                result=RunResult(outcome=Outcome.OUTCOME_COMPLETED),
                artifacts=[NamedFile(name="data.csv"), NamedFile(name="chart.png"), NamedFile(name="answer.json")],
            )
        ),
        FinalAnswer(answer=Answer(status=AnswerStatus.ANSWER_STATUS_ANSWERED, text="December, with 412 bags.")),
    ):
        printer.show(response)
    printer.show(RunJobResponse(heartbeat=Heartbeat()))
    printer.end("out/coffee/ has 9 files")

    assert out.getvalue().splitlines() == [
        "coffee.png: Which month?",
        "  Read the picture.",
        "  ✓ reading the picture … a bar chart, 12 values (0.6 s)",
        "  ✓ writing the code … 2 lines (0.6 s)",
        "  ✓ reviewing the code … approved, 0 findings (0.6 s)",
        "  ✓ running the code … 3 files (0.6 s)",
        "December, with 412 bags.",
        "  out/coffee/ has 9 files",
    ]


def test_a_denial_names_its_first_blocking_finding() -> None:
    findings = [
        Finding(rule="E501", message="too long", line=1),
        Finding(rule="import-not-allowed", message="os is not allowed", line=3, is_blocking=True),
    ]

    assert printed(Action(review_code=ReviewCode()), Observation(verdict=Verdict(findings=findings))) == [
        "  ✗ reviewing the code … denied, 2 findings: line 3: os is not allowed (import-not-allowed) (0.6 s)"
    ]


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (
            RunResult(
                outcome=Outcome.OUTCOME_FAILED,
                error=PythonError(type="ZeroDivisionError", message="division by zero", line=7),
            ),
            "  ✗ running the code … failed: ZeroDivisionError: division by zero (line 7) (0.6 s)",
        ),
        (
            RunResult(outcome=Outcome.OUTCOME_FAILED, exit_code=3),
            "  ✗ running the code … failed with exit code 3 (0.6 s)",
        ),
        (
            RunResult(outcome=Outcome.OUTCOME_LIMIT_EXCEEDED, exceeded=LimitKind.LIMIT_KIND_WALL_TIME),
            "  ✗ running the code … stopped at the limit of wall time (0.6 s)",
        ),
    ],
)
def test_a_program_that_did_not_complete_says_how_it_ended(result: RunResult, line: str) -> None:
    assert printed(Action(run_code=RunCode()), Observation(run=RunObserved(result=result))) == [line]


def test_a_figure_in_doubt_says_why() -> None:
    doubtful = bars(1)
    doubtful.fidelity = Fidelity.FIDELITY_REVIEW
    doubtful.reasons.append(FidelityReason(code="few_ticks", message="Only two ticks could be read."))
    rows = Figure(figure_id="f2", table=Table(row_count=4, column_count=1))

    assert printed(
        Action(read_figures=ReadFigures()), Observation(figures=AnalyzeImageResponse(figures=[doubtful, rows]))
    ) == [
        "  ✓ reading the picture … a bar chart, 1 value, to be checked: Only two ticks could be read; "
        "a table, 4 rows, 1 column (0.6 s)"
    ]


def test_an_unanswerable_question_says_why() -> None:
    answer = Answer(status=AnswerStatus.ANSWER_STATUS_UNANSWERABLE, reason="France is not in the figure.")

    assert printed(FinalAnswer(answer=answer)) == [
        "This can't be answered from the picture: France is not in the figure."
    ]


def test_an_incident_says_what_failed_why_and_what_to_do() -> None:
    incident = Incident(
        summary="the code failed",
        diagnosis="KeyError: 'Jan' (line 3)",
        remedies=[
            Remedy(kind=RemedyKind.REMEDY_KIND_RETRY, label="Run the job again"),
            Remedy(kind=RemedyKind.REMEDY_KIND_SHORTEN, label="Go on without the planner"),
            Remedy(label="Ask a person"),
        ],
        failed_sequence=7,
    )
    told = ["  ✗ failed: the code failed", "    why: KeyError: 'Jan' (line 3)"]

    assert printed(incident) == [
        *told,
        "    next: Run the job again: `loupe jobs retry job_1 --after 7`",
        "    or: Go on without the planner: `loupe jobs retry job_1 --after 7 --shorten`",
        "    or: Ask a person",
    ]
    assert printed(incident, state=JobState.JOB_STATE_RUNNING) == [
        *told,
        "    next: the job goes on, as you allowed it to",
    ]


@pytest.fixture
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_in_utc")
def test_a_job_that_asks_says_how_to_answer_and_until_when() -> None:
    until = Timestamp(seconds=1795309920)
    choices = [Choice(choice_id="f1", text="Sales"), Choice(choice_id="f2", text="Costs")]

    assert printed(Action(ask_approval=AskApproval(why="it imports a module", expire_time=until))) == [
        "  ? may this code run? it imports a module",
        "  ? `loupe jobs approve job_1` shows it and asks; `loupe jobs reject job_1` ends the job",
        "  ? it waits until 2026-11-22 01:12; then the job's policy decides",
    ]
    assert printed(Action(ask_person=AskPerson(prompt="Which?", choices=choices, expire_time=until))) == [
        "  ? Which?",
        "  ?   f1  Sales",
        "  ?   f2  Costs",
        "  ? `loupe jobs answer job_1 f1` takes the first",
        "  ? it waits until 2026-11-22 01:12; then the first counts",
    ]


def test_text_from_a_picture_can_not_steer_the_terminal_and_is_no_markup() -> None:
    answer = Answer(status=AnswerStatus.ANSWER_STATUS_ANSWERED, text="[bold]hi[/bold] \x1b[2J\x07:smile: \u202eevil")

    assert printed(FinalAnswer(answer=answer)) == ["[bold]hi[/bold] [2J :smile: evil"]


def test_an_image_that_never_becomes_a_job_is_not_announced() -> None:
    out = io.StringIO()
    printer = TextLines(Console(file=out, width=40, soft_wrap=True))
    printer.begin("coffee.png", "")
    printer.end("")

    assert out.getvalue() == ""


def test_in_a_terminal_what_is_going_on_is_shown_and_cleared() -> None:
    out = io.StringIO()
    printer = TextLines(Console(file=out, width=80, force_terminal=True, soft_wrap=True))
    for response in steps(Action(read_figures=ReadFigures()), Observation(figures=AnalyzeImageResponse())):
        printer.show(response)
    printer.end("")

    assert "reading the picture …" in out.getvalue()
    assert "\x1b[?25h" in out.getvalue()  # the cursor is back


def test_json_lines_hold_messages_only(capsys: pytest.CaptureFixture[str]) -> None:
    printer = JsonLines()
    printer.begin("coffee.png", "")
    printer.show(RunJobResponse(step=Step(sequence=1, job_state=JobState.JOB_STATE_RUNNING, thought=Thought(text="é"))))
    printer.end("out/coffee/ has 9 files")

    shown = capsys.readouterr()
    assert json.loads(shown.out) == {
        "step": {"sequence": 1, "attempt": 0, "job_state": "JOB_STATE_RUNNING", "thought": {"text": "é"}}
    }
    assert shown.err == "out/coffee/ has 9 files\n"


def test_an_engine_that_stood_in_for_a_model_is_told_of():
    engine = Engine(name="builtin", degraded_reason="mistral could not answer:\nno connection")
    lines = printed(
        Thought(text="Add them up.", engine=engine),
        Action(write_code=WriteCode()),
        Observation(code=CodeWritten(source="x = 1\n", engine=engine)),
    )
    assert "  ! deciding by the builtin engine: mistral could not answer: no connection" in lines
    assert "  ! writing the code by the builtin engine: mistral could not answer: no connection" in lines
