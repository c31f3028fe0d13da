"""The line that turns a pixel along an axis into a value, found among ticks of which some are misread."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import chain, combinations, islice

import numpy as np
from numpy.typing import NDArray

from loupe.type.v1 import figure_pb2

Floats = NDArray[np.float64]

# A tick label is centred on its tick to within about a pixel plus a share of the letter height (descenders, units).
_TOLERANCE_PX = 2.0
_NOISE_PX = 3.0  # decimal places that so many pixels are worth say nothing
_MAX_PAIRS = 400  # 28 ticks give 378 pairs; longer axes are thinned before pairing


@dataclass(frozen=True, slots=True)
class AxisFit:
    """value = slope * pixel + intercept, or ten to that power on a log axis."""

    slope: float
    intercept: float
    log: bool
    residual_px: float
    """Root mean square distance of the inlying ticks, in pixels."""
    inliers: tuple[int, ...]
    """Indices of the ticks the line rests on."""
    stretches: tuple[Stretch, ...] = ()
    """Of a broken axis: every piece with its own line, by pixel; this line is then that of the one with most ticks."""

    def value(self, pixel: float) -> float:
        """Return the value at a pixel, in a break that of the nearer stretch."""
        if self.stretches:
            return self._stretch_at(pixel).fit.value(pixel)
        t = self.slope * pixel + self.intercept
        return float(10.0 ** np.clip(t, -300.0, 300.0)) if self.log else t

    def told(self, pixel: float) -> float:
        """Return the value at a pixel, rounded to the decimal place that few pixels tell: further digits are noise."""
        value = self.value(pixel)
        worth = abs(self.value(pixel + 0.5) - self.value(pixel - 0.5))
        if worth <= 0 or self.log:
            return value
        step = 10.0 ** np.floor(np.log10(_NOISE_PX * worth))
        return float(np.round(value / step) * step)

    def pixel(self, value: float) -> float:
        """Return the pixel of a value; a log axis has none for 0 and below, nor a broken one in its break."""
        if self.stretches:
            places = [(part.off(part.fit.pixel(value)), part.fit.pixel(value)) for part in self.stretches]
            return min(places)[1]
        t = float(np.log10(max(value, 1e-300))) if self.log else value
        return (t - self.intercept) / self.slope

    def measures(self, pixel: float) -> bool:
        """Tell whether a pixel lies where the scale is known: not in a break of the axis."""
        return not self.stretches or self._stretch_at(pixel).off(pixel) == 0

    def _stretch_at(self, pixel: float) -> Stretch:
        return min(self.stretches, key=lambda part: part.off(pixel))

    @classmethod
    def from_proto(cls, calibration: figure_pb2.Calibration, *, log: bool) -> AxisFit:
        """Return the contract's line; which ticks it rests on is not kept there."""
        return cls(calibration.slope, calibration.intercept, log, calibration.residual_px, ())

    def to_proto(self) -> figure_pb2.Calibration:
        """Return the fit as the contract's message."""
        return figure_pb2.Calibration(
            slope=self.slope, intercept=self.intercept, residual_px=self.residual_px, tick_count=len(self.inliers)
        )


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of a broken axis."""

    fit: AxisFit
    from_px: float
    to_px: float

    def off(self, pixel: float) -> float:
        """Return how far outside the piece a pixel lies, 0 inside."""
        return max(self.from_px - pixel, pixel - self.to_px, 0.0)

    def to_proto(self) -> figure_pb2.Calibration:
        """Return the piece as the contract's message."""
        message = self.fit.to_proto()
        message.from_px, message.to_px = self.from_px, self.to_px
        return message


def fit_axis(
    pixels: Floats,
    values: Floats,
    *,
    log: bool = False,
    tolerance_px: float = _TOLERANCE_PX,
    sure: Collection[int] = (),
) -> AxisFit | None:
    """Return the line most ticks lie on, or None where no two ticks differ in pixel and value.

    Args:
      pixels: float64 [n], tick centres along the axis.
      values: float64 [n], what the labels say.
      log: fit log10 of the values; ticks at or below 0 are left out.
      sure: indices of ticks that are known to be right: a line counts only if all of them lie on it.
    RANSAC over all pairs (Fischler & Bolles 1981; exhaustive, so deterministic), then least squares on the inliers.
    """
    usable = values > 0 if log else np.ones(len(values), dtype=bool)
    index = np.flatnonzero(usable & np.isfinite(values))
    if len(index) < 2 or not set(sure) <= set(index.tolist()):
        return None
    known = np.isin(index, list(sure))
    p, t = pixels[index], np.log10(values[index]) if log else values[index]
    best: tuple[int, float, NDArray[np.bool_]] | None = None
    # Every line that counts goes near the sure ticks, so pairs with one of them come first.
    with_sure = ((int(i), j) for i in np.flatnonzero(known) for j in range(len(index)) if j != i)
    for i, j in islice(chain(with_sure, combinations(range(len(index)), 2)), _MAX_PAIRS):
        if abs(p[i] - p[j]) < 1.0 or t[i] == t[j]:
            continue
        slope = (t[j] - t[i]) / (p[j] - p[i])
        distance = np.abs((t - t[i]) / slope - (p - p[i]))
        inside = distance <= tolerance_px
        if not inside[known].all():
            continue
        key = (int(inside.sum()), -float(distance[inside].sum()), inside)
        if best is None or key[:2] > best[:2]:
            best = key
    if best is None:
        return None
    inside = best[2]
    if np.ptp(p[inside]) < 1.0:
        return None
    slope, intercept = np.polyfit(p[inside], t[inside], 1)
    if slope == 0 or not np.isfinite(slope):
        return None
    residual = float(np.sqrt(np.mean(((t[inside] - intercept) / slope - p[inside]) ** 2)))
    return AxisFit(float(slope), float(intercept), log, residual, tuple(int(k) for k in index[inside]))
