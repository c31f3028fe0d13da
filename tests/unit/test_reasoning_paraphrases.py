"""Ten ways to ask each question, over generated figures: the program's answer is exact."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from loupe.type.v1 import figure_pb2 as pb
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

OF_ONE_SERIES = {
    "value": [
        "What were the sales of {a}?",
        "How much did {a} sell?",
        "What is the value for {a}?",
        "Tell me the sales in {a}.",
        "Sales in {a}?",
        "How high are the sales of {a}?",
        "What value does the {a} bar show?",
        "give me the figure for {a}",
        "What's {a}'s sales value?",
        "what amount was sold in {a}",
    ],
    "greatest_item": [
        "Which region has the highest sales?",
        "What region sold the most?",
        "Where were sales greatest?",
        "Which region leads in sales?",
        "In which region do sales peak?",
        "Name the region with the largest sales.",
        "Which bar is the tallest?",
        "What is the top region?",
        "Which region recorded the maximum value?",
        "Which region did better than all the others, with the most sales?",
    ],
    "least_item": [
        "Which region has the lowest sales?",
        "What region sold the least?",
        "Where were sales smallest?",
        "Which bar is the shortest?",
        "Which region recorded the minimum?",
        "Name the region with the fewest sales.",
        "What is the worst region?",
        "Which region comes last in sales, with the smallest value?",
        "which of the regions has the least sales",
        "What is represented by the smallest bar?",
    ],
    "greatest_value": [
        "What is the highest sales value?",
        "How high is the tallest bar?",
        "What is the maximum of sales?",
        "What's the largest value in the chart?",
        "What is the value of the highest bar?",
        "How much is the greatest sales figure?",
        "What is the peak value?",
        "Give the top value.",
        "What was the biggest sales number?",
        "what are the highest sales",
    ],
    "second_greatest_item": [
        "Which region has the second highest sales?",
        "What is the second largest region?",
        "Which region ranks 2nd highest?",
        "Which bar is the second tallest?",
        "Name the region with the second most sales.",
        "Which region sold the second most?",
        "Who has the 2nd largest sales?",
        "Which region is second highest in sales?",
        "What region recorded the second biggest value?",
        "Which region had the second-highest value?",
    ],
    "total": [
        "What is the total of all sales?",
        "What is the sum of all bars?",
        "How much are the sales of all regions combined?",
        "What are the total sales?",
        "Add up all the values.",
        "What do all regions sum to?",
        "What is the combined value of all regions?",
        "Calculate the sum of sales.",
        "How much was sold altogether?",
        "What is the overall total?",
    ],
    "total_of_two": [
        "What is the sum of {a} and {b}?",
        "What are the combined sales of {a} and {b}?",
        "How much did {a} and {b} sell together?",
        "Add {a} and {b}.",
        "What is the total for {a} and {b}?",
        "What do {a} and {b} add up to? Give the sum.",
        "total sales of {a} plus {b}",
        "What is {a} plus {b}?",
        "Sum the sales of {a} and {b}",
        "How much are {a} and {b} in total?",
    ],
    "average": [
        "What is the average of sales?",
        "What are the mean sales?",
        "What's the average value of all bars?",
        "Calculate the mean.",
        "On average, how much does a region sell?",
        "What is the mean value across regions?",
        "How much is the average sales?",
        "average sales per region?",
        "Find the average of all the regions.",
        "What is the arithmetic mean of the bars?",
    ],
    "median": [
        "What is the median of sales?",
        "What's the median value?",
        "Find the median of all bars.",
        "Calculate the median.",
        "What is the median sales figure?",
        "median of the values?",
        "What are the median sales across regions?",
        "Give me the median.",
        "How much is the median value of the regions?",
        "Which number is the median of all values?",
    ],
    "difference": [
        "What is the difference between {a} and {b}?",
        "How much more or less is {a} than {b}?",
        "By how much do {a} and {b} differ?",
        "What's the gap between {a} and {b}?",
        "What is the difference in sales between {a} and {b}?",
        "How large is the difference of {a} and {b}?",
        "Find the difference between {a}'s and {b}'s sales.",
        "How far apart are {a} and {b}?",
        "What is {a} minus {b}?",
        "Sales of {a} versus {b}: what is the difference?",
    ],
    "difference_of_extremes": [
        "What is the difference between the highest and the lowest?",
        "How far is the largest value from the smallest? What is the difference?",
        "What's the difference in value of biggest and smallest bar?",
        "What is the gap between the tallest and the shortest bar?",
        "difference between maximum and minimum sales",
        "By how much does the highest region exceed the lowest?",
        "How much higher is the highest bar than the lowest?",
        "What is the difference between the most and the least sales?",
        "Compute the difference of the greatest and the least value.",
        "How much more does the top region sell than the bottom region?",
    ],
    "ratio": [
        "What is the ratio of {a} to {b}?",
        "What's the ratio between {a} and {b}?",
        "How many times as large as {b} is {a}, exactly?",
        "What is {a} divided by {b}?",
        "How many times as large as {b} is {a}?",
        "ratio of sales in {a} to sales in {b}?",
        "What is the {a} to {b} ratio?",
        "How many times greater is {a} than {b}?",
        "Find the ratio of {a} and {b}.",
        "By what factor — the ratio — does {a} stand to {b}?",
    ],
    "share": [
        "What share of the total is {a}?",
        "What percentage of total sales does {a} account for?",
        "What percent of the total comes from {a}?",
        "What proportion of all sales is {a}?",
        "What fraction of the total is {a}, in percent?",
        "How much percent does {a} contribute to the total?",
        "What is {a}'s share of the total?",
        "What part of the overall sales is {a}?",
        "{a} makes up what percentage of the whole?",
        "What is the percentage of {a} out of the total?",
    ],
    "count": [
        "How many regions have sales above {t}?",
        "How many regions sold more than {t}?",
        "How many bars are higher than {t}?",
        "How many regions exceed {t}?",
        "How many of the regions have a value greater than {t}?",
        "What is the number of regions with over {t}?",
        "Count the regions above {t}.",
        "How many bars are above {t}?",
        "How many regions are over the {t} mark?",
        "How many values are larger than {t}?",
    ],
    "items_above": [
        "Which regions have sales above {t}?",
        "Which regions sold more than {t}?",
        "List the regions with more than {t}.",
        "What regions exceed {t}?",
        "Name all regions greater than {t}.",
        "Which bars are higher than {t}?",
        "Which regions are over {t}?",
        "Which of the regions have values larger than {t}?",
        "Identify the regions above {t}.",
        "Which regions surpass {t}?",
    ],
    "three_greatest": [
        "What are the top 3 regions?",
        "Which three regions have the highest sales?",
        "Name the three largest regions.",
        "Which are the 3 biggest regions?",
        "List the top three regions by sales.",
        "Which three bars are the tallest?",
        "What are the three best regions?",
        "Which 3 regions sold the most?",
        "Give me the top 3.",
        "the three regions with the most sales?",
    ],
    "is_greater": [
        "Is {a} greater than {b}?",
        "Does {a} sell more than {b}?",
        "Are the sales of {a} higher than those of {b}?",
        "Did {a} have larger sales than {b}?",
        "Is {a} above {b}?",
        "Is the {a} bar taller than the {b} bar?",
        "Does {a} exceed {b}?",
        "Is the value of {a} more than that of {b}?",
        "Were sales in {a} bigger than in {b}?",
        "Has {a} a higher value than {b}?",
    ],
    "greater_of_two": [
        "Which is higher, {a} or {b}?",
        "Which sold more, {a} or {b}?",
        "Who has greater sales: {a} or {b}?",
        "Which of {a} and {b} has the higher value?",
        "Between {a} and {b}, which is larger?",
        "Which region sells more, {a} or {b}?",
        "{a} or {b}: which is bigger?",
        "Which one is greater, {a} or {b}?",
        "Out of {a} and {b}, which has the highest sales?",
        "Which had higher sales, {b} or {a}?",
    ],
    "total_of_two_least": [
        "What is the sum of the two smallest bars?",
        "What is the sum of smallest two bars?",
        "Add the two lowest values.",
        "What do the two lowest regions sum to?",
        "What is the total of the two smallest values?",
        "Total of the lowest two regions?",
        "What is the combined value of the two smallest regions?",
        "How much are the two smallest bars combined?",
        "sum of the least two values",
        "Find the sum of the two regions with the lowest sales.",
    ],
    "ranking": [
        "Rank the regions by sales.",
        "Sort the regions from highest to lowest.",
        "Order the regions by value.",
        "Arrange the bars in descending order.",
        "List the regions in descending order of sales.",
        "Rank all regions.",
        "Sort by sales, please.",
        "Can you rank the regions by their sales?",
        "Order all bars by size.",
        "Put the regions in order: rank them by value.",
    ],
}

OF_SEVERAL_SERIES = {
    "value_at_a_time": [
        "What was the revenue of {c} in {y}?",
        "How much revenue did {c} make in {y}?",
        "In {y}, what was {c}'s revenue?",
        "{c} revenue {y}?",
        "What value did {c} have in {y}?",
        "Tell me {c}'s figure for {y}.",
        "What's the value of the {c} line in {y}?",
        "For {y}, how high was the revenue of {c}?",
        "what did {c} earn in {y}",
        "Give the revenue of {c} for the year {y}.",
    ],
    "peak_year": [
        "In which year did {c} have its highest revenue?",
        "When was {c}'s revenue highest?",
        "When did {c} peak?",
        "What year was best for {c}?",
        "Which year had the maximum revenue for {c}?",
        "In what year was the {c} line at its peak?",
        "Which year recorded the greatest revenue of {c}?",
        "When did the revenue of {c} reach its maximum?",
        "In which year was {c} at the top?",
        "which year saw the largest revenue for {c}",
    ],
    "greatest_series": [
        "Which company had the highest revenue in {y}?",
        "Who had the most revenue in {y}?",
        "In {y}, which company was the largest?",
        "Which company led in {y}?",
        "What company made the most in {y}?",
        "Which line is the highest in {y}?",
        "Name the company with the greatest revenue in {y}.",
        "Which company topped {y}, with the highest value?",
        "In {y}, who was the leader?",
        "Which company earned the maximum revenue in {y}?",
    ],
    "difference_at_a_time": [
        "What is the difference between {c} and {d} in {y}?",
        "In {y}, how much do {c} and {d} differ?",
        "How much more or less did {c} make than {d} in {y}?",
        "What was the gap between {c} and {d} in {y}?",
        "By how much did {c}'s revenue differ from {d}'s in {y}?",
        "Find the difference of {c} and {d} for {y}.",
        "In {y}, what is the difference in revenue between {c} and {d}?",
        "How far apart were {c} and {d} in {y}?",
        "Difference between {c} and {d} ({y})?",
        "What's the difference between the revenue of {c} in {y} and the revenue of {d} in {y}?",
    ],
    "growth": [
        "By what percentage did {c}'s revenue change from {y} to {z}?",
        "What was the growth rate of {c} between {y} and {z}?",
        "What is the percentage change of {c} from {y} to {z}?",
        "How much did {c} grow in percent from {y} to {z}?",
        "What's the relative change in {c}'s revenue between {y} and {z}?",
        "Calculate the percent change for {c} from {y} to {z}.",
        "By how many percent did {c} change between {y} and {z}?",
        "What was the percentage growth of {c} from {y} to {z}?",
        "How much did {c}'s revenue increase in percent between {y} and {z}?",
        "What percent increase did {c} see from {y} to {z}?",
    ],
    "change": [
        "How much did {c} change from {y} to {z}?",
        "By how much did {c}'s revenue rise from {y} to {z}?",
        "How much did {c} grow between {y} and {z}?",
        "What was the increase in {c} from {y} to {z}?",
        "What is the difference in {c} between {y} and {z}?",
        "How much did {c} drop from {y} to {z}?",
        "What was the change in {c}'s revenue between {y} and {z}?",
        "How much more or less was {c} in {z} than in {y}?",
        "By how much did {c} fall between {y} and {z}?",
        "What is the decrease of {c} from {y} to {z}?",
    ],
    "sharpest_rise": [
        "Which year saw the sharpest increase for {c}?",
        "When did {c} grow the most?",
        "In what year was the biggest rise of {c}?",
        "Which year recorded the largest increase in {c}'s revenue?",
        "When was the steepest rise of {c}?",
        "In which year did {c}'s revenue jump the most?",
        "Which year brought the greatest gain for {c}?",
        "In which year was {c}'s largest rise?",
        "Which year shows the steepest increase of {c}?",
        "When did {c} climb the most?",
    ],
    "average_of_a_series": [
        "What is the average revenue of {c}?",
        "What was {c}'s mean revenue?",
        "On average, how much did {c} make?",
        "What is the average of the {c} line?",
        "Find the mean of {c} over all years.",
        "What is the average revenue of {c} over the years?",
        "Calculate {c}'s average.",
        "average value of {c}?",
        "What's the mean annual revenue of {c}?",
        "How much is {c} on average?",
    ],
    "total_over_a_range": [
        "What is the total revenue of {c} from {y} to {z}?",
        "How much did {c} make in total between {y} and {z}?",
        "What is the sum of {c} from {y} to {z}?",
        "Add up {c}'s revenue from {y} through {z}.",
        "What was {c}'s combined revenue between {y} and {z}?",
        "Total for {c}, {y} to {z}?",
        "What is the total of {c} over the years {y} to {z}?",
        "Sum {c} between {y} and {z}.",
        "How much is the sum of {c}'s revenue from {y} until {z}?",
        "What was the overall revenue of {c} between {y} and {z}?",
    ],
    "year_of_a_value": [
        "In which year was the revenue of {c} {n}?",
        "When did {c} have a revenue of {n}?",
        "Which year has a value of {n} for {c}?",
        "In what year did {c} equal {n}?",
        "Which year is {c} at exactly {n}?",
        "When was {c} equal to {n}?",
        "In which year does the {c} line show {n}?",
        "Which year did {c} make {n}?",
        "What year has {c} = {n}?",
        "In which year the value of {c} is {n}?",
    ],
    "count_of_years": [
        "In how many years was {c} above 500?",
        "How many years did {c} exceed 500?",
        "For how many years was {c}'s revenue greater than 500?",
        "How many years saw {c} over 500?",
        "In how many years did {c} make more than 500?",
        "In how many of the years was {c} higher than 500?",
        "Count the years in which {c} was above 500.",
        "What is the number of years with {c} above 500?",
        "How many years have a {c} revenue larger than 500?",
        "How many years is the {c} line above 500?",
    ],
    "trend": [
        "What is the trend of {c}?",
        "How did {c}'s revenue change over time?",
        "How has {c} developed over the years?",
        "Describe the trend of the {c} line.",
        "Is {c} increasing or decreasing?",
        "What's the trend in {c}'s revenue?",
        "How did {c} evolve from 2015 to 2020?",
        "What trend does {c} show?",
        "Is the trend of {c} rising or falling?",
        "What is the overall trend for {c}?",
    ],
    "did_it_rise": [
        "Did {c} increase from {y} to {z}?",
        "Did the revenue of {c} rise between {y} and {z}?",
        "Was {c} higher in {z} than in {y}?",
        "Has {c} grown from {y} to {z}?",
        "Is {c}'s revenue in {z} greater than in {y}?",
        "Did {c} grow between {y} and {z}?",
        "Was the revenue of {c} larger in {z} than it was in {y}?",
        "Is the value of {c} in {z} above its value in {y}?",
        "Did {c} gain from {y} to {z}?",
        "Does {c} show an increase from {y} to {z}?",
    ],
    "total_at_a_time": [
        "What is the total revenue of all companies in {y}?",
        "How much did all companies make together in {y}?",
        "What is the sum of all lines in {y}?",
        "In {y}, what was the combined revenue?",
        "What was the overall revenue in {y}?",
        "Add up the revenue of every company in {y}.",
        "total revenue in {y}?",
        "What do the companies sum to in {y}?",
        "How much revenue was made altogether in {y}?",
        "What is the sum of the revenues in {y}?",
    ],
    "least_difference": [
        "In which year is the difference between {c} and {d} the smallest?",
        "Which year has the least difference between {c} and {d}?",
        "When is the gap between {c} and {d} smallest?",
        "In what year was the smallest gap between {c} and {d}?",
        "Which year shows the lowest difference between {c} and {d}?",
        "When was the difference of {c} and {d} minimal, the least?",
        "Which year had the minimum gap between {c} and {d}?",
        "In which year do {c} and {d} have the least difference?",
        "Which year saw the smallest difference between {c} and {d}?",
        "In which year was the margin between {c} and {d} the lowest?",
    ],
}

OUTSIDE_THE_SALES = [
    "Why are the sales of North so high?",
    "What will sales be in 2030?",
    "What are the sales of Atlantis?",
    "How much did Mars sell?",
    "What was the profit of North in 2021?",
    "What caused the drop in East?",
    "Convert the sales of North to euros.",
    "What were the sales in Brazil?",
    "Who is the CEO?",
    "Should we invest in North?",
    "What is the weather in North tomorrow?",
    "How many employees does North have?",
    "What is the population of France?",
    "What were the sales of North in 1999?",
]
OUTSIDE_THE_REVENUES = [
    "What was the revenue of Alpha in 2031?",
    "What was Delta's revenue in 2016?",
    "Why did Beta fall in 2018?",
    "What was the profit margin of Omega?",
    "Which company had the highest revenue in 2009?",
    "How many employees did Alpha have in 2016?",
    "What is the reason for the growth of Gamma?",
    "What is the total revenue from 1990 to 1995?",
]


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
