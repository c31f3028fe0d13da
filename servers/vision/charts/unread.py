"""A chart that is seen but can't be read: its axes as a figure without series, marked as not usable."""

from __future__ import annotations

from loupe.type.v1 import figure_pb2
from servers.vision.charts import messages
from servers.vision.charts.axes.titles import find_source, find_title
from servers.vision.charts.panels.evidence import Evidence, drawing_of, find_evidence
from servers.vision.charts.picture.page import Page
from servers.vision.geometry import PixelBox, union

_LEAST_TICKS = 4
_SLACK_PX = 24.0  # tick marks and a label that hangs on the frame


def unread_figure(page: Page) -> figure_pb2.Figure | None:
    """Return a chart without values where axes and frame prove that there is one, else None."""
    evidence = find_evidence(page, drawing_of(page))
    plot = _proven_plot(evidence)
    if plot is None:
        return None
    axes = []
    for axis, dimension in (
        (evidence.x_axis, figure_pb2.AXIS_DIMENSION_X),
        (evidence.y_axis, figure_pb2.AXIS_DIMENSION_Y),
    ):
        if axis is not None:
            axes.append(messages.value_axis(axis, dimension, "", axis.unit))
    ticks = [axis.box for axis in (evidence.x_axis, evidence.y_axis) if axis is not None]
    title, title_box = find_title(page, plot, exclude=ticks)
    chart = figure_pb2.Chart(
        title=title[:2000],
        title_box=title_box.to_proto() if title_box is not None else None,
        plot_area=plot.to_proto(),
        axes=axes,
        source_note=find_source(page),
    )
    reason = figure_pb2.FidelityReason(
        code="no_values",
        message="The axes show that this is a chart, but the kind of its marks could not be told; nothing was measured",
    )
    return figure_pb2.Figure(
        figure_id="f1",
        box=union([plot, *ticks, *([title_box] if title_box else [])]).clipped(page.width, page.height).to_proto(),
        chart=chart,
        confidence=0.6,
        fidelity=figure_pb2.FIDELITY_FAIL,
        reasons=[reason],
    )


def _proven_plot(evidence: Evidence) -> PixelBox | None:
    """Return the frame that numbered axes stand beside; numbers or a frame alone may be a table or a form."""
    frame = max(evidence.frames, key=lambda box: box.area, default=None)
    if frame is None:
        return None
    y_axis, x_axis = evidence.y_axis, evidence.x_axis
    # Every tick has its place within the frame's height; rows of a table have their numbers inside it.
    beside = (
        y_axis is not None
        and len(y_axis.ticks) >= _LEAST_TICKS
        and (y_axis.box.x_max <= frame.x_min + _SLACK_PX or y_axis.box.x_min >= frame.x_max - _SLACK_PX)
        and all(frame.y_min - 4 <= tick.position <= frame.y_max + 4 for tick in y_axis.ticks)
    )
    below = (
        x_axis is not None
        and len(x_axis.ticks) >= _LEAST_TICKS
        and (x_axis.box.y_min >= frame.y_max - _SLACK_PX or x_axis.box.y_max <= frame.y_min + _SLACK_PX)
        and all(frame.x_min - 4 <= tick.position <= frame.x_max + 4 for tick in x_axis.ticks)
    )
    return frame if beside or below else None
