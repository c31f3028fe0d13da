"""Numbers and dates as printed."""

from __future__ import annotations

import pytest

from servers.vision.numbers import parse_number


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("0", 0, ""),
        ("42", 42, ""),
        ("-5", -5, ""),
        ("−5", -5, ""),
        ("–5.5", -5.5, ""),
        ("+3", 3, ""),
        (".5", 0.5, ""),
        ("17.", 17, ""),
        ("1,234", 1234, ""),
        ("1,234,567.89", 1234567.89, ""),
        ("12,34,567", 1234567, ""),
        ("1 234 567", 1234567, ""),
        ("1\u202f234", 1234, ""),
        ("1'234", 1234, ""),
        ("1.234.567", 1234567, ""),
        ("1.234,56", 1234.56, ""),
        ("1,5", 1.5, ""),
        ("0,123", 0.123, ""),
        ("12.345", 12.345, ""),
        ("(1,234)", -1234, ""),
        ("($5)", -5, "$"),
        ("50%", 50, "%"),
        ("5 %", 5, "%"),
        ("-0.5%", -0.5, "%"),
        ("$1,234.50", 1234.5, "$"),
        ("-$5", -5, "$"),
        ("$-5", -5, "$"),
        ("€5", 5, "€"),
        ("5€", 5, "€"),
        ("US$5bn", 5e9, "US$"),
        ("1.1k", 1100, ""),
        ("5M", 5e6, ""),
        ("$5m", 5e6, "$"),
        ("5m", 5, "m"),
        ("3.2 million", 3.2e6, ""),
        ("12B", 12e9, ""),
        ("5 kg", 5, "kg"),
        ("14°C", 14, "°C"),
        ("200ms", 200, "ms"),
        ("1.2e-5", 1.2e-5, ""),
        ("1,040E-09", 1.04e-9, ""),
        ("1.2×10^3", 1200, ""),
        ("10⁴", 1e4, ""),
        ("10⁻³", 1e-3, ""),
        ("12.3*", 12.3, ""),
        ("1O", 10, ""),
        ("l0.5", 10.5, ""),
        ("2O.O%", 20, "%"),
    ],
)
def test_a_printed_number_is_parsed(text, number, unit):
    parsed = parse_number(text)
    assert parsed is not None
    assert parsed.number == number
    assert parsed.unit == unit


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "abc",
        "IO",
        "Oil",
        "2nd",
        "3D",
        "12 34",
        "1,234,56",
        "1-2",
        "(5",
        "5)",
        "+-5",
        "1e400",
        "3d4h",
        "v1.2.3",
        "$",
    ],
)
def test_what_is_not_exactly_one_number_is_refused(text):
    assert parse_number(text) is None


def test_the_multiplier_and_the_decimals_are_kept_apart():
    parsed = parse_number("1.50M")
    assert parsed is not None
    assert (parsed.number, parsed.multiplier, parsed.decimals) == (1_500_000, 1_000_000, 2)
