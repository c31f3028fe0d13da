"""What the critic approves, what it denies and by which rule."""

from __future__ import annotations

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import pytest_asyncio

from loupe.critic.v1.critic_pb2 import Finding, Severity, Tool
from servers.critic.checkers import bandit, ruff
from servers.critic.checkers.ast_policy import check_policy
from servers.critic.policy import load_policy
from servers.critic.program import Program, parse
from servers.critic.review import InThread, Reviewer, combine, policy_version
from servers.kit.errors import NotReady
from tests.unit.critic_programs import CHART_ANALYSIS, HONEST, HOSTILE

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ruff_server():
    server = ruff.RuffServer(load_policy().data.ruff, timeout_s=30)
    await server.start()
    yield server
    await server.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def checkers(ruff_server):
    policy = load_policy()
    with ThreadPoolExecutor(1) as executor:
        judge = InThread(partial(check_policy, policy=policy), executor)
        yield judge, ruff_server, InThread(bandit.BanditScanner(policy.data.bandit).scan, executor)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def executor():
    with ThreadPoolExecutor(1) as threads:
        yield threads


@pytest.fixture
def reviewer(checkers, executor):
    version = policy_version(load_policy().version, (ruff.VERSION, bandit.VERSION))
    return Reviewer(version, checkers, executor, timeout_s=60)


@pytest.mark.parametrize("name", HONEST)
async def test_an_honest_program_is_approved_without_a_finding(reviewer, name):
    verdict = await reviewer.review(HONEST[name])
    assert verdict.is_approved, verdict
    assert not verdict.findings


@pytest.mark.parametrize(("source", "rule"), HOSTILE, ids=[repr(source[:60]) for source, _ in HOSTILE])
async def test_a_hostile_program_is_denied_by_the_expected_rule(reviewer, source, rule):
    verdict = await reviewer.review(source)
    assert not verdict.is_approved
    assert rule in {finding.rule for finding in verdict.findings if finding.is_blocking}, verdict


async def test_the_same_source_gives_the_same_bytes(checkers, executor):
    verdicts = []
    for _ in range(2):
        reviewer = Reviewer("v", checkers, executor, timeout_s=60)
        verdicts.append([(await reviewer.review(source)).SerializeToString() for source, _ in HOSTILE[:60]])
    assert verdicts[0] == verdicts[1]


async def test_a_verdict_names_the_digest_and_everything_that_judged(reviewer):
    verdict = await reviewer.review("print(1)\n")
    assert verdict.code_sha256 == "cc42155088fca5730758db72b2a5bca33112a941dfaa2d43098ec422ce4ea213"
    assert verdict.policy_version.startswith("policy 1.")
    assert "; bandit 1.9.4; ruff 0.17.5" in verdict.policy_version


async def test_a_finding_says_where_in_code_points(reviewer):
    verdict = await reviewer.review("é = 'ü'; import os\n")
    (finding,) = verdict.findings
    assert finding == Finding(
        tool=Tool.TOOL_POLICY,
        rule="import-not-allowed",
        severity=Severity.SEVERITY_HIGH,
        is_blocking=True,
        message="os may not be imported",
        line=1,
        column=10,
        end_line=1,
        end_column=19,
    )


async def test_a_label_that_reads_like_a_path_is_a_remark_and_no_denial(reviewer):
    verdict = await reviewer.review("disks = ['/var/log', '/home/ann']\nprint(disks)\n")
    assert verdict.is_approved
    assert [(finding.rule, finding.is_blocking) for finding in verdict.findings] == [("system-path", False)] * 2


async def test_findings_are_ordered_by_line_column_tool_and_rule(reviewer):
    verdict = await reviewer.review("import subprocess\nimport os\nprint(nothing, eval('1'))\n")
    places = [(finding.line, finding.column, finding.tool, finding.rule) for finding in verdict.findings]
    assert places == [
        (1, 1, Tool.TOOL_POLICY, "import-not-allowed"),
        (1, 1, Tool.TOOL_BANDIT, "B404"),
        (2, 1, Tool.TOOL_POLICY, "import-not-allowed"),
        (3, 7, Tool.TOOL_RUFF, "F821"),
        (3, 16, Tool.TOOL_POLICY, "call-not-allowed"),
        (3, 16, Tool.TOOL_BANDIT, "B307"),
    ]


@pytest.mark.parametrize(
    "comment",
    ["# noqa", "# noqa: F821,B307", "# nosec", "# nosec B307", "# type: ignore", "# ruff: noqa", "# flake8: noqa"],
)
async def test_no_comment_silences_a_tool(reviewer, comment):
    bare = await reviewer.review("\nprint(nothing)\neval('1')\n")
    with_comment = await reviewer.review(f"{comment}\nprint(nothing)  {comment}\neval('1')  {comment}\n")
    assert [finding.rule for finding in bare.findings] == ["F821", "call-not-allowed", "B307"]
    assert list(with_comment.findings) == list(bare.findings)


async def test_a_thousand_findings_are_cut_and_still_deny(reviewer):
    verdict = await reviewer.review("eval('1')\n" * 5000)
    assert not verdict.is_approved
    assert len(verdict.findings) == 200
    assert verdict.ByteSize() < 100_000
    assert [finding.rule for finding in verdict.findings if not finding.line] == ["findings-left-out"]


