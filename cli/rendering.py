"""Shows a job's messages: live in a terminal, as plain lines in a pipe, or as JSON lines."""

from __future__ import annotations

from typing import Protocol

import click
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.status import Status
from rich.text import Text

from cli import wording
from loupe.orchestrator.v1.orchestrator_pb2 import JobState, RunJobResponse, Step, WatchJobResponse
from loupe.reasoning.v1.reasoning_pb2 import Action
from loupe.type.v1.answer_pb2 import Answer, AnswerStatus
from loupe.type.v1.engine_pb2 import Engine
from servers.kit import wire_json


class JobPrinter(Protocol):
    """Takes a job's messages in order and lets the user see them."""

    def begin(self, title: str, question: str) -> None:
        """A job about an image begins."""

    def show(self, response: RunJobResponse | WatchJobResponse, job_id: str = "") -> None:
        """A message has come; the job's id is for what the user may do about it."""

    def end(self, note: str) -> None:
        """The job has ended and its results are on this disk; the note says where. Also called after a failure."""


class JsonLines:
    """Prints each message as Envoy's newline-delimited JSON has it; anything else goes to stderr."""

    def begin(self, title: str, question: str) -> None:
        """Nothing: stdout holds messages only."""

    def show(self, response: RunJobResponse | WatchJobResponse, job_id: str = "") -> None:
        """Print one line."""
        click.echo(wire_json.to_line(response))

    def end(self, note: str) -> None:
        """Print the note on stderr."""
        if note:
            click.echo(note, err=True)


class TextLines:
    """Prints a line for each thing done, with what is being done below it where the output is a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        # Long lines are the terminal's to wrap; nothing in a text is markup, and no number needs a colour.
        self._console = console or Console(markup=False, highlight=False, emoji=False, soft_wrap=True)
        self._heading: tuple[tuple[str, str], ...] = ()
        self._status: Status | None = None
        self._action: Action | None = None
        self._since: Timestamp | None = None

    def begin(self, title: str, question: str) -> None:
        """Remember whom the job is about; an image that is refused never becomes a job."""
        asked = wording.plain(question)
        self._heading = ((title, "bold"), (f": {asked}" if asked else "", ""))
        self._wait("sending the picture")

    def show(self, response: RunJobResponse | WatchJobResponse, job_id: str = "") -> None:
        """Print what a message says; a heartbeat says nothing."""
        if self._heading:
            self._line(*self._heading)
            self._heading = ()
            self._wait("waiting for a place")
        if not response.HasField("step"):
            return
        step = response.step
        match step.WhichOneof("body"):
            case "thought":
                self._line(("  " + wording.plain(step.thought.text), "dim"))
                self._stood_in("deciding", step.thought.engine)
                self._wait("deciding")
            case "action":
                self._action, self._since = step.action, step.create_time
                for line in wording.asked(job_id, step.action):
                    self._line(("  ? ", "yellow"), (line, ""))
                self._wait(wording.doing(step.action))
            case "observation":
                self._observed(step)
                self._wait("deciding")
            case "answer":
                self._stop()
                self._answer(step.answer.answer)
            case "incident":
                self._stop()
                self._incident(step, job_id)

    def end(self, note: str) -> None:
        """Print where the results are."""
        self._stop()
        if note:
            self._line(("  " + note, ""))

    def _observed(self, step: Step) -> None:
        doing = wording.doing(self._action) if self._action else "working"
        told = wording.outcome(step.observation)
        mark, style = ("✗", "red") if wording.is_setback(step.observation) else ("✓", "green")
        took = f" ({_seconds(self._since, step.create_time):.1f} s)" if self._since else ""
        self._line((f"  {mark} ", style), (f"{doing} … {told}", ""), (took, "dim"))
        self._stood_in(doing, step.observation.figures.engine)
        self._stood_in(doing, step.observation.code.engine)
        self._action = self._since = None

    def _stood_in(self, doing: str, engine: Engine) -> None:
        """Say that a model could not answer, and what did instead."""
        if engine.degraded_reason:
            told = f"{doing} by the {engine.name} engine: {engine.degraded_reason}"
            self._line(("  ! ", "yellow"), (wording.plain(told), "yellow"))

    def _answer(self, answer: Answer) -> None:
        if answer.status == AnswerStatus.ANSWER_STATUS_UNANSWERABLE:
            told = f"This can't be answered from the picture: {wording.plain(answer.reason)}"
            self._line((told, "bold yellow"))
            return
        for line in answer.text.splitlines():
            self._line((wording.plain(line), "bold"))

    def _incident(self, step: Step, job_id: str) -> None:
        goes_on = step.job_state == JobState.JOB_STATE_RUNNING
        for place, (word, told) in enumerate(wording.incident_lines(step.incident, job_id, goes_on=goes_on)):
            mark = "✗" if place == 0 else " "
            self._line((f"  {mark} {word}: ", "red"), (told, "bold" if place == 0 else ""))

    def _line(self, *parts: tuple[str, str]) -> None:
        self._console.print(Text.assemble(*parts))

    def _wait(self, doing: str) -> None:
        """Show in a terminal what is being done; in a pipe this shows nothing."""
        if not self._console.is_terminal:
            return
        if self._status is None:
            self._status = self._console.status(Text(f"{doing} …"), spinner="dots")
            self._status.start()
        else:
            self._status.update(Text(f"{doing} …"))

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def _seconds(begin: Timestamp, end: Timestamp) -> float:
    return max(0.0, (end.ToNanoseconds() - begin.ToNanoseconds()) / 1e9)
