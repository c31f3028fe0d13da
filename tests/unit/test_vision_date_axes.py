"""Axes of dates: from labels alone to the dates at which a course has its data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from servers.vision.charts.axes.calibration import fit_axis
from servers.vision.charts.axes.date_axis import find_date_axes
from servers.vision.charts.axes.places import read_places
from servers.vision.charts.axes.ticks import find_value_axes
from servers.vision.charts.axes.time_places import places_in_time
from servers.vision.charts.axes.value_axis import TickMark, ValueAxis
from servers.vision.charts.picture.page import Page, prepare
from servers.vision.geometry import PixelBox
from servers.vision.text import Word

WIDTH, HEIGHT = 600, 400


def _page(*rows: Sequence[tuple[str, float]], angle: int = 0) -> Page:
    """Return a blank page with words at these middles, a row 16 pixels below the other."""
    words = []
    for index, row in enumerate(rows):
        for text, x in row:
            left = x - 3 * len(text)
            for word in text.split(" "):
                box = PixelBox(left, 350 + 16 * index, left + 6 * len(word), 360 + 16 * index)
                words.append(Word(word, box, 0.95, angle))
                left = box.x_max + 4
    return prepare(np.full((HEIGHT, WIDTH, 3), 255, np.uint8), words)


def _days(axis: ValueAxis) -> list[str]:
    return [datetime.fromtimestamp(tick.number, UTC).strftime("%Y-%m-%d") for tick in axis.ticks]


def test_months_under_which_years_are_set_are_dates():
    (axis,) = find_date_axes(
        _page([("Jul", 100), ("Oct", 200), ("Jan", 300), ("Apr", 398)], [("2019", 100), ("2020", 300)])
    )
    assert _days(axis) == ["2019-07-01", "2019-10-01", "2020-01-01", "2020-04-01"]
    assert [tick.text for tick in axis.ticks] == ["Jul 2019", "Oct", "Jan 2020", "Apr"]


def test_a_year_at_the_end_of_the_axis_belongs_to_its_last_labels():
    (axis,) = find_date_axes(_page([("05", 100), ("09", 200), ("13", 300), ("17", 400)], [("2020-Mar", 420)]))
    assert _days(axis) == ["2020-03-05", "2020-03-09", "2020-03-13", "2020-03-17"]


def test_a_day_above_twelve_says_which_figure_is_the_month():
    (axis,) = find_date_axes(_page([("03/07/2021", 100), ("03/14/2021", 240), ("03/21/2021", 380)]))
    assert _days(axis) == ["2021-03-07", "2021-03-14", "2021-03-21"]


def test_a_misread_month_is_left_out():
    (axis,) = find_date_axes(
        _page([("Jan 2020", 60), ("Apr 2020", 160), ("Jun 2020", 260), ("Oct 2020", 362), ("Jan 2021", 464)])
    )
    assert _days(axis) == ["2020-01-01", "2020-04-01", "2020-10-01", "2021-01-01"]


def test_months_at_equal_distances_fit_though_they_are_not_equally_long():
    labels = [(f"{name} 2021", 60 + 95.0 * k) for k, name in enumerate(("Jan", "Feb", "Mar", "Apr", "May", "Jun"))]
    (axis,) = find_date_axes(_page(labels))
    assert len(axis.ticks) == 6
    assert 0.5 < axis.fit.residual_px < 3
    assert abs(axis.pixel_of(datetime(2021, 3, 1, tzinfo=UTC).timestamp()) - 249) < 0.5


def test_days_without_a_year_say_so():
    (axis,) = find_date_axes(_page([("5 Mar", 100), ("12 Mar", 200), ("19 Mar", 300), ("26 Mar", 400)]))
    assert [code for code, _ in axis.notes] == ["date_without_year"]


def test_months_without_a_year_plain_years_and_sentences_are_no_dates():
    assert find_date_axes(_page([("Jan", 100), ("Feb", 200), ("Mar", 300)])) == []
    assert find_date_axes(_page([("2018", 100), ("2019", 200), ("2020", 300)])) == []
    assert find_date_axes(_page([("Sales since May 2019 in thousand units", 300)])) == []


def test_hyphens_that_recognition_left_out_are_put_back():
    pieces = [("2020", 100), ("03", 124), ("2020", 200), ("04", 224), ("2020", 298), ("05", 322)]
    (axis,) = find_date_axes(_page(pieces))
    assert [tick.text for tick in axis.ticks] == ["2020-03", "2020-04", "2020-05"]


def test_years_that_end_in_the_next_are_seasons():
    assert find_date_axes(_page([("2001/02", 100), ("2003/04", 240), ("2005/06", 380)])) == []


def _axis(*years: int) -> ValueAxis:
    """Return an axis of January firsts, 100 pixels a year from pixel 50."""
    numbers = [datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in years]
    pixels = [50 + 100.0 * (number - numbers[0]) / (365.25 * 86400) for number in numbers]
    ticks = tuple(
        TickMark(str(year), float(year), x, PixelBox(x - 12, 350, x + 12, 360))
        for year, x in zip(years, pixels, strict=True)
    )
    fit = fit_axis(np.array(pixels), np.array(years, dtype=np.float64))
    assert fit is not None
    return ValueAxis("x", ticks, fit, "", True)


def test_bends_at_months_between_labelled_years_make_the_axis_one_of_dates():
    axis = _axis(2016, 2017, 2018, 2019, 2020)
    quarters = [50 + 25.0 * k for k in range(17)]
    read = read_places(_page(), PixelBox(50, 50, 450, 340), axis, [], quarters, exclude=[])
    assert read.axis is not None
    assert read.axis.dates is not None
    assert [place.label for place in read.places[:6]] == ["2016", "Q2 2016", "Q3 2016", "Q4 2016", "2017", "Q2 2017"]
    assert read.places[1].number == datetime(2016, 4, 1, tzinfo=UTC).timestamp()


def test_bends_at_labelled_years_leave_them_years():
    axis = _axis(2016, 2017, 2018, 2019, 2020)
    read = read_places(_page(), PixelBox(50, 50, 450, 340), axis, [], [50, 150, 250, 350, 450], exclude=[])
    assert read.axis is axis
    assert [place.label for place in read.places] == ["2016", "2017", "2018", "2019", "2020"]


def test_a_course_without_regular_dates_is_read_at_even_distances():
    labels = [("Jan 2020", 60), ("Jan 2021", 426)]
    (axis,) = find_date_axes(_page([labels[0], ("Jul 2020", 242), labels[1]]))
    bends = [60 + 7.3 * k + 2.9 * np.sin(9.0 * k) for k in range(45)]
    places = places_in_time(axis, [], bends)
    assert [place.label for place in places][:3] == ["Jan 2020", "Feb 2020", "Mar 2020"]


def test_years_keep_their_century_where_recognition_lost_the_apostrophes():
    (axis,) = find_date_axes(_page([("88", 60), ("92", 160), ("96", 260), ("00", 360), ("04", 460)]))
    assert axis.is_years
    assert [tick.number for tick in axis.ticks] == [1988, 1992, 1996, 2000, 2004]


def test_numbers_that_turn_with_the_year_are_years_and_not_days():
    (axis,) = find_date_axes(
        _page([("Nov 01", 60), ("Dec 01", 158), ("Jan 02", 260), ("Feb 02", 362), ("Mar 02", 454)])
    )
    assert _days(axis) == ["2001-11-01", "2001-12-01", "2002-01-01", "2002-02-01", "2002-03-01"]


def test_quarters_that_are_all_labelled_hold_the_data_though_some_bends_lie_between():
    ticks = [("Q1 2020", 60.0), ("Q2 2020", 160.0), ("Q3 2020", 260.0), ("Q4 2020", 360.0), ("Q1 2021", 460.0)]
    page = _page(ticks)
    (axis,) = find_date_axes(page)
    bends = [60.0, 160.0, 195.0, 260.0, 360.0, 460.0]
    places = places_in_time(axis, [], bends)
    assert [place.label for place in places] == ["Q1 2020", "Q2 2020", "Q3 2020", "Q4 2020", "Q1 2021"]


def test_months_beside_years_of_their_own_are_not_joined_to_the_next_year():
    row = [("2001", 60), ("April", 120), ("July", 182), ("October", 246), ("2002", 305), ("April", 365), ("July", 427)]
    (axis,) = find_date_axes(_page(row))
    assert _days(axis)[:5] == ["2001-01-01", "2001-04-01", "2001-07-01", "2001-10-01", "2002-01-01"]


def test_a_date_keeps_its_day_where_one_hyphen_was_lost():
    (axis,) = find_date_axes(_page([("2021–09 01", 100), ("2021–09 11", 240), ("2021–09 21", 380)]))
    assert _days(axis) == ["2021-09-01", "2021-09-11", "2021-09-21"]


def test_the_years_between_the_labelled_ones_hold_data_where_a_line_bends_at_most_of_them():
    page = _page([("2000", 60), ("2005", 260), ("2010", 460)])
    (axis,) = find_value_axes(page)
    bends = [60.0, 100.0, 140.0, 220.0, 260.0, 300.0, 380.0, 420.0, 460.0]
    along = read_places(page, PixelBox(40, 20, 480, 340), axis, [], bends, exclude=[])
    assert [place.label for place in along.places] == [
        "2000", "2001", "2002", "2003", "2004", "2005", "2006", "2007", "2008", "2009", "2010"
    ]  # fmt: skip
