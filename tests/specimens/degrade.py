"""What happens to a picture on its way: JPEG, scaling, blur, noise, a slight turn. The numbers on it stay."""

from __future__ import annotations

import io
from random import Random

import numpy as np
from PIL import Image, ImageFilter

from tests.specimens.truth import Rgb

NARROWEST_PX = 300
WIDEST_PX = 4000


def degrade(rgb: Rgb, rng: Random) -> Rgb:
    """Return the picture as it may come in: more than half untouched, the others with one or two mild harms."""
    rgb = within_bounds(rgb)
    chance = rng.random()
    if chance < 0.55:
        return rgb
    if chance < 0.75:
        return jpeg(rgb, rng.randint(55, 92))
    if chance < 0.85:
        return jpeg(rescaled(rgb, rng.uniform(0.85, 1.6)), rng.randint(60, 92))
    if chance < 0.90:
        return blurred(rgb, rng.uniform(0.3, 0.7))
    if chance < 0.95:
        return rescaled(rgb, rng.uniform(0.9, 2.0))
    return noisy(rgb, rng.uniform(1.5, 4.0), rng.getrandbits(32))


def degrade_hard(rgb: Rgb, rng: Random) -> Rgb:
    """Return the picture with harms that can still be read through by a person."""
    harms = rng.sample(("jpeg", "scale", "blur", "noise", "turn"), 2)
    if "turn" in harms:
        rgb = turned(rgb, rng.choice((-1, 1)) * rng.uniform(0.4, 2.0))
    if "scale" in harms:
        rgb = rescaled(rgb, rng.uniform(0.7, 1.5))
    if "blur" in harms:
        rgb = blurred(rgb, rng.uniform(0.5, 1.0))
    if "noise" in harms:
        rgb = noisy(rgb, rng.uniform(3, 9), rng.getrandbits(32))
    if "jpeg" in harms:
        rgb = jpeg(rgb, rng.randint(40, 70))
    return within_bounds(rgb)


def within_bounds(rgb: Rgb) -> Rgb:
    """Return the picture 300 to 4000 px wide."""
    width = rgb.shape[1]
    if NARROWEST_PX <= width <= WIDEST_PX:
        return rgb
    return rescaled(rgb, 1.0)


def jpeg(rgb: Rgb, quality: int) -> Rgb:
    """Return the picture after a JPEG of this quality, colours at half resolution as usual."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, format="JPEG", quality=quality, subsampling=2 if quality < 85 else 0)
    return _array(Image.open(file))


def rescaled(rgb: Rgb, factor: float) -> Rgb:
    """Return the picture at another size, 300 to 4000 px wide."""
    height, width = rgb.shape[:2]
    factor = min(max(factor, NARROWEST_PX / width), WIDEST_PX / width)
    size = (round(width * factor), max(1, round(height * factor)))
    return _array(
        Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.BICUBIC)
    )


def blurred(rgb: Rgb, radius_px: float) -> Rgb:
    """Return the picture out of focus."""
    return _array(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(radius_px)))


def noisy(rgb: Rgb, deviation: float, seed: int) -> Rgb:
    """Return the picture with independent noise on each channel."""
    noise = np.random.default_rng(seed).normal(0, deviation, rgb.shape)
    return np.clip(np.rint(rgb + noise), 0, 255).astype(np.uint8)


def turned(rgb: Rgb, degrees: float) -> Rgb:
    """Return the picture turned about its middle on a sheet of the colour of its corner."""
    r, g, b = (int(level) for level in rgb[0, 0])
    return _array(Image.fromarray(rgb).rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=(r, g, b)))


def _array(image: Image.Image) -> Rgb:
    return np.asarray(image.convert("RGB"), dtype=np.uint8)
