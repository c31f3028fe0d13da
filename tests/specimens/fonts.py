"""Letter shapes that are the same on every machine: fonts brought by packages, never the system's."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import matplotlib as mpl
from matplotlib.font_manager import FontEntry, fontManager

# The TrueType cuts of the Source families are spaced wrongly.
# family → (package that carries it, file of the regular cut, of the bold one)
_FILES = {
    "DejaVu Sans": ("", "DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    "DejaVu Serif": ("", "DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf"),
    "STIX": ("", "STIXGeneral.ttf", "STIXGeneralBol.ttf"),
    "Roboto": ("font_roboto", "Roboto-Regular.ttf", "Roboto-Bold.ttf"),
    "Source Sans": ("font_source_sans_pro", "SourceSansPro-Regular.otf", "SourceSansPro-Semibold.otf"),
    "Source Serif": ("font_source_serif_pro", "SourceSerifPro-Regular.otf", "SourceSerifPro-Semibold.otf"),
    "Hanken Grotesk": ("font_hanken_grotesk", "HankenGrotesk-Regular.otf", "HankenGrotesk-Bold.otf"),
    "Manrope": ("font_manrope", "Manrope-Regular.ttf", "Manrope-Bold.ttf"),
    "Caladea": ("font_caladea", "Caladea-Regular.ttf", "Caladea-Bold.ttf"),
}
SANS = ("DejaVu Sans", "Roboto", "Source Sans", "Hanken Grotesk", "Manrope")
SERIF = ("STIX", "Source Serif", "Caladea", "DejaVu Serif")
_PREFIX = "Specimen "  # of a system's font with the same name we want nothing


def path_of(family: str, *, is_bold: bool = False) -> Path:
    """Return the font file of a family."""
    package, regular, bold = _FILES[family]
    name = bold if is_bold else regular
    if not package:
        return Path(mpl.get_data_path()) / "fonts/ttf" / name
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"the font package {package} is not installed: run uv sync")
    return Path(spec.origin).parent / "files" / name


@cache
def install() -> None:
    """Make every family known to matplotlib, once a process."""
    for family in _FILES:
        for weight, is_bold in (("normal", False), ("bold", True)):
            path = str(path_of(family, is_bold=is_bold))
            fontManager.ttflist.append(FontEntry(fname=path, name=_PREFIX + family, weight=weight, size="scalable"))


def matplotlib_name(family: str) -> str:
    """Return the name by which matplotlib finds exactly our file of a family."""
    install()
    return _PREFIX + family
