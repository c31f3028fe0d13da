"""Dates on labels: whole, in part, and completed by their neighbours."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from servers.vision.dates import date_parts, in_sequence, parse_date, printed_date


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("2019", 2019, "year"),
        ("Jan 2019", 1546300800, "s"),
        ("January, 2019", 1546300800, "s"),
        ("Jan-19", 1546300800, "s"),
        ("Jan '19", 1546300800, "s"),
        ("2019-01", 1546300800, "s"),
        ("2019-01-05", 1546646400, "s"),
        ("5 Jan 2019", 1546646400, "s"),
        ("Jan 5, 2019", 1546646400, "s"),
        ("Q1 2019", 1546300800, "s"),
        ("2019 Q3", 1561939200, "s"),
        ("Mar 1970", 5097600, "s"),
        ("3/1970", 5097600, "s"),
        ("12.12.2019", 1576108800, "s"),
        ("2020-W05", 1580083200, "s"),
        ("1Q19", 1546300800, "s"),
        ("2019-01-01 06:30", 1546324200, "s"),
    ],
)
def test_a_printed_date_is_parsed(text, number, unit):
    parsed = parse_date(text)
    assert parsed is not None
    assert (parsed.number, parsed.unit) == (number, unit)


@pytest.mark.parametrize(
    "text", ["", "Jan", "01/02/2019", "2019-13", "31 Feb 2020", "1066", "20190", "Q5 2019", "May be"]
)
def test_what_names_no_single_date_is_refused(text):
    assert parse_date(text) is None


def _sequence(*labels: str) -> list[str] | None:
    seconds = in_sequence([date_parts(label)[0] for label in labels])
    if seconds is None:
        return None
    return [datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M") for at in seconds]


def test_a_month_takes_its_year_from_its_neighbours_and_a_new_year_begins_after_december():
    assert _sequence("Oct", "2020", "Apr", "Oct", "Jan") == [
        "2019-10-01 00:00",
        "2020-01-01 00:00",
        "2020-04-01 00:00",
        "2020-10-01 00:00",
        "2021-01-01 00:00",
    ]


def test_days_and_hours_take_month_and_day_from_their_neighbours():
    assert _sequence("25", "29", "Feb 2020", "05") == [
        "2020-01-25 00:00",
        "2020-01-29 00:00",
        "2020-02-01 00:00",
        "2020-02-05 00:00",
    ]
    assert _sequence("18:00", "2 Mar 2021", "06:00") == ["2021-03-01 18:00", "2021-03-02 00:00", "2021-03-02 06:00"]


def test_clock_times_alone_count_from_the_first_day_of_1970():
    assert _sequence("22:00", "00:00", "02:00") == ["1970-01-01 22:00", "1970-01-02 00:00", "1970-01-02 02:00"]


def test_months_without_any_year_are_no_dates():
    assert _sequence("Jan", "Feb", "Mar") is None


def test_figures_that_may_be_day_or_month_keep_both_meanings():
    assert {(parts.day, parts.month) for parts in date_parts("03/04/2020")} == {(3, 4), (4, 3)}
    assert {(parts.day, parts.month) for parts in date_parts("15/04/2020")} == {(15, 4)}


@pytest.mark.parametrize(
    ("precision", "style", "text"),
    [
        ("year", "figures", "2019"),
        ("quarter", "figures", "Q1 2019"),
        ("month", "figures", "2019-03"),
        ("month", "names", "Mar 2019"),
        ("week", "figures", "2019-W11"),
        ("day", "figures", "2019-03-15"),
        ("day", "names", "15 Mar 2019"),
        ("month", "short years", "Mar '19"),
        ("minute", "figures", "2019-03-15 12:30"),
    ],
)
def test_a_time_is_written_to_the_precision_asked_for(precision, style, text):
    assert printed_date(1552653000, precision, style=style) == text
