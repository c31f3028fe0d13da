"""Jobs whose workers are killed at random, from one seed, end as if none had been; `make soak` kills a hundred."""

from __future__ import annotations

from tests.bench.jobs_world import Backing
from tests.soak.jobs import Volume, soak_jobs


async def test_jobs_whose_workers_are_killed_at_random_end_as_undisturbed_and_leave_nothing(
    home, postgres, redis_server
):
    volume = Volume(kills=3, freezes=0, restarts=0, cancels=15, at_calls=(), workers=2, warm_up=15)
    soaked = await soak_jobs(home, Backing(postgres, redis_server), volume, seed=1)
    assert soaked.objections == []
    assert soaked.after == soaked.before


async def test_a_server_with_a_file_that_is_killed_between_steps_ends_its_jobs_as_undisturbed_and_leaves_nothing(home):
    # As a sample: its first reading, the run, and the last thing before its answer.
    volume = Volume(kills=1, freezes=0, restarts=1, cancels=10, at_calls=(2, 7, 15), warm_up=10)
    soaked = await soak_jobs(home, None, volume, seed=1)
    assert soaked.objections == []
    assert soaked.after == soaked.before
