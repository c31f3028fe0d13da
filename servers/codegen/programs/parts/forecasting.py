"""Forecasting: the course carried on past its last item, with an interval and a warning."""

# mypy: disable-error-code="type-arg"

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # stands in the runtime of programs only
from scipy import stats

from servers.codegen.programs.parts.making import digits_of, said, stated
from servers.codegen.programs.parts.timing import elapsed, is_even, time_of, timed
from servers.codegen.programs.parts.writing import Unanswerable, answered

CONFIDENCE = 95


def forecast(dated: pd.DataFrame, method: str, places: np.ndarray) -> pd.DataFrame:
    """Return the expected number at each place, with "low" and "high"; places are steps since the first item."""
    at, numbers = np.asarray(elapsed(dated), float), dated["number"].to_numpy(float)
    if method == "holt":
        return by_holt(numbers, places - at[-1])
    return by_line(at, numbers, places)


def by_line(at: np.ndarray, numbers: np.ndarray, places: np.ndarray) -> pd.DataFrame:
    """Return the straight line by least squares, with the prediction interval of a new value."""
    line = stats.linregress(at, numbers)
    expected = line.intercept + line.slope * places
    freedom = len(at) - 2
    noise = np.sqrt(((numbers - line.intercept - line.slope * at) ** 2).sum() / freedom)
    spread = np.sqrt(1 + 1 / len(at) + (places - at.mean()) ** 2 / ((at - at.mean()) ** 2).sum())
    reach = stats.t.ppf(0.5 + CONFIDENCE / 200, freedom) * noise * spread
    return pd.DataFrame({"expected": expected, "low": expected - reach, "high": expected + reach})


def by_holt(numbers: np.ndarray, ahead: np.ndarray) -> pd.DataFrame:
    """Return Holt's linear method, its weights those of least squared error one step ahead (Hyndman 2008)."""
    weights = [(a / 10, b / 10) for a in range(1, 10) for b in range(1, 10)]
    alpha, beta = min(weights, key=lambda pair: float((smoothed(numbers, *pair)[2] ** 2).sum()))
    level, trend, errors = smoothed(numbers, alpha, beta)
    noise = np.sqrt((errors**2).sum() / max(1, len(errors) - 2))
    expected = level + trend * ahead
    steps = np.maximum(1, ahead)
    growth = alpha**2 * (1 + beta * steps + beta**2 * steps * (2 * steps - 1) / 6)
    reach = stats.norm.ppf(0.5 + CONFIDENCE / 200) * noise * np.sqrt(1 + (steps - 1) * growth)
    return pd.DataFrame({"expected": expected, "low": expected - reach, "high": expected + reach})


def smoothed(numbers: np.ndarray, alpha: float, beta: float) -> tuple[float, float, np.ndarray]:
    """Return level and trend after the last number, and the errors one step ahead."""
    level, trend = float(numbers[1]), float(numbers[1] - numbers[0])
    errors = []
    for number in numbers[2:]:
        error = float(number) - level - trend
        errors.append(error)
        level, trend = level + trend + alpha * error, trend + alpha * beta * error
    return level, trend, np.array(errors)


def horizon(dated: pd.DataFrame, time: str) -> float:
    """Return how many steps after the first item a time lies; an empty time is one step past the last."""
    last = float(pd.Series(elapsed(dated)).iloc[-1])
    place = float(elapsed(dated, time_of(time))) if time else last + 1
    if np.isnan(place) or place <= last:
        raise Unanswerable(f"“{time}” does not lie past the last value")
    if place - last > max(2.0, last):
        raise Unanswerable(
            f"“{time}” lies further past the last value than the values reach back, too far to carry them on"
        )
    return place


def reply_forecast(items: pd.DataFrame, method: str, time: str) -> dict:
    """Reply with what the course gives at a later time, of each series.

    Args:
      method: "linear" or "holt".
      time: as the figure writes its times; empty for the next one.
    """
    sentences, shorts, rows = [], [], []
    for name, group in items.groupby("series", sort=False):
        dated = timed(group)
        if len(dated) < 4:
            raise Unanswerable("a forecast takes four values or more")
        if method == "holt" and not is_even(dated):
            raise Unanswerable("Holt's method takes values at even steps of time")
        found = forecast(dated, method, np.array([horizon(dated, time)])).iloc[0]
        unit, digits = dated["unit"].iloc[0], digits_of(found["expected"])
        expected = stated(dated, found["expected"], f"forecast of {name} for {time or 'the next time'}", digits, unit)
        low, high = (
            stated(dated, found[side], f"{side} end of the interval", digits, unit) for side in ("low", "high")
        )
        n = stated(dated, len(dated), "the number of values", 0)
        sentences.append(f"“{name}” {said(expected)}, between {said(low)} and {said(high)}, from {said(n)} values")
        shorts.append(said(expected).replace(",", ""))
        rows += [expected, low, high, n]
    how = "the straight line by least squares" if method == "linear" else "Holt's linear exponential smoothing"
    confidence = stated(items, CONFIDENCE, "confidence of the interval", 0, "%")
    when = f"“{time}”" if time else f"the next {dated['step'].iloc[0]}"
    if time:
        rows.append(stated(items, int(time_of(time)), "the year of the forecast", 0))
    text = f"Carried on to {when} by {how}: {'; '.join(sentences)} ({said(confidence)} prediction interval). "
    text += "This is an extrapolation: it holds only if the course goes on as before, and the figure does not show it."
    return answered(text, ", ".join(shorts), pd.concat([*rows, confidence]))
