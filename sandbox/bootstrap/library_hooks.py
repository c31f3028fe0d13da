"""What is done to numpy and matplotlib before a program uses them: at once where they are warm, else at their import.

numpy: every source of randomness starts from the run's seed, also generators made without one.
matplotlib: a figure that was saved is remembered, so that the unsaved ones can be captured at the end; what a figure
shows is read when it is saved or captured.
"""

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
_READER = "sandbox.bootstrap.figure_data"


class LibraryHooks(importlib.abc.MetaPathFinder):
    """Finds the few modules it acts on as Python would, and acts right after their import."""

    def __init__(self) -> None:
        self._seed = 0
        self._saved: weakref.WeakSet[Any] = weakref.WeakSet()
        self._reader: Any = None
        self._reader_spec = importlib.util.find_spec(_READER)
        self.figures: list[dict[str, Any]] = []
        """What each figure shows, with its "files" in /work, in the form of loupe.sandbox.v1.FigureData."""
        self.notes: list[str] = []
        """What went wrong with figures."""
        self._actions: dict[str, Callable[[Any], None]] = {
            "numpy.random": self._seed_numpy,
            "matplotlib.backend_bases": self._remember_saves,
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

    def _remember_saves(self, backend_bases: Any) -> None:
        print_figure = backend_bases.FigureCanvasBase.print_figure
        saved = self._saved

        def print_and_remember(canvas: Any, filename: Any, *args: Any, **kwargs: Any) -> Any:
            saved.add(canvas.figure)
            result = print_figure(canvas, filename, *args, **kwargs)
            self._read_figure(canvas.figure, _path(filename))
            return result

        backend_bases.FigureCanvasBase.print_figure = print_and_remember

    def _read_figure(self, figure: Any, path: str) -> None:
        """Note what a figure shows, now that it was drawn into a file; empty for one that is none of /work."""
        if len(self.figures) >= _MAX_FIGURES:
            return
        try:
            if self._reader is None:
                self._reader = self._load_reader().FigureReader()
            shown = self._reader.read(figure)
        except Exception as error:  # whatever the figure holds, the program goes on
            self._note(f"the numbers behind a figure could not be read: {type(error).__name__}: {error}")
            return
        last = self.figures[-1] if self.figures else None
        if last and shown == {name: last[name] for name in shown}:
            # The same once more, in another format.
            self._reader.give_back(shown)
        else:
            last = shown | {"files": []}
            self.figures.append(last)
        if path and len(last["files"]) < _MAX_FILES:
            last["files"].append(path)

    def _load_reader(self) -> Any:
        if _READER not in sys.modules:
            # Not by name: the program has a search path of its own, on which this is not.
            assert self._reader_spec and self._reader_spec.loader
            sys.modules[_READER] = importlib.util.module_from_spec(self._reader_spec)
            self._reader_spec.loader.exec_module(sys.modules[_READER])
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

    def begin(self) -> None:
        """Forget what a session's earlier run showed."""
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


def install() -> LibraryHooks:
    """Put the hooks in front of the import system."""
    hooks = LibraryHooks()
    hooks.act_on_warm()
    sys.meta_path.insert(0, hooks)
    return hooks


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
