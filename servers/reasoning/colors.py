"""Colours by name: which series a question means by "the light blue bar"."""

from __future__ import annotations

import colorsys

_HUES = {  # degrees on the colour circle
    "red": 0, "orange": 28, "brown": 25, "gold": 48, "golden": 48, "yellow": 54, "lime": 90, "olive": 60, "green": 120,
    "teal": 178, "turquoise": 174, "cyan": 185, "blue": 215, "navy": 225, "indigo": 260, "purple": 280, "violet": 275,
    "magenta": 305, "pink": 335, "maroon": 350,
}  # fmt: skip
_GREYS = {"gray", "grey", "silver", "black", "white"}
# Names whose lightness is part of the name.
_LIGHTNESS = {
    "navy": 0.25,
    "maroon": 0.25,
    "brown": 0.35,
    "olive": 0.3,
    "pink": 0.75,
    "black": 0.05,
    "white": 0.97,
    "silver": 0.75,
}
_SHADES = {"light": 0.72, "pale": 0.78, "dark": 0.28, "deep": 0.3}
COLOR_NAMES = frozenset(_HUES) | _GREYS
SHADES = frozenset(_SHADES) | {"bright", "sky", "navy"}


def named_series(color: str, shade: str | None, colors: dict[str, tuple[int, int, int]]) -> str | None:
    """Return the series of a colour, or None where no one series stands out as it.

    Args:
      color: one of COLOR_NAMES.
      shade: "light", "dark" or None.
      colors: sRGB by series.
    """
    costs = sorted((_cost(color, rgb), name) for name, rgb in colors.items())
    alike = [name for cost, name in costs if cost < min(1.0, costs[0][0] + 0.25)]
    if len(alike) < 2:
        return alike[0] if alike else None
    wanted = _SHADES.get(shade or "", _LIGHTNESS.get(color, 0.5))
    nearest = sorted((abs(_lightness(colors[name]) - wanted), name) for name in alike)
    if shade in _SHADES or color in _LIGHTNESS:  # "the dark one" is the darkest of those alike
        ordered = sorted(alike, key=lambda name: _lightness(colors[name]))
        return ordered[0] if wanted < 0.5 else ordered[-1]
    return nearest[0][1] if nearest[1][0] - nearest[0][0] > 0.15 else None


def _lightness(rgb: tuple[int, int, int]) -> float:
    return colorsys.rgb_to_hls(*(channel / 255 for channel in rgb))[1]


def _cost(color: str, rgb: tuple[int, int, int]) -> float:
    """Return how far a colour is from its name, lightness apart: below 1 it may pass for it."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in rgb))
    chroma = saturation * (1 - abs(2 * lightness - 1))
    if color in _GREYS:
        return chroma * 4
    turn = abs(hue * 360 - _HUES[color]) % 360
    return min(turn, 360 - turn) / 45 + (1.0 if chroma < 0.12 else 0.0)
