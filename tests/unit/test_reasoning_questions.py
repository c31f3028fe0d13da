"""Questions as people ask them, about colours, places, ages, months, thresholds and shares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from loupe.type.v1 import figure_pb2 as pb
from tests.unit.reasoning_programs import Programs, chart, grid_table, warm_programs

FIGURES = {
    "crops": chart(
        {
            "v": {
                "Barley": 26.5,
                "Oats & Rye": 24,
                "Maize (fodder)": 18.2,
                "Hops": 11,
                "Peas": 7.6,
                "Flax": 4.5,
                "Kale": 2,
            }
        },
        kind=pb.CHART_TYPE_HORIZONTAL_BAR,
        title="Harvest by crop",
        named=False,
    ),
    "cover": chart(
        {"v": {"Austria": 78.3, "Germany": 69, "Belgium": 66.1, "Italy": 45.2, "Spain": 45.2, "Latvia": 12.8}},
        kind=pb.CHART_TYPE_HORIZONTAL_BAR,
        title="Share of households with a garden, 2010",
        unit="%",
        named=False,
    ),
    "pairs": chart(
        {
            "Male": {"Peru": 3.2, "Kenya": 5.1, "Mali": 7.7, "Chad": 4.4},
            "Female": {"Peru": 2.9, "Kenya": 4, "Mali": 8.8, "Chad": 6.1},
        },
        kind=pb.CHART_TYPE_GROUPED_BAR,
        colors=[(31, 119, 180), (255, 127, 14)],
    ),
    "ages": chart(
        {
            "Favorable": {"18-29": 61, "30-49": 55, "50-64": 48, "65+": 39},
            "Unfavorable": {"18-29": 22, "30-49": 31, "50-64": 40, "65+": 52},
            "Don't know": {"18-29": 17, "30-49": 14, "50-64": 12, "65+": 9},
        },
        kind=pb.CHART_TYPE_HORIZONTAL_STACKED_BAR,
        title="Views of the new tram",
        unit="%",
        colors=[(60, 110, 170), (130, 150, 60), (180, 180, 180)],
    ),
    "lines": chart(
        {
            "Buses": {"2000": 30, "2004": 35, "2008": 28, "2012": 33, "2016": 41, "2020": 44},
            "Trains": {"2000": 45, "2004": 39, "2008": 52, "2012": 51, "2016": 48, "2020": 50},
        },
        kind=pb.CHART_TYPE_LINE,
        title="Satisfaction with transport",
        colors=[(200, 50, 40), (40, 80, 160)],
    ),
    "blues": chart(
        {"2014": {"Love": 63, "Like": 26, "Hate": 1}, "2010": {"Love": 48, "Like": 22, "Hate": 9}},
        kind=pb.CHART_TYPE_GROUPED_BAR,
        unit="%",
        colors=[(47, 126, 216), (13, 35, 58)],
    ),
    "income": chart(
        {"v": {"2010": 120.5, "2011": 118.2, "2012": 130, "2013": 128.4, "2014": 141.9, "2015": 150.3}},
        measure="Revenue in million U.S. dollars",
        named=False,
    ),
    "months": chart(
        {"v": {"Jan '20": 5.1, "Feb '20": 5.5, "Mar '20": 4.2, "Apr '20": 2.1, "May '20": 3.9, "Jan '21": 6}},
        kind=pb.CHART_TYPE_LINE,
        measure="Sales in million units",
        named=False,
    ),
    "votes": chart(
        {"v": {"Yes": 45, "No": 30, "Maybe": 15, "Not sure": 10}},
        kind=pb.CHART_TYPE_PIE,
        title="Do you cycle?",
        unit="%",
        named=False,
    ),
    "shipped": grid_table(
        [
            ["Product", "2019", "2020", "2021"],
            ["Phones", "120", "150", "180"],
            ["Laptops", "80", "75", "90"],
            ["Tablets", "40", "60", "30"],
        ],
        title="Units shipped",
    ),
    "countries": grid_table(
        [
            ["Country", "Population", "GDP per capita", "Capital"],
            ["France", "68", "$44,400", "Paris"],
            ["Spain", "48", "$32,700", "Madrid"],
            ["Italy", "59", "$37,100", "Rome"],
            ["Total", "175", "", ""],
        ],
        title="Countries",
    ),
}

ANSWERS = [
    ("countries", "What is the capital of Italy?", "Rome"),
    ("lines", "What is the colour of the trains line?", "blue"),
    ("crops", "How many crops are shown in the bar graph?", "7"),
    ("crops", "What is the difference in value between Barley and Kale?", "24.5"),
    ("crops", "Which crop has a value just above 4?", "Flax"),
    ("crops", "How many crops have a value less than 5?", "2"),
    ("crops", "What's the sum of Kale, Flax and Peas?", "14.1"),
    ("crops", "Is the value of barley more than the sum of oats and hops?", "No"),
    ("crops", "What is the third highest value?", "18.2"),
    ("crops", "What is the average of the top three?", "22.9"),
    ("crops", "What's the ratio of hops to kale?", "5.5"),
    ("crops", "What is the median value of the chart?", "11"),
    ("crops", "What is the value of Maise?", "18.2"),
    ("cover", "Which country has 66.1% coverage?", "Belgium"),
    ("cover", "What's the percentage of households in Italy?", "45.2%"),
    ("cover", "Which two countries have the same value?", "Italy, Spain"),
    ("cover", "Is the sum of the two lowest bars greater than Germany?", "No"),
    ("cover", "How many countries have more than 50%?", "3"),
    ("cover", "What is the difference between the highest and second highest?", "9.3"),
    ("cover", "By how much does Austria exceed Latvia?", "65.5"),
    ("cover", "What was the share of households with a garden in Germany in 2010?", "69%"),
    ("pairs", "What's the value of the orange bar in Kenya?", "4"),
    ("pairs", "In which country is the blue bar the highest?", "Mali"),
    ("pairs", "What is the sum of male and female in Chad?", "10.5"),
    ("pairs", "In how many countries is the female value higher than the male value?", "2"),
    ("pairs", "In which countries is the male value higher than the female value?", "Peru, Kenya"),
    ("pairs", "Which country has the largest gap between male and female?", "Chad"),
    ("pairs", "What does the orange color represent?", "Female"),
    ("pairs", "What's the average of all the blue bars?", "5.1"),
    ("pairs", "Is male in Mali greater than female in Mali?", "No"),
    ("ages", "What percentage of people ages 30-49 have a favorable view?", "55%"),
    ("ages", "What percent of adults ages 65 and older are unfavorable?", "52%"),
    ("ages", "Which age group has the highest unfavorable percentage?", "65+"),
    ("ages", "In the 18-29 age group, what's the difference between favorable and unfavorable?", "39"),
    ("ages", "What's the sum of the gray bars?", "52%"),
    ("ages", "What percentage of those 50 to 64 don't know?", "12%"),
    ("ages", "How many age groups have a favorable view above 50%?", "2"),
    ("lines", "In which year did the trains peak?", "2008"),
    ("lines", "What was the value of the red line in 2016?", "41"),
    ("lines", "When did the gap between the two lines become the smallest?", "2004"),
    ("lines", "What is the maximum value of the blue line?", "52"),
    ("lines", "How many times did the buses line go above 40?", "2"),
    ("lines", "Did the value of buses increase between 2008 and 2020?", "Yes"),
    ("lines", "What is the average of buses from 2008 to 2016?", "34"),
    ("blues", "What is the least difference between the light blue bar and the dark blue bar?", "4%"),
    ("blues", "What is the percentage value of the rightmost bar?", "9%"),
    ("blues", "What is the maximum percentage shown on the navy blue bar?", "48%"),
    ("income", "In which year was the revenue 130?", "2012"),
    ("income", "How many years had revenue above 125 million?", "4"),
    ("income", "What was the increase in revenue from 2010 to 2015?", "29.8"),
    ("income", "In what year did revenue first exceed 140 million?", "2014"),
    ("income", "What is the average revenue for the last three years?", "140.2"),
    ("income", "Between 2013 and 2014, did revenue grow?", "Yes"),
    ("income", "Which year saw the biggest drop in revenue?", "2011"),
    ("income", "By how much did revenue fall in 2011?", "2.3"),
    ("income", "What was the revenue of Acme in 2014?", "141.9"),
    ("months", "What were sales in March 2020?", "4.2"),
    ("months", "Which month grew fastest?", "May '20"),
    ("months", "How much did sales drop from February to April 2020?", "3.4"),
    ("months", "How many units were sold in January 2021?", "6"),
    ("votes", "What percentage answered No?", "30%"),
    ("votes", "Which segment is the smallest?", "Not sure"),
    ("votes", "Does the Yes segment account for more than half?", "No"),
    ("votes", "Is the sum of Yes and No greater than 70?", "Yes"),
    ("shipped", "Which product grew the most between 2019 and 2021?", "Phones"),
    ("shipped", "Which product had the fastest growth from 2019 to 2020?", "Tablets"),
    ("shipped", "In which year were tablets highest?", "2020"),
    ("shipped", "What is the trend of laptops?", "increasing"),
    ("shipped", "Which product sold the least overall?", "Tablets"),
    ("shipped", "What percentage of 2021 shipments were phones?", "60%"),
    ("shipped", "Whcih produtc has the higest value in 2021?", "Phones"),
    ("shipped", "Compare phones and laptops in 2020", "Phones"),
    ("countries", "What is the GDP per capita of Spain?", "$32700"),
    ("countries", "Which country has the largest population?", "France"),
    ("countries", "What is the total population?", "175"),
    ("countries", "What share of the total population does Spain have?", "27.43%"),
]

REFUSED = [
    ("cover", "What is the share in Portugal?", "“Portugal” is not in the figure"),
    ("lines", "What was the value of buses in 2010?", "it holds nothing for “2010”"),
    ("income", "What was the revenue in 2016?", "it holds nothing for “2016”"),
    ("ages", "Why is the favorable view falling with age?", "the figure says how much, not why"),
    ("countries", "What is the GDP per capita of Spain in euros?", "values are given in $ only"),
    (
        "pairs",
        "What is the value of the green bar in Mali?",
        "no one series of the figure can be told by the colour “green”",
    ),
]


@pytest.fixture(scope="module")
def programs() -> Iterator[Programs]:
    with warm_programs() as running:
        yield running


@pytest.mark.parametrize(("figure", "question", "expected"), ANSWERS)
def test_a_question_gets_its_answer(programs, figure, question, expected):
    assert programs.ask(question, FIGURES[figure])["short_text"] == expected


@pytest.mark.parametrize(("figure", "question", "reason"), REFUSED)
def test_a_question_past_the_figure_gets_the_reason(programs, figure, question, reason):
    answer = programs.ask(question, FIGURES[figure])
    assert answer["status"] == "ANSWER_STATUS_UNANSWERABLE"
    assert answer["reason"].startswith(reason)


def test_a_name_that_the_figure_does_not_print_is_said_to_be_taken_for_granted(programs):
    answer = programs.ask("What was the revenue of Acme in 2014?", FIGURES["income"])
    assert answer["text"].endswith(
        "The figure does not name “Acme”; the answer takes it to be what the figure is about."
    )
