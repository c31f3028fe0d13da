"""Two hundred mixed runs from one seed leave nothing behind; `make soak` runs ten thousand."""

from __future__ import annotations

import pytest

from tests.soak.soak import soak


@pytest.mark.parametrize(("runner", "runs"), [("namespaces", 180), ("runsc", 20)])
async def test_mixed_runs_with_random_cancels_leave_nothing_behind(home, runner, runs):
    soaked = await soak(runner, home, runs=runs, seed=1, warm_up=runs // 5)
    assert soaked.objections == []
    assert soaked.cancelled_count > 0
    assert soaked.after == soaked.before
    assert soaked.growth_mib < 8
