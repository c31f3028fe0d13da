"""Dates as people print them on axes and in tables: whole ones, and parts that only their neighbours complete."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal

Precision = Literal["year", "quarter", "month", "week", "day", "hour", "minute", "second"]
DateStyle = Literal["figures", "names", "short years"]
PRECISIONS: tuple[Precision, ...] = ("year", "quarter", "month", "week", "day", "hour", "minute", "second")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_S = 86400.0

_DASHES = str.maketrans(dict.fromkeys("−–—‐‑﹣", "-"))
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2007": " "})
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")  # three letters decide
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_YEAR = r"(?P<year>(?:1[5-9]|2[01])\d\d)"
_SHORT = r"['’`](?P<short>\d\d)"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_TIME = r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?"
_WEEKDAY = re.compile(r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[.,]? (?=\d|[a-z]{3})", re.IGNORECASE)
# Each with the way it orders day and month where figures alone don't say; "" where they do.
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (order, re.compile(pattern, re.IGNORECASE))
    for order, pattern in (
        ("", _YEAR),
        ("", _SHORT),
        ("", rf"{_YEAR} ?[-/.] ?(?P<month>\d{{1,2}})(?: ?[-/.] ?(?P<day>\d{{1,2}})(?:[ T]{_TIME})?)?"),
        ("", rf"(?P<month>\d{{1,2}}) ?[/.-] ?{_YEAR}"),
        ("", rf"{_MONTH}\.?"),
        ("", rf"{_MONTH}\.?[ ,/'’-]*{_YEAR}"),
        ("", rf"{_MONTH}\.? ?(?:{_SHORT}|-(?P<dashed>\d\d))"),
        ("", rf"{_YEAR}[ ,/-]*{_MONTH}\.?"),
        ("", rf"{_DAY}\.?[ -]?{_MONTH}\.?(?:[ ,-]+{_YEAR}| ?{_SHORT})?(?:,? {_TIME})?"),
        ("", rf"{_MONTH}\.?[ -]?{_DAY}(?:(?:,|, | ){_YEAR}|,? ?{_SHORT})?(?:,? {_TIME})?"),
        ("", rf"Q(?P<quarter>[1-4])(?:[ /'’-]*(?:{_YEAR}|(?P<dashed>\d\d)))?"),
        ("", rf"(?:{_YEAR}|{_SHORT})[ /-]*Q(?P<quarter>[1-4])"),
        ("", rf"(?P<quarter>[1-4])Q(?:[ /'’-]*(?:{_YEAR}|(?P<dashed>\d\d)))?"),
        ("", rf"{_YEAR}[ -]?W(?:eek ?)?(?P<week>\d{{1,2}})"),
        ("", rf"W(?:eek ?)?(?P<week>\d{{1,2}})[ ,/-]+{_YEAR}"),
        ("", _TIME),
        ("", r"(?P<hour>1[0-2]|0?\d)(?::(?P<minute>\d\d))? ?(?P<half>[ap])\.?m\.?"),
        ("dmy", rf"(?P<day>\d{{1,2}})([-/.])(?P<month>\d{{1,2}})\2(?:{_YEAR}|(?P<dashed>\d\d))"),
        ("mdy", rf"(?P<month>\d{{1,2}})([-/])(?P<day>\d{{1,2}})\2(?:{_YEAR}|(?P<dashed>\d\d))"),
        ("dmy", r"(?P<day>\d{1,2})[-/.](?P<month>\d{1,2})\.?"),
        ("mdy", rf"(?P<month>\d{{1,2}})[-/](?P<day>\d{{1,2}})(?: {_TIME})?"),
        ("mdh", r"(?P<month>\d\d)-(?P<day>\d\d) (?P<hour>\d\d)"),  # matplotlib's "%m-%d %H"
        ("", rf"(?P<day>\d\d) {_TIME}"),  # matplotlib's "%d %H:%M"
        ("day", r"(?P<day>\d{1,2})"),
    )
)


@dataclass(frozen=True, slots=True)
class ParsedDate:
    """A point in time on an axis."""

    number: float
    """Seconds since 1970-01-01T00:00:00Z, or the plain year where `unit` is "year"."""
    unit: str
    """"year" or "s"."""


@dataclass(frozen=True, slots=True)
class DateParts:
    """What a label says of a date; None where it leaves a part to its neighbours."""

    precision: Precision
    """The finest part that is printed."""
    year: int | None = None
    month: int | None = None
    """1 where a coarser label means the start of its year."""
    day: int | None = None
    seconds: int | None = None
    """Of the day."""
    has_name: bool = False
    """The month is a word."""
    order: str = ""
    """How day and month are told apart where the label itself does not say: "dmy", "mdy"; "day" for a lone number."""

    @property
    def missing(self) -> Precision | None:
        """The coarsest part that a neighbour has to give; None where the date is whole."""
        if self.year is not None:
            return None
        if self.month is not None:
            return "year"
        return "month" if self.day is not None else "day"


def parse_date(text: str) -> ParsedDate | None:
    """Return the date that the whole text is, or None.

    A bare year (1500 to 2199) is a year; "Jan 2020", "Q1 2020", "2020-01", "5 Jan 2020" are seconds at the start of
    their period. A month without a year is a category, and 01/02/2020 says not which is the month: both give None.
    """
    wholes = [parts for parts in date_parts(text) if parts.missing is None]
    if len({moment(parts) for parts in wholes}) != 1:
        return None
    if wholes[0].precision == "year":
        return ParsedDate(float(wholes[0].year or 0), "year") if len(text.strip()) == 4 else None
    return ParsedDate(moment(wholes[0]).timestamp(), "s")


def date_parts(text: str) -> list[DateParts]:
    """Return what the whole text may mean as a date or a part of one, the likeliest first; nothing for other text."""
    cleaned = " ".join(text.translate(_DASHES).translate(_SPACES).split())
    if not 2 <= len(cleaned) <= 24 and not cleaned.isdigit():
        return []
    cleaned = _WEEKDAY.sub("", cleaned)
    found: list[DateParts] = []
    for order, pattern in _PATTERNS:
        match = pattern.fullmatch(cleaned)
        parts = _parts(match.groupdict(), order) if match else None
        if parts is not None and parts not in found:
            found.append(parts)
    return found


def _parts(groups: dict[str, str | None], order: str) -> DateParts | None:
    def number(key: str) -> int | None:
        digits = groups.get(key)
        return int(digits) if digits else None

    year, month, day = number("year"), number("month"), number("day")
    short = number("short") if groups.get("short") else number("dashed")
    if short is not None:
        year = short + (2000 if short < 70 else 1900)  # as POSIX strptime %y splits near enough
    name, quarter, week, hour = groups.get("name"), number("quarter"), number("week"), number("hour")
    precision: Precision = "year"
    seconds: int | None = None
    if name:
        month, precision = _MONTHS.index(name[:3].lower()) + 1, "month"
    elif quarter:
        month, precision = 3 * quarter - 2, "quarter"
    elif month:
        precision = "month"
    if week is not None and year is not None:
        if not 1 <= week <= 53:
            return None
        monday = date.fromisocalendar(year, min(week, 52), 1) + timedelta(days=7 * max(0, week - 52))
        return DateParts("week", monday.year, monday.month, monday.day)
    if day is not None:
        precision = "day"
    if hour is not None:
        minute, second = number("minute"), number("second")
        half = groups.get("half")
        if half:
            hour = hour % 12 + (12 if half.lower() == "p" else 0)
        if hour > 23 or (minute or 0) > 59 or (second or 0) > 59:
            return None
        seconds = hour * 3600 + (minute or 0) * 60 + (second or 0)
        precision = "second" if second is not None else "minute" if minute is not None else "hour"
    if (month is not None and not 1 <= month <= 12) or (day is not None and not 1 <= day <= 31):
        return None
    parts = DateParts(precision, year, month, day, seconds, bool(name), order)
    try:
        moment(replace(parts, year=year or 2000, month=month or 1, day=day or 1))
    except ValueError:  # 31 Feb 2020
        return None
    if year is not None:
        # Of a label that gives the year, what it leaves out is the start.
        parts = replace(parts, month=month or 1, day=day or 1, seconds=seconds or 0)
    return parts


def moment(parts: DateParts) -> datetime:
    """Return the start of the period.

    Raises:
      ValueError: there is no such day.
    """
    start = datetime(parts.year or 1970, parts.month or 1, parts.day or 1, tzinfo=UTC)
    return start + timedelta(seconds=parts.seconds or 0)


def in_sequence(labels: Sequence[DateParts]) -> list[float] | None:
    """Return each label's seconds since 1970, the missing parts taken from neighbours so that time runs forward.

    None where no label gives what the others lack. Labels of clock times alone count from 1970-01-01.
    """
    whole = next((index for index, parts in enumerate(labels) if parts.missing is None), None)
    if whole is None:
        if any(parts.missing != "day" for parts in labels):
            return None
        labels = [replace(labels[0], year=1970, month=1, day=1), *labels[1:]]
        whole = 0
    times: list[datetime | None] = [None] * len(labels)
    times[whole] = moment(labels[whole])
    try:
        for step, stop in ((1, len(labels)), (-1, -1)):
            for index in range(whole + step, stop, step):
                last = times[index - step]
                times[index] = _next_to(labels[index], last, step) if last is not None else None
    except (ValueError, OverflowError):
        return None
    return [(time - EPOCH).total_seconds() for time in times if time is not None]


def _next_to(parts: DateParts, other: datetime, step: int) -> datetime:
    """Return the label's time, after the other's (before it for step -1) by less than one of the missing part."""
    missing = parts.missing
    if missing is None:
        return moment(parts)
    full = replace(parts, year=other.year)
    if missing != "year":
        full = replace(full, month=other.month, day=parts.day if missing == "month" else other.day)
    time = moment(full)
    if (time - other).total_seconds() * step > 0:
        return time
    if missing == "day":
        return time + timedelta(days=step)
    if missing == "year":
        return moment(replace(full, year=other.year + step))
    months = other.year * 12 + other.month - 1 + step
    return moment(replace(full, year=months // 12, month=months % 12 + 1))


def printed_date(seconds: float, precision: Precision, *, style: DateStyle = "figures") -> str:
    """Return a time as it is written to this precision: "2019", "Q1 2019", "2019-03-15".

    Args:
      style: "2019-03", or with names of months "Mar 2019", or with short years too "Mar '19".
    """
    time = EPOCH + timedelta(seconds=round(seconds))
    if precision == "year":
        return f"{time.year}"
    year = f"'{time.year % 100:02d}" if style == "short years" else f"{time.year}"
    if precision == "quarter":
        return f"Q{(time.month + 2) // 3} {year}"
    if precision == "week":
        iso = time.isocalendar()
        return f"{iso.year}-W{iso.week:02d}"
    month = f"{time.year}-{time.month:02d}" if style == "figures" else f"{_NAMES[time.month - 1]} {year}"
    if precision == "month":
        return month
    day = f"{month}-{time.day:02d}" if style == "figures" else f"{time.day} {month}"
    if precision == "day":
        return day
    clock = f"{time.hour:02d}:{time.minute:02d}" + (f":{time.second:02d}" if precision == "second" else "")
    return clock if time.year == 1970 and time.month == time.day == 1 else f"{day} {clock}"
