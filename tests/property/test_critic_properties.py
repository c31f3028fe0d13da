"""What holds for every program and every set of findings."""

from __future__ import annotations

import ast
import re
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from loupe.critic.v1.critic_pb2 import Finding, Severity, Tool
from servers.critic.checkers.ast_policy import check_policy
from servers.critic.policy import Policy, load_policy
from servers.critic.program import Unparseable, parse
from servers.critic.review import combine
from tests.unit.critic_programs import HONEST, HOSTILE

findings = st.builds(
    Finding,
    tool=st.sampled_from([Tool.TOOL_POLICY, Tool.TOOL_RUFF, Tool.TOOL_BANDIT, Tool.TOOL_MODEL]),
    rule=st.sampled_from(["F821", "B102", "import-not-allowed"]),
    severity=st.sampled_from([Severity.SEVERITY_LOW, Severity.SEVERITY_HIGH]),
    is_blocking=st.booleans(),
    message=st.text(max_size=5),
    line=st.integers(0, 3),
    column=st.integers(0, 3),
)


@cache
def policy() -> Policy:
    return load_policy()


@given(st.lists(findings, max_size=30), st.lists(findings, max_size=30))
def test_more_findings_never_turn_a_denial_into_an_approval(few, more):
    before, after = combine("0" * 64, "v", few), combine("0" * 64, "v", [*few, *more])
    assert before.is_approved or not after.is_approved


@given(st.lists(findings, max_size=300))
def test_a_verdict_is_denied_exactly_if_it_shows_a_blocking_finding(some):
    verdict = combine("0" * 64, "v", some)
    assert verdict.is_approved == (not any(finding.is_blocking for finding in some))
    assert verdict.is_approved == (not any(finding.is_blocking for finding in verdict.findings))
    assert len(verdict.findings) <= 200


@given(st.lists(findings, max_size=30), st.randoms())
def test_the_order_in_which_findings_come_does_not_matter(some, random):
    shuffled = list(some)
    random.shuffle(shuffled)
    assert combine("0", "v", some).SerializeToString() == combine("0", "v", shuffled).SerializeToString()


@given(st.text(max_size=200) | st.text("()[]{}'\"#\\\n\r\t :=.@*,frb0aé", max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_is_judged_or_refused(text):
    try:
        program = parse(text)
    except Unparseable as refusal:
        assert refusal.finding.is_blocking
        assert refusal.finding.tool == Tool.TOOL_PARSER
    else:
        assert ast.dump(ast.parse(program.uncommented)) == ast.dump(program.tree)
        check_policy(program, policy())


def _policy_rules(source: str) -> set[str]:
    try:
        return {finding.rule for finding in check_policy(parse(source), policy())}
    except Unparseable as refusal:
        return {refusal.finding.rule}


# Inside a function such a name is local for good, and the program merely crashes.
_BINDS_EVAL = re.compile(r"\beval :?= |as eval\b|for eval\b")
_HOSTILE_TO_THE_POLICY = [
    (source, rule)
    for source, rule in HOSTILE
    if len(source) < 500 and rule in _policy_rules(source) and "\r" not in source
]


@given(st.sampled_from(_HOSTILE_TO_THE_POLICY), st.sampled_from(sorted(HONEST.values())), st.booleans())
@settings(max_examples=100, deadline=None)
def test_honest_code_around_a_hostile_program_does_not_hide_it(hostile, honest, is_nested):
    source, rule = hostile
    future = "from __future__ import annotations\n"
    honest = honest.replace(future, "").replace("\r\n", "\n")
    if rule in ("encoding", "syntax-error") or "global " in source:
        assert rule in _policy_rules(source)
    elif is_nested and "import *" not in source and not _BINDS_EVAL.search(source):
        body = "".join(f"    {line}\n" for line in source.split("\n"))
        assert rule in _policy_rules(f"{honest}\ndef nested():\n{body}")
    else:
        assert rule in _policy_rules(f"{honest}\n{source}\n")
