"""One sentence that says what was measured, and no more."""

from __future__ import annotations

from loupe.type.v1.figure_pb2 import Axis, AxisDimension, Chart, ChartType, Figure, Table
from loupe.vision.v1 import vision_pb2
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse
from servers.vision.palette import color_name

_KINDS = {
    vision_pb2.IMAGE_KIND_PHOTO: "a picture in continuous tones, as of a photo,",
    vision_pb2.IMAGE_KIND_DIAGRAM: "a drawing without a scale",
    vision_pb2.IMAGE_KIND_BLANK: "an empty image",
}


def describe(answer: AnalyzeImageResponse) -> tuple[str, list[str]]:
    """Return (caption, reasons why there are no figures) for an answer that has everything else."""
    if answer.figures:
        parts = [_figure(figure) for figure in answer.figures]
        return _limited("; ".join(parts)[:1].upper() + "; ".join(parts)[1:] + "."), []
    kind = answer.description.kind
    text = _text(answer)
    if kind == vision_pb2.IMAGE_KIND_TEXT or (text and kind not in _KINDS):
        reason = "No chart that this engine knows and no grid of aligned text was found; the text was read."
        return f"{text[:1].upper()}{text[1:]}; no chart or table.", [reason]
    what = _KINDS.get(kind, "an image")
    caption = f"{what[:1].upper()}{what[1:]} of {answer.width_px}×{answer.height_px} px, mostly {_colors(answer)}"
    if text:
        reason = "No chart that this engine knows and no grid of aligned text was found; the text was read."
        return f"{caption}, with {text}.", [reason]
    return f"{caption}, with no readable text.", ["No readable text, no chart and no table was found."]


def _text(answer: AnalyzeImageResponse) -> str:
    if not answer.text_blocks:
        return ""
    words = sum(len(block.text.split()) for block in answer.text_blocks)
    first = answer.text_blocks[0].text.split("\n")[0]
    return f"text of {words} {'word' if words == 1 else 'words'}, beginning “{first[:80]}”"


def _colors(answer: AnalyzeImageResponse) -> str:
    """Return the names of the colours that cover most of the image, at most two."""
    shares: dict[str, float] = {}
    for entry in answer.description.palette:
        name = color_name((entry.color.red, entry.color.green, entry.color.blue))
        shares[name] = shares.get(name, 0.0) + entry.share
    names = sorted(shares, key=lambda name: -shares[name])[:2]
    return " and ".join(name for name in names if shares[name] >= 0.15) or "of many colours"


def _figure(figure: Figure) -> str:
    return _chart(figure.chart) if figure.HasField("chart") else _table(figure.table)


def _chart(chart: Chart) -> str:
    if not any(series.points for series in chart.series):
        return _unread(chart)
    kind = ChartType.Name(chart.type).removeprefix("CHART_TYPE_").replace("_", " ").lower()
    article = "an" if kind[0] in "aeiou" else "a"
    counts = f"{len(chart.series)} series" if len(chart.series) > 1 else ""
    points = max((len(series.points) for series in chart.series), default=0)
    marks = {"pie": "slices", "donut": "slices", "line": "points", "scatter": "points"}.get(kind, "categories")
    of = f"{points} {marks if points != 1 else marks.removesuffix('s').replace('ie', 'y')}"
    title = f" titled “{chart.title}”" if chart.title else ""
    return f"{article} {kind} chart with {of}{f' in {counts}' if counts else ''}{title}"


def _unread(chart: Chart) -> str:
    """Return what is known of a chart whose marks were not read."""
    title = f" titled “{chart.title}”" if chart.title else ""
    known = [text for axis in chart.axes if (text := _span(axis))]
    axes = f" with {' and '.join(known)}" if known else ""
    return f"a chart{title}{axes}, whose marks could not be read"


def _span(axis: Axis) -> str:
    """Return an axis by its outer labels, "" where it has none."""
    labels = [tick.label for tick in axis.ticks if tick.label]
    if not labels:
        return ""
    name = AxisDimension.Name(axis.dimension).removeprefix("AXIS_DIMENSION_").lower()
    called = f" ({axis.title})" if axis.title else ""
    ends = sorted(
        (labels[0], labels[-1]), key=lambda label: [tick.number for tick in axis.ticks if tick.label == label]
    )
    return (
        f"axis {name}{called} from {ends[0]} to {ends[1]}" if len(labels) > 1 else f"axis {name}{called} at {ends[0]}"
    )


def _table(table: Table) -> str:
    numbers = sum(cell.value.HasField("number") for cell in table.cells)
    title = f" titled “{table.title}”" if table.title else ""
    return f"a table of {table.row_count} rows and {table.column_count} columns with {numbers} numbers{title}"


def _limited(text: str) -> str:
    return text if len(text) <= 1000 else f"{text[:999]}…"
