"""How a chart looks: colours, frame, grid, letters and size, drawn by chance from the habits of common programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Literal

import matplotlib as mpl

from tests.specimens import fonts

Grid = Literal["none", "value", "both"]

_TAB10 = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f")
_TABLEAU = ("#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f", "#edc948", "#b07aa1", "#9c755f")
_OFFICE = ("#4472c4", "#ed7d31", "#a5a5a5", "#ffc000", "#5b9bd5", "#70ad47", "#264478", "#9e480e")
_OLD_OFFICE = ("#4f81bd", "#c0504d", "#9bbb59", "#8064a2", "#4bacc6", "#f79646", "#2c4d75", "#772c2a")
_SHEETS = ("#4285f4", "#ea4335", "#fbbc04", "#34a853", "#ff6d01", "#46bdc6", "#7baaf7", "#f07b72")
_GGPLOT = ("#f8766d", "#00ba38", "#619cff", "#c77cff", "#00bfc4", "#b79f00", "#f564e3", "#7cae00")
_DEEP = ("#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#8c8c8c")
_SET2 = ("#66c2a5", "#fc8d62", "#8da0cb", "#e78ac3", "#a6d854", "#ffd92f", "#e5c494", "#b3b3b3")
_PLOTLY = ("#636efa", "#ef553b", "#00cc96", "#ab63fa", "#ffa15a", "#19d3f3", "#ff6692", "#b6e880")
_D3 = ("#3366cc", "#dc3912", "#ff9900", "#109618", "#990099", "#0099c6", "#dd4477", "#66aa00")
_NAVY = ("#0b3c5d", "#328cc1", "#d9b310", "#1d2731", "#8d2f23", "#6b9080", "#b56576", "#355070")
_STONE = ("#7a5c3e", "#bf8f3f", "#517a6a", "#2f4858", "#a44a3f", "#86775f", "#c9ada7", "#4a4e69")
_BLUES = ("#08306b", "#2f7ebc", "#8cc0de", "#c9ddf0", "#5b6c7d", "#9fb2c6", "#11497b", "#d7dee6")
_NIGHT = ("#8dd3c7", "#fdb462", "#80b1d3", "#fb8072", "#bebada", "#b3de69", "#fccde5", "#ffed6f")


@dataclass(frozen=True)
class Look:
    """One way to draw charts, of one size."""

    name: str
    palette: tuple[str, ...]
    font: str = "DejaVu Sans"
    paper: str = "#ffffff"
    """Around the plot."""
    plot: str = "#ffffff"
    """Behind the marks."""
    ink: str = "#222222"
    grid: Grid = "value"
    grid_color: str = "#d9d9d9"
    grid_style: str = "-"
    grid_width: float = 0.8
    spines: tuple[str, ...] = ("left", "bottom")
    spine_color: str = "#444444"
    tick_length: float = 3.5
    is_dark: bool = False
    legend: Literal["free", "over"] = "free"
    """"over" puts it on the marks."""
    title_at_left: bool = False
    title_weight: str = "normal"
    size_in: tuple[float, float] = (6.4, 4.4)
    dpi: float = 110.0
    font_pt: float = 10.0
    rc: dict[str, Any] = field(default_factory=dict)

    def color(self, index: int) -> str:
        """Return the colour of the series with this index."""
        return self.palette[index % len(self.palette)]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Draw in this look, whatever the user's own settings are."""
        family = fonts.matplotlib_name(self.font)
        sides = {f"axes.spines.{side}": side in self.spines for side in ("left", "right", "top", "bottom")}
        settings: Any = {  # rcParams' keys are a Literal of three hundred
            "font.family": family,
            "font.size": self.font_pt,
            "mathtext.fontset": "custom",
            "mathtext.rm": family,
            "mathtext.it": family,
            "mathtext.bf": family,
            **{f"mathtext.{cut}": family for cut in ("bfit", "cal", "sf", "tt")},
            "figure.facecolor": self.paper,
            "savefig.facecolor": self.paper,
            "axes.facecolor": self.plot,
            "axes.edgecolor": self.spine_color,
            "axes.linewidth": 0.8,
            "axes.labelcolor": self.ink,
            "axes.titlecolor": self.ink,
            "axes.titlelocation": "left" if self.title_at_left else "center",
            "axes.titleweight": self.title_weight,
            "axes.titlesize": self.font_pt * 1.25,
            "axes.axisbelow": True,
            "axes.grid": False,
            "text.color": self.ink,
            "xtick.color": self.ink,
            "ytick.color": self.ink,
            "xtick.major.size": self.tick_length,
            "ytick.major.size": self.tick_length,
            "xtick.minor.size": 0 if not self.tick_length else self.tick_length * 0.55,
            "ytick.minor.size": 0 if not self.tick_length else self.tick_length * 0.55,
            "grid.color": self.grid_color,
            "grid.linestyle": self.grid_style,
            "grid.linewidth": self.grid_width,
            "legend.edgecolor": self.grid_color,
            "legend.facecolor": self.plot,
            "legend.framealpha": 0.9,
            "patch.linewidth": 0.8,
            **sides,
            **self.rc,
            "backend": mpl.rcParams["backend"],
        }
        with mpl.rc_context():
            mpl.rcParams.update(mpl.rcParamsDefault)
            mpl.rcParams.update(settings)
            yield


