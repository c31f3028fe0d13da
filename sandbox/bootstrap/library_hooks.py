"""What is done to numpy and matplotlib before a program uses them: at once where they are warm, else at their import.

numpy: every source of randomness starts from the run's seed, also generators made without one.
matplotlib: a figure that was saved is remembered, so that the unsaved ones can be captured at the end; what a figure
shows is read when it is saved or captured; which lines of the program drew it, when it is drawn.
"""

import contextlib
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import sys
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any

_MAX_FIGURES = 100
_MAX_FILES = 20  # of one figure
_MAX_NOTES = 10
_MAX_LINES = 8
_MAX_FRAMES = 200
_BOXES = "sandbox.bootstrap.figure_boxes"
_READER = "sandbox.bootstrap.figure_data"
_ADDING = ("add_artist", "add_collection", "add_image", "add_line", "add_patch", "add_table")


class LibraryHooks(importlib.abc.MetaPathFinder):
    """Finds the few modules it acts on as Python would, and acts right after their import."""

    def __init__(self, program: str) -> None:
        """Take the name of the program's file."""
        self._seed = 0
        self._program = program
        self._saved: weakref.WeakSet[Any] = weakref.WeakSet()
        self._lines: weakref.WeakKeyDictionary[Any, list[int]] = weakref.WeakKeyDictionary()
        self._measured: tuple[Any, dict[str, Any]] | None = None
        self._reader: Any = None
        self._specs = {name: importlib.util.find_spec(name) for name in (_BOXES, _READER)}
        self.figures: list[dict[str, Any]] = []
        """What each figure shows, with its "files" in /work, in the form of loupe.sandbox.v1.FigureData."""
        self.notes: list[str] = []
        """What went wrong with figures."""
        self._actions: dict[str, Callable[[Any], None]] = {
            "numpy.random": self._seed_numpy,
            "matplotlib.axes._base": self._remember_lines,
            "matplotlib.backend_bases": self._remember_saves,
            "matplotlib.backends.backend_agg": self._measure_pictures,
        }

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the ordinary spec, with the action after execution."""
        action = self._actions.get(fullname)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target) if action else None
        if action is None or spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_then_act(module: types.ModuleType) -> None:
            execute(module)
            action(module)

        spec.loader.exec_module = execute_then_act  # type: ignore[method-assign]
        return spec

    def seed(self, seed: int) -> None:
        """Let every source of randomness start from a seed."""
        self._seed = seed
        random.seed(seed)
        if "numpy.random" in sys.modules:
            self._seed_numpy(sys.modules["numpy.random"])

    def act_on_warm(self) -> None:
        """Act on what was imported before."""
        for name, action in self._actions.items():
            if name in sys.modules:
                action(sys.modules[name])

    def _seed_numpy(self, numpy_random: Any) -> None:
        numpy_random.seed(self._seed)
        # A generator made without a seed asks this for its entropy.
        numpy_random.bit_generator.randbits = random.Random(self._seed).getrandbits

    def _remember_lines(self, axes_base: Any) -> None:
        for name in _ADDING:
            self._remember_lines_of(axes_base._AxesBase, name)

    def _remember_lines_of(self, axes: Any, name: str) -> None:
        add = getattr(axes, name)
        lines = self._lines

        @functools.wraps(add)
        def add_and_remember(own: Any, artist: Any, *args: Any, **kwargs: Any) -> Any:
            with contextlib.suppress(TypeError):  # what no weak reference can hold: matplotlib has its own word on it
                lines[artist] = self._lines_now()
            return add(own, artist, *args, **kwargs)

        setattr(axes, name, add_and_remember)

    def _lines_now(self) -> list[int]:
        """Return the lines of the program that are being executed, the outermost call's first."""
        lines: list[int] = []
        frame: types.FrameType | None = sys._getframe(2)
        for _ in range(_MAX_FRAMES):
            if frame is None or len(lines) == _MAX_LINES:
                break
            if frame.f_code.co_filename == self._program:
                lines.append(frame.f_lineno)
            frame = frame.f_back
        return lines[::-1]

    def _remember_saves(self, backend_bases: Any) -> None:
        print_figure = backend_bases.FigureCanvasBase.print_figure
        saved = self._saved

        def print_and_remember(canvas: Any, filename: Any, *args: Any, **kwargs: Any) -> Any:
            saved.add(canvas.figure)
            self._measured = None
            result = print_figure(canvas, filename, *args, **kwargs)
            self._note_figure(canvas.figure, _path(filename))
            return result

        backend_bases.FigureCanvasBase.print_figure = print_and_remember

    def _measure_pictures(self, backend_agg: Any) -> None:
        """Read a figure that is written as a picture while it still has the size that it has there."""
        canvas_class = backend_agg.FigureCanvasAgg
        print_png = canvas_class.print_png

        @functools.wraps(print_png)
        def print_and_measure(canvas: Any, *args: Any, **kwargs: Any) -> Any:
            result = print_png(canvas, *args, **kwargs)
            shown = self._read(canvas.figure, is_measured=True)
            self._measured = (canvas.figure, shown) if shown else None
            return result

        canvas_class.print_png = print_and_measure

    def _read(self, figure: Any, *, is_measured: bool) -> dict[str, Any] | None:
        if len(self.figures) >= _MAX_FIGURES:
            return None
        try:
            if self._reader is None:
                self._reader = self._load_reader().FigureReader(lambda artist: self._lines.get(artist, ()))
            shown: dict[str, Any] = self._reader.read(figure, is_measured=is_measured)
        except Exception as error:  # whatever the figure holds, the program goes on
            self._note(f"the numbers behind a figure could not be read: {type(error).__name__}: {error}")
            return None
        return shown

    def _note_figure(self, figure: Any, path: str) -> None:
        """Note what a figure shows, now that it was drawn into a file; empty for one that is none of /work."""
        measured, self._measured = self._measured, None
        if measured and measured[0] is figure:
            shown: dict[str, Any] | None = measured[1]
        else:
            shown = self._read(figure, is_measured=False)
        if shown is None:
            return
        last = self.figures[-1] if self.figures else None
        if last and (known := _joined(last, shown)):
            # The same once more, in another format.
            self._reader.give_back(shown)
            last |= known
        else:
            last = shown | {"files": []}
            self.figures.append(last)
        if path and len(last["files"]) < _MAX_FILES:
            last["files"].append(path)

    def _load_reader(self) -> Any:
        for name, spec in self._specs.items():
            if name not in sys.modules:
                # Not by name: the program has a search path of its own, on which this is not.
                assert spec and spec.loader
                sys.modules[name] = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(sys.modules[name])
        return sys.modules[_READER]

    def capture_figures(self, folder: str) -> list[str]:
        """Save the open figures that were never saved as figure-N.png; return their names."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        names: list[str] = []
        if pyplot is None:
            return names
        for number in pyplot.get_fignums()[:_MAX_FIGURES]:
            figure = pyplot.figure(number)
            if figure in self._saved:
                continue
            name = _free_name(folder, len(names) + 1)
            try:
                figure.savefig(f"{folder}/{name}", format="png", metadata={"Software": None})
            except Exception as error:  # whatever the figure holds, the program's result stands
                self._note(f"figure {number} could not be captured: {type(error).__name__}: {error}")
                break
            names.append(name)
        return names

    def begin(self, program: str) -> None:
        """Forget what a session's earlier run showed; the next program's file has this name."""
        self._program = program
        self._reader = None
        self.figures = []
        self.notes = []

    def close_figures(self) -> None:
        """Close what was captured, so that the session's next run draws anew."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is not None:
            pyplot.close("all")

    def _note(self, text: str) -> None:
        if len(self.notes) < _MAX_NOTES:
            self.notes.append(text[:500].encode(errors="replace").decode())


