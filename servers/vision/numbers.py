"""Numbers as people print them on charts and in tables."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class ParsedNumber:
    """A number with what was printed around it."""

    number: float
    """With its multiplier applied: "1.5k" is 1500. A per cent stays as printed: "50%" is 50."""
    unit: str = ""
    """"%", "$", "kg", ... as printed; empty where none is."""
    multiplier: float = 1.0
    """What k, M, bn, ... stood for; 1 where none is printed."""
    decimals: int = 0
    """Digits printed after the decimal point, before the multiplier."""


_DASHES = str.maketrans({"\u2212": "-", "\u2013": "-", "\u2014": "-", "\u2010": "-", "\u2011": "-", "\ufe63": "-"})
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2007": " "})
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_MULTIPLIERS = {
    "k": 1e3,
    "thousand": 1e3,
    "m": 1e6,
    "mn": 1e6,
    "mio": 1e6,
    "million": 1e6,
    "b": 1e9,
    "bn": 1e9,
    "billion": 1e9,
    "t": 1e12,
    "tn": 1e12,
    "trillion": 1e12,
}
_CURRENCY = r"US\$|A\$|C\$|R\$|\$|€|£|¥|₹|₩|CHF|USD|EUR|GBP|JPY|INR"
_MAGNITUDE = (
    r"[kK]|M|B|T|[mM]n|[bB]n|[tT]n|[mM]io|[tT]housand|[mM]illion|[bB]illion|[tT]rillion"  # a lone m is metres, t tonnes
)
_DIGITS = r"\d+(?:[.,' ]\d+)*|[.,]\d+"
_NUMBER = re.compile(
    rf"""
    (?P<open>\()?\s*
    (?P<sign>[-+])?\s*
    (?P<before>{_CURRENCY})?\s*
    (?P<sign2>[-+])?\s*
    (?P<digits>{_DIGITS})
    (?:[eE](?P<exponent>[-+]?\d{{1,3}})|\s*[×x·*]\s*10\^?(?P<power>[-+]?\d{{1,3}}))?
    \s*(?:(?P<magnitude>{_MAGNITUDE})(?![A-Za-z]))?\.?
    \s*(?P<unit>%|‰|{_CURRENCY}|°\s?[CF]?|[A-Za-zµμΩ][A-Za-zµμΩ²³/]{{0,5}}(?:/[A-Za-z]{{1,4}})?)?
    \s*(?P<close>\))?
    [*†‡]{{0,3}}
    """,
    re.VERBOSE,
)
_TEN_POWER = re.compile(r"(?P<sign>[-+])?10\^(?P<power>[-+]?\d{1,3})")
# Units that may follow a number. An open list would turn "3 apples" and "2nd" into numbers with units.
_UNITS = frozenset(
    " ".join(
        (
            "pp pt pts ppm ppb s ms ns us µs μs min h hr hrs d day days wk yr yrs year years g kg mg µg μg t lb",
            "lbs oz L ml mL dl dL m cm mm nm µm μm km mi ft in ha m² km² m³ cm² cm³ V mV kV A mA W kW MW GW TW",
            "Wh kWh MWh GWh TWh J kJ MJ Hz kHz MHz GHz KB kB MB GB TB KiB MiB GiB bps kbps Mbps Gbps px dB °C",
            "°F K Pa kPa MPa bar N kN Ω mol mM µM μM x X m/s km/h mph g/l g/L mg/l mg/L mg/dl mg/dL ng/ml ng/mL",
            "kg/m² mmHg req/s qps rps fps",
        )
    ).split()
)
# Shapes that recognition confuses inside a run of digits.
_OCR_SLIPS = str.maketrans({"O": "0", "o": "0", "l": "1", "I": "1", "|": "1"})


def parse_number(text: str) -> ParsedNumber | None:
    """Return the number that the whole text is, or None where it is not exactly one number.

    "1,234" and "1 234" group thousands, "1.234.567" too; a single comma not before three digits is a decimal comma.
    "(1,234)" is negative. O, l, I and | count as digits only where everything else in the run is one.
    """
    cleaned = text.strip().translate(_DASHES).translate(_SPACES)
    if not any(character.isdigit() for character in cleaned) or len(cleaned) > 40:
        return None
    if any(character in "⁰¹²³⁴⁵⁶⁷⁸⁹" for character in cleaned):
        cleaned = re.sub(r"(?<=10)(?=[⁰¹²³⁴⁵⁶⁷⁸⁹⁻])", "^", cleaned).translate(_SUPERSCRIPTS)
    ten = _TEN_POWER.fullmatch(cleaned)
    if ten:
        value = 10.0 ** int(ten["power"])
        return ParsedNumber(-value if ten["sign"] == "-" else value)
    return _match(cleaned) or _match(_without_slips(cleaned))


def _match(cleaned: str) -> ParsedNumber | None:
    match = _NUMBER.fullmatch(cleaned)
    if not match or bool(match["open"]) != bool(match["close"]) or (match["sign"] and match["sign2"]):
        return None
    unit = (match["unit"] or "").replace("° ", "°")
    if unit and unit not in _UNITS and not re.fullmatch(rf"b|%|‰|°[CF]?|{_CURRENCY}", unit):
        return None
    if (match["before"] and re.fullmatch(_CURRENCY, unit)) or (unit == "b" and not match["before"]):
        return None
    exponent = int(match["exponent"] or match["power"] or 0)
    read = _digits(match["digits"], is_mantissa=bool(match["exponent"]))
    if read is None:
        return None
    mantissa, decimals = read
    magnitude = match["magnitude"] or ""
    if match["before"] and unit in ("m", "b", "t"):  # of money, not metres and tonnes
        magnitude, unit = unit, ""
    multiplier = _MULTIPLIERS[magnitude.lower()] if magnitude else 1.0
    # In decimal: 1.1k is 1100, not 1100.0000000000002.
    value = float(Decimal(mantissa).scaleb(exponent) * int(multiplier))
    if not math.isfinite(value):
        return None
    if "-" in (match["sign"], match["sign2"]) or match["open"]:
        value = -value
    return ParsedNumber(value, match["before"] or unit, multiplier, decimals)


def _digits(digits: str, *, is_mantissa: bool) -> tuple[str, int] | None:
    """Return (plain decimal, digits after its point) of digits with separators, or None where these make no sense."""
    marks = re.findall(r"[.,' ]", digits)
    if not marks:
        return digits, 0
    groups = re.split(r"[.,' ]", digits)
    kinds = sorted(set(marks), key=marks.index)
    if len(kinds) > 2 or (len(kinds) == 2 and marks.count(kinds[1]) != 1):
        return None
    last = marks[-1]
    has_point = len(kinds) == 2 or (
        len(marks) == 1 and (last == "." or (last == "," and (is_mantissa or not _is_group(groups))))
    )
    if has_point and last in " '":
        return None
    whole, fraction = (groups[:-1], groups[-1]) if has_point else (groups, "")
    if len(whole) > 1 and not _are_thousands(whole):
        return None
    return f"{''.join(whole) or '0'}.{fraction or '0'}", len(fraction)


def _is_group(groups: list[str]) -> bool:
    return len(groups[-1]) == 3 and 1 <= len(groups[0]) <= 3 and groups[0] != "0"


def _are_thousands(groups: list[str]) -> bool:
    """Tell whether 1|234|567 or, as in India, 12|34|567."""
    inner = groups[1:]
    return 1 <= len(groups[0]) <= 3 and len(inner[-1]) == 3 and all(len(group) in (2, 3) for group in inner)


def _without_slips(cleaned: str) -> str:
    """Return the text with O, l, I and | as digits in each run that otherwise holds only digits and separators."""
    cleaned = re.sub(r"^[lI|](?=(?:\.\d+)?[eE][-+]?\d)", "1", cleaned)
    return re.sub(
        r"(?<![A-Za-z])[\dOolI|][\dOolI|.,]*(?![A-Za-z])",
        lambda run: run[0].translate(_OCR_SLIPS) if re.search(r"\d", run[0]) else run[0],
        cleaned,
    )