_LIGHT = (
    Look("plain", _TAB10, grid="none", spines=("left", "bottom", "right", "top"), spine_color="#000000", ink="#000000"),
    Look("plain with grid", _TAB10, grid="both", spines=("left", "bottom", "right", "top"), grid_color="#b0b0b0"),
    Look("open frame", _DEEP, grid="none"),
    Look("white grid", _DEEP, grid="both", grid_color="#cccccc", spines=("left", "bottom", "right", "top"),
         spine_color="#cccccc", tick_length=0),
    Look("dark grid", _DEEP, grid="both", plot="#eaeaf2", grid_color="#ffffff", grid_width=1.0, spines=(),
         tick_length=0),
    Look("grey panel", _GGPLOT, grid="both", plot="#ebebeb", grid_color="#ffffff", grid_width=1.1, spines=(),
         spine_color="#ffffff", ink="#4d4d4d", tick_length=3.0, title_at_left=True),
    Look("office", _OFFICE, font="Source Sans", grid="value", grid_color="#d9d9d9", spines=("bottom",),
         spine_color="#bfbfbf",
         ink="#595959", tick_length=0),
    Look("old office", _OLD_OFFICE, font="Caladea", grid="value", grid_color="#868686", spines=("left", "bottom"),
         spine_color="#868686", ink="#000000", title_weight="bold"),
    Look("sheets", _SHEETS, font="Roboto", grid="value", grid_color="#cccccc", spines=("bottom",),
         spine_color="#333333",
         ink="#757575", tick_length=0, title_at_left=True),
    Look("declarative", _TABLEAU, font="Roboto", grid="both", grid_color="#dddddd",
         spines=("left", "bottom", "right", "top"), spine_color="#dddddd", ink="#000000", title_weight="bold"),
    Look("web", _PLOTLY, font="Source Sans", grid="both", plot="#e5ecf6", grid_color="#ffffff", grid_width=1.2,
         spines=(),
         ink="#2a3f5f", tick_length=0, title_at_left=True),
    Look("agency", _NAVY, font="Hanken Grotesk", grid="value", grid_color="#e3e3e3", spines=("bottom",),
         spine_color="#666666", ink="#333333", tick_length=0, title_at_left=True, title_weight="bold"),
    Look("survey", _STONE, font="Source Sans", grid="none", spines=("bottom",), spine_color="#999999", ink="#333333",
         tick_length=0, title_at_left=True, title_weight="bold"),
    Look("journal", ("#000000", "#d95f02", "#1b9e77", "#7570b3", "#e7298a", "#66a61e"), font="STIX", grid="none",
         spines=("left", "bottom", "right", "top"), spine_color="#000000", ink="#000000",
         rc={"xtick.direction": "in", "ytick.direction": "in"}),
    Look("newspaper", _BLUES, font="Source Serif", paper="#fff8f0", plot="#fff8f0", grid="value", grid_color="#d5cdc2",
         grid_style=":", spines=("bottom",), spine_color="#333333", ink="#33302e", title_at_left=True,
         title_weight="bold"),
    Look("soft", _SET2, font="Manrope", grid="value", grid_color="#ececec", spines=(), ink="#444444", tick_length=0),
    Look("classic web", _D3, font="DejaVu Sans", grid="value", grid_color="#cccccc", spines=("left", "bottom"),
         spine_color="#333333", grid_style="--"),
)  # fmt: skip
_DARK = (
    Look("night", _NIGHT, is_dark=True, paper="#000000", plot="#000000", ink="#ffffff", spine_color="#ffffff",
         grid="none"),
    Look("dashboard", _PLOTLY, font="Roboto", is_dark=True, paper="#111217", plot="#181b1f", ink="#ccccdc",
         grid="both", grid_color="#2c3036", spines=(), tick_length=0),
    Look("slate", _SHEETS, font="Hanken Grotesk", is_dark=True, paper="#263238", plot="#263238", ink="#eceff1",
         grid="value", grid_color="#455a64", spines=("bottom",), spine_color="#90a4ae", tick_length=0),
    Look("violet", _SET2, font="Manrope", is_dark=True, paper="#1e1b2e", plot="#1e1b2e", ink="#e0def4", grid="value",
         grid_color="#403d52", grid_style=":", spines=("left", "bottom"), spine_color="#908caa"),
)  # fmt: skip
_PUBLISHER = ("agency", "survey", "newspaper", "office", "soft", "sheets")
_SMALLEST_EM_PX = 9.5  # print of less can't be read on a web page either


