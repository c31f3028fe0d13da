"""What a bundle tells a person: text from a picture is shown, never obeyed, and equal jobs leave equal files."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from markdown_it import MarkdownIt

from loupe.orchestrator.v1.orchestrator_pb2 import Job, JobSpec, Step, Thought
from loupe.reasoning.v1.reasoning_pb2 import (
    Action,
    CodeWritten,
    Observation,
    ReadFigures,
    RunCode,
    RunObserved,
    WriteCode,
)
from loupe.type.v1.answer_pb2 import Answer, AnswerStatus, AnswerValue
from loupe.type.v1.engine_pb2 import Engine
from loupe.type.v1.figure_pb2 import (
    Chart,
    ChartType,
    DataPoint,
    Fidelity,
    FidelityReason,
    Figure,
    Origin,
    Series,
    Value,
)
from loupe.type.v1.geometry_pb2 import Box
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse
from servers.kit import telemetry
from servers.orchestrator import incidents
from servers.orchestrator.bundle import bundle_digest
from servers.orchestrator.job_view import JobView
from servers.orchestrator.markdown import inline
from servers.orchestrator.notebook import notebook
from servers.orchestrator.report import report

RENDERER = MarkdownIt("commonmark", {"html": True}).enable("table")
HOSTILE = [
    "[click](http://evil.example)",
    "\\[click](http://evil.example)",
    "![x](http://evil.example/x.png)",
    "<img src=x onerror=alert(1)>",
    "&lt;script&gt; & &#60;",
    "<http://evil.example>",
    "a | b || c \\| d",
    "`code` ``more`` **bold** __bold__ *it* _it_ ~~gone~~",
    "$x^2$ and $5",
    "</td></table><script>alert(1)</script>",
    "trailing \\",
]


def shown(markdown: str) -> list[str]:
    """What stands in the rendered text, cell by cell and line by line, if nothing but text is in there."""
    lines = []
    for token in RENDERER.parse(markdown):
        assert token.type != "html_block"
        if token.type == "inline":
            assert {child.type for child in token.children or ()} <= {"text"}, token.children
            lines.append("".join(child.content for child in token.children or ()))
    return lines


@pytest.mark.parametrize("text", HOSTILE)
def test_markup_in_a_text_is_shown_as_it_stands(text):
    assert shown(f"# {inline(text)}\n") == [text]
    assert shown(f"| a | b |\n| --- | --- |\n| {inline(text)} | next |\n") == ["a", "b", text, "next"]


def test_lines_and_what_no_one_can_see_are_taken_out():
    assert inline("two\n\n# lines\tand\u202eturned\x1b[31m") == "two # lines andturned\\[31m"
    assert inline("café 50 % – ok") == "café 50 % – ok"


def figure() -> Figure:
    value = Value(
        value_id="f1.s0.p0.y",
        number=3,
        printed="3 | x",
        origin=Origin.ORIGIN_PRINTED,
        confidence=0.9,
        box=Box(x_min=1, y_min=2, x_max=3, y_max=4),
    )
    return Figure(
        figure_id="f1",
        fidelity=Fidelity.FIDELITY_REVIEW,
        reasons=[FidelityReason(message="<b>odd</b>")],
        chart=Chart(
            type=ChartType.CHART_TYPE_HORIZONTAL_BAR, series=[Series(points=[DataPoint(label=HOSTILE[0], y=value)])]
        ),
    )


def view(*bodies: dict[str, Any]) -> JobView:
    made = JobView.of(Job(job_id="job_x", attempt=1, spec=JobSpec(question="How\n<many>?")))
    for number, body in enumerate(bodies, start=1):
        made.apply(Step(sequence=number, **body))
    return made


READ = (
    {"thought": Thought(text="Read.", engine=Engine(name="builtin", revision="7"))},
    {"action": Action(read_figures=ReadFigures())},
    {"observation": Observation(figures=AnalyzeImageResponse(figures=[figure()]))},
)


def test_a_report_is_text_and_our_own_two_pictures():
    value = AnswerValue(name="total [of](x)", number=3, text="3", value_ids=["f1.s0.p0.y"])
    answer = Answer(status=AnswerStatus.ANSWER_STATUS_ANSWERED, text="It is 3 <i>now</i>.", values=[value])
    text = report(view(*READ), answer, f',A\n"{HOSTILE[4]}",3\n')
    assert text.splitlines()[:3] == ["# How \\<many\\>?", "", "**It is 3 \\<i\\>now\\</i\\>.**"]
    assert "| \\&lt;script\\&gt; \\& \\&#60; | 3 |" in text
    assert "| total \\[of\\](x) | 3 | f1.s0.p0.y: printed “3 \\| x” at 1,2 to 3,4 (90%) |" in text
    assert "- f1, a horizontal bar chart: **REVIEW**\n  - \\<b\\>odd\\</b\\>" in text
    tokens = [child for token in RENDERER.parse(text) for child in token.children or ()]
    assert {token.type for token in tokens} <= {
        *("text", "image", "strong_open", "strong_close", "code_inline", "softbreak"),
    }
    assert [token.attrs["src"] for token in tokens if token.type == "image"] == ["chart.png", "overlay.png"]


def test_a_long_table_is_cut_and_says_so():
    rows = "".join(f"r{index},{index}\n" for index in range(53))
    text = report(view(*READ), Answer(), f"label,A\n{rows}")
    assert "| r49 | 49 |" in text
    assert "| r50 | 50 |" not in text
    assert "3 more rows are in `data.csv`." in text


def test_a_notebook_is_valid_and_its_heading_only_text():
    made = notebook("Is [it](x)\n# so?", "print(1)\n")
    cells = nbformat.reads(made, as_version=4).cells
    nbformat.validate(nbformat.reads(made, as_version=4))
    assert cells[0].source.splitlines()[0] == "# Is \\[it\\](x) # so?"
    assert cells[1].source == "print(1)\n"
    assert made == notebook("Is [it](x)\n# so?", "print(1)\n")


def test_a_digest_depends_on_names_and_contents_and_not_on_the_manifest():
    files = {"b": "2" * 64, "a": "1" * 64}
    digest = bundle_digest(files)
    # Of the lines that sha256sum would print for the two.
    assert digest == "7365ea48c8a3989cf164ca67f5d934c9a11269a628308b0fe529b6e4bc1c694d"
    assert bundle_digest(files | {"manifest.json": "3" * 64}) == digest
    assert bundle_digest({"a": "2" * 64, "b": "1" * 64}) != digest


def test_a_view_knows_what_was_done_and_what_hangs():
    seen = view(*READ, {"action": Action(write_code=WriteCode())})
    assert [one.figure_id for one in seen.figures] == ["f1"]
    assert seen.pending == Action(write_code=WriteCode())
    assert (seen.last_sequence, seen.repair_count, seen.code, seen.run) == (4, 0, None, None)
    assert seen.reasoning_engine == Engine(name="builtin", revision="7")


def test_the_planner_is_who_made_the_plan_and_not_who_went_on_from_it():
    by_model = Engine(name="routed", revision="v0.3", model="gpu/mistral", prompt="plan@1")
    planned = ({"thought": Thought(engine=by_model)}, {"action": Action(write_code=WriteCode())})
    written = {"observation": Observation(code=CodeWritten(source="1", engine=by_model))}
    seen = view(*READ, *planned, written, {"thought": Thought(engine=Engine(name="builtin"))})
    assert seen.reasoning_engine == by_model


def test_a_report_names_what_a_model_was_to_do_and_did_not():
    stood_in = Engine(name="builtin", degraded_reason="it is away for another 3 s")
    seen = view(*READ, {"thought": Thought(engine=stood_in)}, {"action": Action(write_code=WriteCode())})
    text = report(seen, Answer(), "label,A\n")
    assert "- planned by the builtin engine: the configured model could not answer (see `manifest.json`)" in text
    assert "3 s" not in text


def test_an_incident_names_the_plan_that_is_left_and_when():
    lost = incidents.worker_lost(view(*READ, {"action": Action(write_code=WriteCode())}))
    assert list(lost.plan) == ["writing the code", "reviewing the code", "running the code", "drawing the evidence"]
    assert lost.diagnosis == "each time while the job was writing the code; everything up to step 4 is kept"
    assert lost.failed_sequence == 4
    assert lost.HasField("create_time")
    assert telemetry.trace_id() == lost.trace_id == ""


def test_a_run_replaces_the_one_before():
    run = {"action": Action(run_code=RunCode())}
    first, second = ({"observation": Observation(run=RunObserved(stderr_tail=tail))} for tail in ("first", "second"))
    seen = view(*READ, run, first, run, second)
    assert seen.run is not None
    assert seen.run.stderr_tail == "second"
