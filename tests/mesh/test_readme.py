"""What the README shows is so: its commands run, and its demo's data is what the mesh reads."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
import pytest_asyncio

from tests.mesh.whole import WholeMesh, whole_mesh

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(module_home):
    async with whole_mesh(module_home) as made:
        yield made


async def shell(command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", command), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return out.decode()


async def test_the_rest_example_runs_and_ends_with_the_demos_answer_and_data(mesh: WholeMesh):
    [block] = [block for block in re.findall(r"```\n(.*?)```", README, flags=re.DOTALL) if block.startswith("KEY=")]
    here = block.replace("~/.loupe", str(mesh.home)).replace("127.0.0.1:8000", mesh.gateway.address)
    events = [json.loads(line) for line in (await shell(here)).splitlines()]
    final = events[-1]["step"]["answer"]
    assert final["answer"]["text"] == "Highest: “May” (540.7)."
    assert final["answer"]["text"] in README
    data = next(named["file"] for named in final["bundle"]["files"] if named["name"] == "data.csv")
    url = f"http://{mesh.gateway.address}/v1/files/{data['file_id']}/content"
    read = await shell(f'curl -sf -H "authorization: Bearer {mesh.key}" {url}')
    assert read == (ROOT / "docs" / "demo" / "data.csv").read_text()
    numbers = [line.rpartition(",")[2] for line in read.splitlines()[1:]]
    assert f"| read | {' | '.join(numbers)} |" in README


async def test_every_page_and_file_that_the_readme_names_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