def pick(rng: Random, *, is_dark: bool = False, is_published: bool = False, widest: float = 1.9) -> Look:
    """Return a look by chance: program, letters, size and small habits.

    Args:
      is_published: only looks of statistics publishers.
      widest: the largest ratio of width to height.
    """
    looks = _DARK if is_dark else tuple(look for look in _LIGHT if not is_published or look.name in _PUBLISHER)
    look = rng.choice(looks)
    width_px = _width(rng)
    width_in = rng.uniform(5.2, 8.4)
    height_in = width_in / min(widest, rng.choice((1.1, 1.25, 1.33, 1.5, 1.6, 1.78, 1.9)))
    dpi = width_px / width_in
    font_pt = rng.uniform(8.5, 12.5)
    least = _SMALLEST_EM_PX if rng.random() < 0.9 else 8.0
    font_pt = max(font_pt, least * 72 / dpi)
    font = look.font
    if rng.random() < 0.4:
        font = rng.choice(fonts.SANS)
    elif rng.random() < 0.12:
        font = rng.choice(fonts.SERIF)
    grid = look.grid
    if rng.random() < 0.2:
        grid = rng.choice(("none", "value", "both"))
    palette = look.palette
    if rng.random() < 0.25 and not is_dark:
        palette = rng.choice(_LIGHT).palette
    if rng.random() < 0.3:
        turn = rng.randrange(len(palette))
        palette = palette[turn:] + palette[:turn]
    return replace(
        look,
        font=font,
        grid=grid,
        palette=palette,
        size_in=(width_in, height_in),
        dpi=dpi,
        font_pt=font_pt,
        title_at_left=look.title_at_left if rng.random() < 0.8 else not look.title_at_left,
        title_weight=look.title_weight if rng.random() < 0.75 else "bold",
        rc={**look.rc, "lines.linewidth": rng.choice((1.2, 1.5, 2.0, 2.0, 2.5, 3.0))},
    )


def _width(rng: Random) -> int:
    """Mostly 400 to 1500 px, now and then a thumbnail or a retina screenshot."""
    chance = rng.random()
    if chance < 0.06:
        return rng.randint(320, 420)
    if chance < 0.90:
        return round(2 ** rng.uniform(8.9, 10.5))  # 478 to 1448
    return rng.randint(1450, 2800)


def readable_on(color: str) -> str:
    """Return black or white, whichever can be read on "#rrggbb"."""
    return "#000000" if brightness(color) > 140 else "#ffffff"


def brightness(color: str) -> float:
    """Return the luma of "#rrggbb", 0 to 255."""
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue
