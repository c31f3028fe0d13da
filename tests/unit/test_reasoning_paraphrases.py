"""Ten ways to ask each question, over generated figures: the program's answer is exact."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from loupe.type.v1 import figure_pb2 as pb
from tests.unit.reasoning_paraphrases import OF_ONE_SERIES, OF_SEVERAL_SERIES, OUTSIDE_THE_REVENUES, OUTSIDE_THE_SALES
from tests.unit.reasoning_programs import (
    COMPANIES,
    REGIONS,
    YEARS,
    Programs,
    chart,
    revenue_chart,
    revenues,
    sales,
    sales_chart,
    warm_programs,
)


@pytest.fixture(scope="module")
def programs() -> Iterator[Programs]:
    with warm_programs() as running:
        yield running


def expected_of_one(intent: str, s: dict[str, float], a: str, b: str) -> str | float:
    match intent:
        case "value":
            return s[a]
        case "greatest_item":
            return max(s, key=s.__getitem__)
        case "least_item":
            return min(s, key=s.__getitem__)
        case "greatest_value":
            return max(s.values())
        case "second_greatest_item":
            return sorted(s, key=s.__getitem__)[-2]
        case "total":
            return sum(s.values())
        case "total_of_two":
            return s[a] + s[b]
        case "average":
            return sum(s.values()) / 6
        case "median":
            return sum(sorted(s.values())[2:4]) / 2
        case "difference":
            return abs(s[a] - s[b])
        case "difference_of_extremes":
            return max(s.values()) - min(s.values())
        case "ratio":
            return s[a] / s[b]
        case "share":
            return s[a] / sum(s.values()) * 100
        case "count":
            return sum(number > 50 for number in s.values())
        case "items_above":
            return ", ".join(region for region in s if s[region] > 50)
        case "three_greatest":
            return ", ".join(sorted(s, key=s.__getitem__)[:2:-1])
        case "is_greater":
            return "Yes" if s[a] > s[b] else "No"
        case "greater_of_two":
            return a if s[a] > s[b] else b
        case "total_of_two_least":
            return sum(sorted(s.values())[:2])
        case "ranking":
            return ", ".join(sorted(s, key=s.__getitem__)[::-1])
    raise AssertionError(intent)


def sharpest(numbers: dict[str, float]) -> str:
    return max(YEARS[1:], key=lambda year: numbers[year] - numbers[str(int(year) - 1)])


def expected_of_several(intent: str, r: dict[str, dict[str, float]], c: str, d: str, y: str, z: str) -> str | float:
    match intent:
        case "value_at_a_time":
            return r[c][y]
        case "peak_year":
            return max(r[c], key=r[c].__getitem__)
        case "greatest_series":
            return max(r, key=lambda company: r[company][y])
        case "difference_at_a_time":
            return abs(r[c][y] - r[d][y])
        case "growth":
            return (r[c][z] - r[c][y]) / r[c][y] * 100
        case "change":
            return abs(r[c][z] - r[c][y])
        case "sharpest_rise":
            return sharpest(r[c])
        case "average_of_a_series":
            return sum(r[c].values()) / 6
        case "total_over_a_range":
            return sum(number for year, number in r[c].items() if y <= year <= z)
        case "year_of_a_value":
            return y
        case "count_of_years":
            return sum(number > 500 for number in r[c].values())
        case "trend":
            return "increasing" if r[c]["2020"] > r[c]["2015"] else "decreasing"
        case "did_it_rise":
            return "Yes" if r[c][z] > r[c][y] else "No"
        case "total_at_a_time":
            return sum(numbers[y] for numbers in r.values())
        case "least_difference":
            return min(r[c], key=lambda year: abs(r[c][year] - r[d][year]))
    raise AssertionError(intent)


def assert_says(short_text: str, expected: str | float) -> None:
    if isinstance(expected, str):
        assert short_text == expected
    else:
        assert float(short_text.rstrip("%")) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(
    ("intent", "number"), [(intent, n) for intent, asked in OF_ONE_SERIES.items() for n in range(len(asked))]
)
def test_each_phrasing_about_one_series_is_answered_exactly(programs, intent, number):
    numbers = sales(7 * number + len(intent))
    a, b = REGIONS[number % 6], REGIONS[(number + 1 + number % 3) % 6]
    question = OF_ONE_SERIES[intent][number].format(a=a, b=b, t=50)
    figure = chart({"Sales": numbers}, title="Sales by region", measure="Sales", named=False)
    assert_says(programs.ask(question, figure)["short_text"], expected_of_one(intent, numbers, a, b))


@pytest.mark.parametrize(
    ("intent", "number"), [(intent, n) for intent, asked in OF_SEVERAL_SERIES.items() for n in range(len(asked))]
)
def test_each_phrasing_about_several_series_is_answered_exactly(programs, intent, number):
    numbers = revenues(5 * number + len(intent))
    c, d = COMPANIES[number % 3], COMPANIES[(number + 1) % 3]
    y, z = YEARS[number % 4], YEARS[number % 4 + 2]
    question = OF_SEVERAL_SERIES[intent][number].format(c=c, d=d, y=y, z=z, n=int(numbers[c][y]))
    figure = chart(numbers, kind=pb.CHART_TYPE_LINE, title="Revenue by company", measure="Revenue")
    assert_says(programs.ask(question, figure)["short_text"], expected_of_several(intent, numbers, c, d, y, z))


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Does the sum of the two smallest equal the third smallest?", "Yes"),
        ("Is the sum of the smallest two bars equal to the value of the 3rd smallest bar?", "Yes"),
        ("Is the sum of the two lowest values greater than the highest value?", "No"),
        ("Is the largest bar greater than the sum of all the other bars?", "No"),
        ("Is the total of North and South greater than 140?", "No"),
        ("Is the average of all bars greater than the median?", "No"),
        ("Is North at least 20?", "Yes"),
        ("Is the highest value below 90?", "No"),
        ("Is Overseas the highest?", "Yes"),
        ("Does South have the lowest sales?", "No"),
    ],
)
def test_nested_questions_for_yes_or_no_are_decided(programs, question, expected):
    numbers = {"North": 20.0, "South": 30.0, "East": 50.0, "West": 60.0, "Central": 70.0, "Overseas": 92.0}
    assert (
        programs.ask(question, chart({"Sales": numbers}, title="Sales", measure="Sales", named=False))["short_text"]
        == expected
    )


@pytest.mark.parametrize("question", OUTSIDE_THE_SALES)
def test_what_the_bars_do_not_hold_is_refused(programs, question):
    answer = programs.ask(question, sales_chart(3))
    assert answer["status"] == "ANSWER_STATUS_UNANSWERABLE"
    assert "“Overseas”" in answer["reason"]
    assert answer["values"] == []


@pytest.mark.parametrize("question", OUTSIDE_THE_REVENUES)
def test_what_the_lines_do_not_hold_is_refused(programs, question):
    answer = programs.ask(question, revenue_chart(3))
    assert answer["status"] == "ANSWER_STATUS_UNANSWERABLE"
    assert answer["reason"]
    assert answer["values"] == []
