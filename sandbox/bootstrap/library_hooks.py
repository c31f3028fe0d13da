"""What is done to numpy and matplotlib before a program uses them: at once where they are warm, else at their import.

numpy: every source of randomness starts from the run's seed, also generators made without one.
matplotlib: a figure that was saved is remembered, so that the unsaved ones can be captured at the end.
"""

import importlib.abc
import importlib.machinery
import os
import random
import sys
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any

_MAX_FIGURES = 100


class LibraryHooks(importlib.abc.MetaPathFinder):
    """Finds the few modules it acts on as Python would, and acts right after their import."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._saved: weakref.WeakSet[Any] = weakref.WeakSet()
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

        def print_and_remember(canvas: Any, *args: Any, **kwargs: Any) -> Any:
            saved.add(canvas.figure)
            return print_figure(canvas, *args, **kwargs)

        backend_bases.FigureCanvasBase.print_figure = print_and_remember

    def capture_figures(self, folder: str) -> tuple[list[str], list[str]]:
        """Save the open figures that were never saved as figure-N.png; return their names and what went wrong."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        names: list[str] = []
        if pyplot is None:
            return names, []
        for number in pyplot.get_fignums()[:_MAX_FIGURES]:
            figure = pyplot.figure(number)
            if figure in self._saved:
                continue
            name = _free_name(folder, len(names) + 1)
            try:
                figure.savefig(f"{folder}/{name}", format="png", metadata={"Software": None})
            except Exception as error:  # whatever the figure holds, the program's result stands
                return names, [f"figure {number} could not be captured: {type(error).__name__}: {error}"[:500]]
            names.append(name)
        return names, []


def install(seed: int) -> LibraryHooks:
    """Put the hooks in front of the import system."""
    hooks = LibraryHooks(seed)
    hooks.act_on_warm()
    sys.meta_path.insert(0, hooks)
    return hooks


def _free_name(folder: str, number: int) -> str:
    while os.path.lexists(f"{folder}/figure-{number}.png"):
        number += 1
    return f"figure-{number}.png"
