"""What a job's numbers, data and marks are led back to, and what is said where they can't be."""

from __future__ import annotations

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from loupe.orchestrator.v1.control_pb2 import ExplainJobRequest, ExplanationTie
from loupe.reasoning.v1 import reasoning_pb2 as reasoning
from loupe.sandbox.v1.figure_data_pb2 import FigureData
from loupe.type.v1.figure_pb2 import Fidelity, FidelityReason, Origin, Value
from servers.kit import wire_json
from servers.orchestrator.explain.cells import number_of
from servers.orchestrator.explain.graph import Graph
from servers.orchestrator.explain.lines import Lines
from tests.explained import PROGRAM, by_id, chart, drawn, explained, loose_ends, number, table

SALES = {"North": {"Q1": 10.0, "Q2": 20.0, "Q3": 15.0}, "South": {"Q1": 10.0, "Q2": 18.5, "Q3": 25.0}}
WIDE = "category,North,South\nQ1,10,10\nQ2,20,18.5\nQ3,15,25\n"


def axes() -> Axes:
    return Drawing().subplots()


def told(axes: Axes, lines: tuple[int, ...] = (9, 4)) -> list[FigureData]:
    return [drawn(axes.figure, lines)]


def shown(graph: Graph) -> dict[str, str]:
    """What each mark shows: the first node it comes from."""
    nodes = graph.whole().nodes
    return {node.node_id: node.from_node_ids[0] for node in nodes if node.node_id.startswith("chart:")}


def ties(graph: Graph, node_id: str) -> list[str]:
    return [ExplanationTie.Name(tie).removeprefix("EXPLANATION_TIE_") for tie in by_id(graph)[node_id].ties]


def test_grouped_bars_show_the_cells_of_their_series_though_none_is_named():
    it = axes()
    for place, series in enumerate(SALES.values()):
        it.bar([x + 0.4 * place - 0.2 for x in range(3)], list(series.values()), 0.4)
    it.set_xticks(range(3), ["Q1", "Q2", "Q3"])
    graph = explained([chart(SALES)], WIDE, told(it))
    assert shown(graph) == {
        "chart:1": "cell:2.2",
        "chart:2": "cell:3.2",
        "chart:3": "cell:4.2",
        "chart:4": "cell:2.3",
        "chart:5": "cell:3.3",
        "chart:6": "cell:4.3",
    }
    assert ties(graph, "chart:1") == ["NUMBER", "CATEGORY", "NEIGHBOURS"]  # North and South are equal there
    assert ties(graph, "chart:2") == ["NUMBER", "CATEGORY"]
    nodes = by_id(graph)
    assert list(nodes["chart:5"].from_node_ids) == ["cell:3.3", "code:4", "run"]
    assert list(nodes["cell:3.3"].from_node_ids) == ["f1.s1.p1.y", "code:8", "run"]
    assert (nodes["chart:5"].number, nodes["chart:5"].text) == (18.5, "bar at “Q2”: 18.5")
    assert loose_ends(graph.whole()) == []


def test_a_named_series_is_a_tie_and_another_name_is_none():
    it = axes()
    it.bar(["Q1", "Q2"], [10, 18.5], label="South")
    it.bar(["Q1", "Q2"], [20, 10], label="North")
    graph = explained([chart(SALES)], WIDE, told(it))
    assert shown(graph) == {"chart:1": "cell:2.3", "chart:2": "cell:3.3", "chart:3": "code:4", "chart:4": "code:4"}
    assert ties(graph, "chart:2") == ["NUMBER", "CATEGORY", "SERIES"]
    assert (
        "no cell, value that was read or number of the answer is 20 here" in by_id(graph)["chart:3"].unexplained
    )  # it is that of Q2
    totals = graph.whole().totals
    assert (totals.mark_count, totals.tied_mark_count, totals.unexplained_count) == (4, 2, 2)


def test_stacked_and_horizontal_bars_show_how_long_they_are():
    it = axes()
    it.bar(["Q1", "Q2"], [10, 20])
    it.bar(["Q1", "Q2"], [10, 18.5], bottom=[10, 20])
    assert list(shown(explained([chart(SALES)], WIDE, told(it))).values()) == [
        *("cell:2.2", "cell:3.2", "cell:2.3", "cell:3.3"),
    ]
    it = axes()
    it.barh(["Q1", "Q2"], [10, 20])
    it.barh(["Q1", "Q2"], [10, 18.5], left=[10, 20])
    assert list(shown(explained([chart(SALES)], WIDE, told(it))).values()) == [
        *("cell:2.2", "cell:3.2", "cell:2.3", "cell:3.3"),
    ]


def test_slices_show_the_series_whose_shares_they_are():
    it = axes()
    it.pie([15, 10, 20], labels=["Q3", "Q1", "Q2"])
    graph = explained([chart(SALES)], WIDE, told(it))
    assert shown(graph) == {"chart:1": "cell:4.2", "chart:2": "cell:2.2", "chart:3": "cell:3.2"}
    assert ties(graph, "chart:1") == ["SHARE", "CATEGORY"]
    it = axes()
    it.pie([1, 1, 1], labels=["Q3", "Q1", "Q2"])
    graph = explained([chart(SALES)], WIDE, told(it))
    assert by_id(graph)["chart:1"].unexplained == "no series that was read has slices of these shares"


def test_a_point_comes_from_both_its_values():
    figure = chart({"height": {"": 4.0}})
    point = figure.chart.series[0].points[0]
    point.x.CopyFrom(Value(value_id="f1.s0.p0.x", number=2.5))
    it = axes()
    it.scatter([2.5], [4])
    graph = explained([figure], "category,height\n2.5,4\n", told(it))
    nodes = by_id(graph)
    assert list(nodes["cell:2.2"].from_node_ids) == ["f1.s0.p0.y", "f1.s0.p0.x", "code:8", "run"]
    assert (shown(graph), ties(graph, "chart:1")) == ({"chart:1": "cell:2.2"}, ["NUMBER", "CATEGORY"])
    assert graph.totals.unused_value_count == 0


def test_a_line_at_the_mean_shows_the_number_of_the_answer():
    it = axes()
    it.axhline(15)
    values = ("f1.s0.p0.y", "f1.s0.p1.y", "f1.s0.p2.y")
    graph = explained(
        [chart({"North": {"Q1": 11.0, "Q2": 20.0, "Q3": 14.0}})], "", told(it), [number("mean", 15, *values)]
    )
    assert shown(graph) == {"chart:1": "number:1", "chart:2": "number:1"}


def test_a_drawn_table_shows_cell_for_cell_and_its_words_are_no_marks():
    it = axes()
    it.table([["Q1", "10.0"], ["Q2", "20.0"]], colLabels=["", "North"])
    graph = explained([chart(SALES)], WIDE, told(it))
    assert shown(graph) == {"chart:1": "cell:2.2", "chart:2": "cell:3.2"}


def test_a_long_table_of_data_in_another_order_and_rounded_is_tied_by_its_names():
    content = "month,what,kg\nQ3,North,15.0\nQ2,South,19\nQ1,South,10\nQ1,North,10\nsum,North,45\n"
    graph = explained([chart(SALES)], content)
    nodes = by_id(graph)
    assert [nodes[f"cell:{record}.3"].from_node_ids[0] for record in range(2, 7)] == [
        *("f1.s0.p2.y", "f1.s1.p1.y", "f1.s1.p0.y", "f1.s0.p0.y", "code:8"),
    ]
    assert ties(graph, "cell:5.3") == ["NUMBER", "CATEGORY", "SERIES"]
    assert "it was computed" in nodes["cell:6.3"].unexplained
    assert graph.totals.unused_value_count == 2


def test_the_cells_of_a_table_that_was_read_are_tied_by_row_and_column():
    figure = table([["Tree", "Count", "Height"], ["Oak", "12", "3.5"], ["Elm", "12", "2.25"]])
    graph = explained([figure], "category,Count,Height\nOak,12,3.50\nElm,12,2.25\n")
    nodes = by_id(graph)
    assert nodes["cell:3.2"].from_node_ids[0] == "f1.r2.c1"
    assert nodes["cell:2.3"].from_node_ids[0] == "f1.r1.c2"


@pytest.mark.parametrize(
    ("text", "number", "reach"),
    [
        ("12", 12, 0.5),
        ("-3.50", -3.5, 0.005),
        ("1,204", 1204, 0.5),
        ("$3.2 million", 3.2, 0.05),
        ("45 %", 45, 0.5),
        ("1.5e+09", 1.5e9, 5e7),
        ("(12)", -12, 0.5),
    ],
)
def test_a_cell_is_a_number_within_half_a_unit_of_its_last_digit(text, number, reach):
    read = number_of(text)
    assert read is not None
    assert (read[0], round(read[1], 9)) == (number, reach)


@pytest.mark.parametrize("text", ["", "Jan", "Q1", "2019-01", "1.2.3", "nan", "inf", "12 of 30", "9" * 400])
def test_words_are_no_numbers(text):
    assert number_of(text) is None


def test_lines_that_the_program_does_not_have_are_not_believed():
    it = axes()
    it.bar(["Q1"], [10])
    for lines, why in (
        ((9, 400), "line 400, and the program has 10"),
        ((5,), "line 5, and"),
        ((), "the run told no line"),
    ):
        graph = explained([chart(SALES)], WIDE, told(it, lines))
        mark = by_id(graph)["chart:1"]
        assert (list(mark.from_node_ids), why in mark.unexplained) == (["cell:2.2", "run"], True)
        assert loose_ends(graph.whole()) == []


def test_a_chart_of_which_the_run_told_nothing_is_one_unexplained_mark():
    graph = explained([chart(SALES)], WIDE)
    assert "told nothing of what it shows" in by_id(graph)["chart:1"].unexplained
    assert loose_ends(graph.whole()) == []


def test_a_value_in_doubt_says_so():
    figure = chart(SALES)
    figure.fidelity = Fidelity.FIDELITY_REVIEW
    figure.reasons.append(FidelityReason(code="few_ticks", message="few ticks", value_ids=["f1.s0.p1.y"]))
    nodes = by_id(explained([figure], WIDE))
    assert (nodes["f1.s0.p1.y"].fidelity, nodes["f1.s0.p0.y"].fidelity) == (
        Fidelity.FIDELITY_REVIEW,
        Fidelity.FIDELITY_PASS,
    )
    assert nodes["f1.s0.p1.y"].text.endswith("; in doubt: few ticks")


def test_a_value_that_a_person_gave_says_so():
    figure = chart(SALES)
    given = figure.chart.series[0].points[1].y
    given.origin, given.printed = Origin.ORIGIN_CORRECTED, "20"
    nodes = by_id(explained([figure], WIDE))
    assert nodes["f1.s0.p1.y"].text == "f1.s0.p1.y: given by a person: 20 (90%)"


def test_an_edited_program_says_who_edited_it():
    decision = reasoning.ApprovalDecision(decision=reasoning.Decision.DECISION_EDITED, decided_by="ann")
    edited = reasoning.CodeWritten(source=PROGRAM + "\n# seen\n", code_sha256="d" * 64)
    turns = [
        reasoning.Turn(observation=reasoning.Observation(approval=decision)),
        reasoning.Turn(
            action=reasoning.Action(edit_code=reasoning.EditCode()), observation=reasoning.Observation(code=edited)
        ),
    ]
    program = by_id(explained([chart(SALES)], WIDE, before=turns))["program"]
    assert program.text == f"analysis.py, SHA-256 {'d' * 64}, 12 lines, edited by ann"


def test_thousands_of_marks_come_in_pages_below_the_bound_and_the_rest_is_counted():
    it = axes()
    it.plot(range(4500))
    graph = explained([chart({"s": {str(x): float(x) for x in range(2000)}})], "", told(it))
    assert (graph.totals.mark_count, graph.totals.omitted_mark_count) == (4000, 500)
    token, seen, largest = "", 0, 0
    while True:
        page = graph.page(ExplainJobRequest(page_token=token))
        seen += len(page.nodes)
        largest = max(largest, len(wire_json.to_line(page).encode()))
        token = page.next_page_token
        if not token:
            break
    assert seen == graph.totals.node_count
    assert largest < 1024 * 1024


def test_a_line_comes_from_those_that_give_its_names_and_from_its_call():
    lines = Lines(
        "\n".join(
            [
                "def draw(values, colour):",
                "    total = 0",
                "    for value in values:",
                "        total = total + value",
                "        axes.bar(value,",
                "                 total)",
                "    unused = 3",
                "",
                "read = load('chart.json')",
                "other = 5",
                "draw(read, other)",
            ]
        )
    )
    assert lines.called([11, 6]) == 5
    assert sorted((number, sorted(above)) for number, _, above in lines.ordered([5])) == [
        *((2, [11]), (3, [11]), (4, [2, 3]), (5, [2, 3, 4]), (9, []), (10, []), (11, [9, 10])),
    ]


def test_a_file_is_written_by_what_uses_it_while_it_is_open():
    lines = Lines(
        "\n".join(
            [
                "rows = read()",
                "with open('data.csv', 'w') as out:",
                "    writer = csv.writer(out)",
                "    for row in rows:",
                "        writer.writerow(row)",
                "with open('answer.json', 'w') as out:",
                "    out.write(answer)",
            ]
        )
    )
    assert lines.writing("data.csv") == [3, 5]
    assert lines.writing("answer.json") == [7]
    found = {number: above for number, _, above in lines.ordered([5])}
    assert sorted(found[5]) == [3, 4]
    assert found[4] == [1]


def test_functions_that_call_each_other_give_no_circle():
    lines = Lines("def a(n):\n    b(n)\n\ndef b(n):\n    a(n)\n\na(3)\nb(3)\n")
    assert lines.called([7, 2, 5, 2]) == 2
    assert lines.called([8, 5, 2, 5]) == 5
    order = [number for number, _, _ in lines.ordered([2, 5])]
    assert sorted(order) == [2, 5, 7, 8]
    place = {number: index for index, number in enumerate(order)}
    assert all(place[source] < place[number] for number, _, above in lines.ordered([2, 5]) for source in above)