async def test_more_diagnostics_than_can_be_read_are_a_denial_and_ruff_comes_back(reviewer):
    verdict = await reviewer.review("a\n" * 12_000)
    assert [finding.rule for finding in verdict.findings] == ["too-many-findings"]
    assert (await reviewer.review("print(2)")).is_approved


async def test_a_name_as_long_as_the_program_does_not_make_a_long_verdict(reviewer):
    verdict = await reviewer.review(f"import {'a' * 250_000}")
    assert not verdict.is_approved
    assert verdict.ByteSize() < 2_000


async def test_a_killed_ruff_is_started_again(checkers, executor, ruff_server):
    reviewer = Reviewer("v", checkers, executor, timeout_s=60)
    before = ruff_server.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    assert not (await reviewer.review("print(nothing)")).is_approved
    assert ruff_server.pid not in (None, before)
    os.kill(ruff_server.pid, signal.SIGKILL)
    assert (await reviewer.review("print(3)")).is_approved


class Answering:
    """A checker with a fixed answer, or a fixed failure."""

    def __init__(self, answer):
        self.answer = answer

    async def check(self, program: Program):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_a_checker_that_is_down_leaves_no_verdict(checkers, executor):
    reviewer = Reviewer("v", [*checkers, Answering(NotReady("ruff is missing"))], executor, timeout_s=60)
    for _ in range(2):
        with pytest.raises(NotReady, match="ruff is missing"):
            await reviewer.review("print(1)")


async def test_a_checker_that_breaks_leaves_no_verdict(checkers, executor):
    reviewer = Reviewer("v", [*checkers, Answering(ZeroDivisionError())], executor, timeout_s=60)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await reviewer.review("print(1)")


async def test_a_review_that_takes_too_long_leaves_no_verdict(checkers, executor):
    reviewer = Reviewer("v", checkers, executor, timeout_s=0.000001)
    with pytest.raises(NotReady, match="the review took more than"):
        await reviewer.review(CHART_ANALYSIS)


async def test_a_models_finding_denies_what_the_tools_approve(checkers, executor):
    objection = Finding(tool=Tool.TOOL_MODEL, rule="doubt", is_blocking=True, message="sums the wrong column")
    reviewer = Reviewer("v", [*checkers, Answering([objection])], executor, timeout_s=60)
    verdict = await reviewer.review("print(1)")
    assert not verdict.is_approved
    assert list(verdict.findings) == [objection]


async def test_a_missing_ruff_is_not_ready_and_says_so(tmp_path):
    server = ruff.RuffServer(load_policy().data.ruff, timeout_s=5, binary=tmp_path / "ruff")
    with pytest.raises(NotReady, match=re.escape("reinstall ruff==0.17.5")):
        await server.start()
    await server.close()


@pytest.mark.parametrize(
    "script",
    [
        "#!/bin/sh\nexit 0\n",
        "#!/bin/sh\ncat > /dev/null\n",
        "#!/bin/sh\nprintf 'Content-Length: 2\\r\\n\\r\\n{}'\ncat > /dev/null\n",
    ],
    ids=["it exits", "it is mute", "it talks nonsense"],
)
async def test_a_ruff_that_does_not_work_approves_nothing(tmp_path, script):
    binary = tmp_path / "ruff"
    binary.write_text(script)
    binary.chmod(0o700)
    server = ruff.RuffServer(load_policy().data.ruff, timeout_s=0.5, binary=binary)
    with pytest.raises(NotReady, match="ruff does not work"):
        await server.start()
    await server.close()


async def test_no_configuration_file_reaches_ruff(tmp_path, monkeypatch):
    for folder in (tmp_path, tmp_path / "ruff"):
        folder.mkdir(exist_ok=True)
        (folder / "ruff.toml").write_text('exclude = ["*"]\n[lint]\nignore = ["ALL"]\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("RUFF_CONFIG", str(tmp_path / "ruff.toml"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server = ruff.RuffServer(load_policy().data.ruff, timeout_s=30)
    await server.start()
    await server.close()


async def test_a_bandit_test_that_breaks_denies(monkeypatch):
    scanner = bandit.BanditScanner(load_policy().data.bandit)

    def broken(context):
        raise KeyError("x")

    monkeypatch.setattr(broken, "_test_id", "B999", raising=False)
    monkeypatch.setattr(scanner._tests, "get_tests", lambda checktype: [broken])
    (finding,) = scanner.scan(parse("print(1)"))
    assert (finding.rule, finding.is_blocking) == ("broken-test", True)


async def test_the_version_changes_with_the_data_and_the_tools():
    assert policy_version("1.abc", ("ruff 2", "bandit 1")) == "policy 1.abc; python 3.11; bandit 1; ruff 2"


async def test_the_same_finding_of_one_tool_is_shown_once():
    twice = [Finding(tool=Tool.TOOL_RUFF, rule="F821", is_blocking=True, line=1, column=1)] * 2
    assert len(combine("0" * 64, "v", twice).findings) == 1