def install(program: str) -> LibraryHooks:
    """Put the hooks in front of the import system; the program's file has this name."""
    hooks = LibraryHooks(program)
    hooks.act_on_warm()
    sys.meta_path.insert(0, hooks)
    return hooks


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any] | None:
    """Return what two pictures of a figure show if that is the same, with the boxes of the one that has them."""
    if _unmeasured(one) != _unmeasured(other):
        return None
    if not (_has_boxes(one) and _has_boxes(other)):
        return other if _has_boxes(other) else one
    return one if one["axes"] == other["axes"] else None


def _unmeasured(figure: dict[str, Any]) -> dict[str, Any]:
    axes = [one | {"series": [series | {"boxes": []} for series in one["series"]]} for one in figure["axes"]]
    return {name: figure[name] for name in figure if name != "files"} | {"axes": axes}


def _has_boxes(figure: dict[str, Any]) -> bool:
    return any(series["boxes"] for axes in figure["axes"] for series in axes["series"])


def _free_name(folder: str, number: int) -> str:
    while os.path.lexists(f"{folder}/figure-{number}.png"):
        number += 1
    return f"figure-{number}.png"


def _path(file: object) -> str:
    """Return where a file lies within /work; empty for one elsewhere, or that is no path."""
    if not isinstance(file, str | os.PathLike):
        return ""
    path = os.path.abspath(os.fsdecode(file))  # noqa: PTH100 - a link is not to be followed
    return path.removeprefix("/work/")[:1000] if path.startswith("/work/") else ""
