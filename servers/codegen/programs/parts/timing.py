"""Timing: the times that labels say, as numbers, so that items can be put on a line of time."""

# mypy: disable-error-code="type-arg"

import math
import re

import pandas as pd  # type: ignore[import-untyped]  # stands in the runtime of programs only

from servers.codegen.programs.parts.writing import Unanswerable

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
STEPS = {"year": 1.0, "quarter": 1 / 4, "month": 1 / 12, "week": 7 / 365.25, "day": 1 / 365.25}
SECONDS_A_YEAR = 365.25 * 86400


def time_of(label: str) -> float:
    """Return the time that a label says, in years: "2019" is 2019, "Jul 2019" and "2019-07" are 2019.5; NaN for none.

    A month or a quarter without a year counts from year 0.
    """
    text = label.lower().replace("’", "'")
    year = re.search(r"\b(1[89]\d\d|2[01]\d\d)\b", text)
    short_year = re.search(r"(?:'|\b[a-z]{3,9}[ -])(\d\d)\b", text)
    years = float(year.group()) if year else 0.0
    iso = re.match(r"\s*(\d{4})-(\d\d)(?:-(\d\d))?\b", text)
    month = next((place for place, name in enumerate(MONTHS) if re.search(rf"\b{name}[a-z]*\b", text)), None)
    quarter = re.search(r"\bq([1-4])|\b([1-4])q", text)
    if not year and short_year and "'" in text:
        years = 2000.0 + int(short_year.group(1)) - (100 if int(short_year.group(1)) >= 50 else 0)
    if iso and 1 <= int(iso.group(2)) <= 12:
        return years + (int(iso.group(2)) - 1) / 12 + (int(iso.group(3) or 1) - 1) / 365.25
    if month is not None:
        day = re.search(r"\b([12]?\d|3[01])(?:st|nd|rd|th)?\b(?!')", re.sub(r"'\s?\d\d|\b\d{4}\b", "", text))
        return years + month / 12 + ((int(day.group(1)) - 1) / 365.25 if day else 0.0)
    if quarter:
        return years + (int(quarter.group(1) or quarter.group(2)) - 1) / 4
    return years if years else math.nan


def timed(items: pd.DataFrame) -> pd.DataFrame:
    """Return the items by time, with the columns "time" in years and "step", the unit of time that they are apart."""
    from_axis = items["x"].where(items["x_kind"] == "year", 1970 + items["x"] / SECONDS_A_YEAR)
    times = from_axis.where(items["x_kind"].isin(["year", "instant"]), items["category"].map(time_of))
    dated = items.assign(time=times.fillna(items["category"].map(time_of))).dropna(subset=["time"])
    dated = dated.sort_values("time", kind="stable").reset_index(drop=True)
    gaps = dated["time"].drop_duplicates().diff().dropna()
    if len(gaps) < 1:
        raise Unanswerable("it takes values at two times or more")
    step = min(STEPS, key=lambda name: abs(math.log(gaps.median() / STEPS[name])))
    return dated.assign(step="year" if gaps.median() > 1 else step)


def elapsed(dated: pd.DataFrame, time: float | None = None) -> pd.Series | float:
    """Return how many steps lie between the first item and each item, or a time."""
    step = STEPS[dated["step"].iloc[0]]
    if time is None:
        return ((dated["time"] - dated["time"].iloc[0]) / step).round(6)
    return round((time - float(dated["time"].iloc[0])) / step, 6)


def is_even(dated: pd.DataFrame) -> bool:
    """Return whether the items lie one step apart, give or take the lengths of months."""
    gaps = dated["time"].diff().dropna()
    return bool((gaps > 0.6 * gaps.median()).all() and (gaps < 1.5 * gaps.median()).all())
