"""Courses through an image: the runs of ink in each column, and the path that follows one line through them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.picture.bounds import MOST_RUNS

Run = tuple[float, float, float, float]
"""Centre, top, bottom and ink of what a column holds between two stretches of paper."""

_INKED = 0.3  # coverage from which a pixel belongs to a run
_CORE = 0.45  # coverage that a run reaches somewhere
_RUNS_KEPT = 8  # of a column, those with the most ink
_JUMP_COST = 0.12  # per pixel of vertical gap between neighbouring columns
_GAP_COST = 0.35  # per column without ink
_TURN_COST = 0.02  # per pixel off the straight continuation: decides at crossings only
_MOST_TURN_PX = 8.0
_STEADY = 0.3  # weight of the newest column in a path's direction
_PATHS_ALIVE = 12


def column_runs(coverage: NDArray[np.float32]) -> list[list[Run]] | None:
    """Return the runs of ink by column, pixel centres at .5.

    Args:
      coverage: float32 [h, w], how much of each pixel the line covers, 0 to 1.
    None where columns hold more runs than a line and what crosses it leave.
    """
    columns = np.ascontiguousarray(coverage.T)
    edges = np.diff(np.pad(columns > _INKED, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    owner, begins = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    counts = np.bincount(owner, minlength=len(columns))
    if counts.any() and float(np.median(counts[counts > 0])) > MOST_RUNS:
        return None
    found: list[list[Run]] = [[] for _ in columns]
    for index, begin, end in zip(owner.tolist(), begins.tolist(), ends.tolist(), strict=True):
        column = columns[index]
        if float(column[begin:end].max()) < _CORE:
            continue
        a, b = max(0, begin - 1), min(len(column), end + 1)
        weight = column[a:b].astype(np.float64)
        ink = float(weight.sum())
        found[index].append((float((np.arange(a, b) + 0.5) @ weight / ink), float(begin), float(end), ink))
    return [runs if len(runs) <= _RUNS_KEPT else sorted(runs, key=lambda run: -run[3])[:_RUNS_KEPT] for runs in found]


def best_path(runs: Sequence[Sequence[Run]], width: float) -> list[int | None] | None:
    """Return the run chosen in each column (None where there is none): ink is followed, jumps and turns are few.

    Args:
      width: thickness of the line, pixels; runs much taller are crossings or steep stretches, which say no direction.
    Viterbi over the runs (Forney 1973); each state remembers the direction of its own path.
    """
    history: list[list[tuple[float, int, int]]] = []  # per column: (value, back column, back index)
    # value, column, index, top, bottom, then the last thin run's centre and column and the slope there
    alive: list[tuple[float, int, int, float, float, float, int, float]] = []
    thick = 1.6 * width + 1.5
    for column, here in enumerate(runs):
        entries: list[tuple[float, int, int]] = []
        fresh: list[tuple[float, int, int, float, float, float, int, float]] = []
        for index, (center, top, bottom, _) in enumerate(here):
            best, back_column, back_index, slope, y0, c0 = 0.0, -1, -1, 0.0, center, column
            is_thick = bottom - top > thick
            for state in alive:
                value = state[0] - _GAP_COST * (column - state[1] - 1)
                if value <= best:
                    continue
                gap = state[3] - bottom if state[3] > bottom else top - state[4]
                jump = gap - 1.5 * (column - state[1])
                if jump > 0.0:
                    value -= _JUMP_COST * jump
                expected = state[5] + state[7] * (column - state[6])
                off = max(top - expected, expected - bottom, 0.0) if is_thick else abs(center - expected)
                value -= _TURN_COST * min(off, _MOST_TURN_PX)
                if value > best:
                    best, back_column, back_index = value, state[1], state[2]
                    y0, c0, slope = state[5], state[6], state[7]
            if not is_thick and back_column >= 0:
                slope += _STEADY * ((center - y0) / (column - c0) - slope)
            if not is_thick:
                y0, c0 = center, column
            entries.append((best + 1.0, back_column, back_index))
            fresh.append((best + 1.0, column, index, top, bottom, y0, c0, slope))
        history.append(entries)
        alive = sorted([*fresh, *alive], key=lambda state: -(state[0] - _GAP_COST * (column - state[1])))
        del alive[_PATHS_ALIVE:]
    ends = [
        (value, column, index) for column, entries in enumerate(history) for index, (value, _, _) in enumerate(entries)
    ]
    if not ends:
        return None
    _, column, index = max(ends)
    path: list[int | None] = [None] * len(runs)
    while column >= 0:
        path[column] = index
        _, column, index = history[column][index]
    return path


def centered(chosen: Sequence[Run | None], width: float) -> NDArray[np.float64]:
    """Return the line's height in each column, NaN without ink; where another line crosses, straight through it.

    A run much taller than the line holds two lines, or a steep stretch of this one. Where the straight way between
    its neighbours stays inside, it is taken; else the middle.
    """
    y = np.array([np.nan if run is None else run[0] for run in chosen])
    tall = np.array([run is not None and run[2] - run[1] > 1.6 * width + 1.5 for run in chosen])
    begins = np.flatnonzero(np.diff(np.r_[False, tall].astype(np.int8)) == 1)
    ends = np.flatnonzero(np.diff(np.r_[tall, False].astype(np.int8)) == -1) + 1
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        if begin == 0 or end == len(y) or end - begin > 12 * width + 12 or np.isnan(y[begin - 1]) or np.isnan(y[end]):
            continue
        way = np.interp(np.arange(begin, end), [begin - 1, end], [y[begin - 1], y[end]])
        inside = [run is not None and run[1] <= at <= run[2] for run, at in zip(chosen[begin:end], way, strict=True)]
        if all(inside) and abs(y[end] - y[begin - 1]) < 2.0 * (end - begin):
            y[begin:end] = way
    return y
