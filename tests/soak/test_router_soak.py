"""Some seconds of the router's mixed load; `make soak` runs half an hour."""

from __future__ import annotations

from tests.soak.router import soak


async def test_a_mixed_load_comes_to_what_it_must_and_leaves_no_file_open(home):
    soaked = await soak(home, for_s=4, seed=1)
    assert soaked.objections == []
    assert len(soaked.calls) == 7
    assert soaked.files_after <= soaked.files_before + 2
