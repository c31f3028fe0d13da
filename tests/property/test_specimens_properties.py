"""What holds for every specimen: repeatable pictures of a bounded size, and a truth that can be read off them."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.specimens import KINDS, draw
from tests.specimens.degrade import degrade, degrade_hard
from tests.specimens.truth import TABLE, TrueFigure

_FEW = settings(max_examples=5, deadline=None)
_SEEDS = st.integers(min_value=0, max_value=10_000)


def _numbers(true: TrueFigure) -> list[float]:
    numbers = [value for column in true.values.values() for value in column.values()]
    numbers += [number for pairs in true.points.values() for pair in pairs for number in pair]
    numbers += [number for b in true.bins for number in (b.lower, b.upper, b.count)]
    for five in true.boxes.values():
        numbers += [five.lower_whisker, five.lower_quartile, five.median, five.upper_quartile, five.upper_whisker]
    if true.table is not None:
        numbers += [cell.number for cell in true.table.cells if cell.number is not None]
    return numbers


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_a_picture_and_its_truth(kind: str) -> None:
    specimen = draw(kind, 7)
    height, width, channels = specimen.rgb.shape
    assert specimen.rgb.dtype == np.uint8
    assert channels == 3
    assert 300 <= width <= 4000
    assert 60 <= height <= 5000
    assert specimen.rgb.std() > 1
    for true in specimen.truth:
        numbers = _numbers(true)
        assert numbers
        assert all(math.isfinite(number) for number in numbers)
        assert len(true.to_table()) >= 2
        assert 0 <= true.region.x_min < true.region.x_max <= 1
        assert 0 <= true.region.y_min < true.region.y_max <= 1


@_FEW
@given(kind=st.sampled_from(KINDS), seed=_SEEDS)
def test_the_same_seed_gives_the_same_bytes(kind: str, seed: int) -> None:
    one, other = draw(kind, seed), draw(kind, seed)
    assert one.rgb.tobytes() == other.rgb.tobytes()
    assert one.truth == other.truth


@_FEW
@given(kind=st.sampled_from([kind for kind in KINDS if kind.startswith("table")]), seed=_SEEDS)
def test_the_cells_of_a_true_table_cover_its_grid_once(kind: str, seed: int) -> None:
    for true in draw(kind, seed).truth:
        table = true.table
        assert true.kind == TABLE
        assert table is not None
        covered = [
            (row, column)
            for cell in table.cells
            for row in range(cell.row, cell.row + cell.row_span)
            for column in range(cell.column, cell.column + cell.column_span)
        ]
        assert sorted(covered) == [(r, c) for r in range(table.row_count) for c in range(table.column_count)]


@_FEW
@given(seed=_SEEDS)
def test_values_lie_on_the_axis_that_measures_them(seed: int) -> None:
    for kind in ("bar", "combo"):
        for true in draw(kind, seed).truth:
            for series, column in true.values.items():
                axis = true.axis_of(series)
                assert all(value <= axis.high + 1e-9 for value in column.values())


@_FEW
@given(seed=_SEEDS, hard=st.booleans())
def test_harm_is_repeatable_and_keeps_the_shape(seed: int, hard: bool) -> None:
    rgb = np.full((200, 340, 3), 255, dtype=np.uint8)
    rgb[50:150, 60:90] = (31, 119, 180)
    harm = degrade_hard if hard else degrade
    one, other = harm(rgb, Random(seed)), harm(rgb, Random(seed))
    assert one.tobytes() == other.tobytes()
    assert one.shape[1] / one.shape[0] == pytest.approx(340 / 200, rel=0.05)
    assert np.abs(one[2:12, 2:12].astype(int) - 255).mean() < 40
