"""What the gateway reads from the contracts."""

from __future__ import annotations

import re

import pytest

from gateway.envoy.contracts import ContractMismatch, RestRule, Rpc, read_rpcs
from servers.kit.services import SERVICES


@pytest.mark.parametrize(
    ("template", "taken", "left"),
    [
        ("/v1/jobs", ["/v1/jobs"], ["/v1/jobs/", "/v1/jobs:run", "/v2/jobs"]),
        ("/v1/jobs/{job_id}", ["/v1/jobs/job_1"], ["/v1/jobs", "/v1/jobs/job_1:watch", "/v1/jobs/a/b"]),
        ("/v1/jobs/{job_id}:watch", ["/v1/jobs/job_1:watch"], ["/v1/jobs/job_1", "/v1/jobs/:watch"]),
        ("/v1/{name=files/*}/content", ["/v1/files/f1/content"], ["/v1/f1/content", "/v1/files/a/b/content"]),
        ("/v1/{name=files/**}", ["/v1/files/a/b"], ["/v1/files"]),
        ("/v1.x/a", ["/v1.x/a"], ["/v1_x/a"]),
    ],
)
def test_a_path_template_takes_its_paths_and_no_others(template: str, taken: list[str], left: list[str]) -> None:
    pattern = re.compile(RestRule("GET", template).path_regex)

    assert [path for path in taken if pattern.fullmatch(path)] == taken
    assert [path for path in left if pattern.fullmatch(path)] == []


def test_an_rpc_carries_its_server_its_streams_and_its_rest_rule() -> None:
    rpcs = {rpc.path.rpartition("/")[2]: rpc for rpc in read_rpcs(SERVICES)}

    assert rpcs["WatchJob"] == Rpc(
        server="orchestrator",
        path="/loupe.orchestrator.v1.OrchestratorService/WatchJob",
        client_streams=False,
        server_streams=True,
        rules=(RestRule("GET", "/v1/jobs/{job_id}:watch"),),
    )
    assert rpcs["DeleteFile"].rules == (RestRule("DELETE", "/v1/files/{file_id}"),)
    assert rpcs["UploadFile"].streams
    assert not rpcs["GetFile"].streams


def test_an_rpc_without_a_rest_rule_has_none() -> None:
    (run_code,) = (rpc for rpc in read_rpcs(SERVICES) if rpc.path.endswith("/RunCode"))

    assert run_code.rules == ()


def test_a_contract_without_a_service_stops_the_build() -> None:
    without_files = [service for service in SERVICES if service.name != "files"]

    with pytest.raises(ContractMismatch, match=r"loupe\.files\.v1\.FilesService"):
        read_rpcs(without_files)
