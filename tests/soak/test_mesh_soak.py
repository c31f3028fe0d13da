"""A few processes of a whole mesh killed under jobs, from one seed; `make soak` kills each at each step."""

from __future__ import annotations

from tests.soak.mesh import Volume, soak_mesh


async def test_jobs_whose_servers_are_killed_end_as_undisturbed_and_leave_nothing(home):
    volume = Volume(
        kills=1,
        targets=("files", "orchestrator", "envoy"),
        boundaries=(9,),
        in_its_call=("sandbox",),
        without_consent=("critic",),
    )
    soaked = await soak_mesh(home, volume, seed=1)
    assert soaked.objections == []
    assert soaked.after == soaked.before
