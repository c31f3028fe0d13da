"""Bandit, in process."""

from __future__ import annotations

import io
import logging
import warnings
from importlib.metadata import version
from typing import Any, NoReturn

from loupe.critic.v1.critic_pb2 import Finding, Severity, Tool
from servers.critic.policy import BanditRules
from servers.critic.program import Program, shortened

VERSION = f"bandit {version('bandit')}"
# The "./" keeps bandit from looking for a package around it.
_FILE_NAME = "./program.py"
_SEVERITIES = {
    "LOW": Severity.SEVERITY_LOW,
    "MEDIUM": Severity.SEVERITY_MEDIUM,
    "HIGH": Severity.SEVERITY_HIGH,
}


class BanditFailed(Exception):
    """One of bandit's tests broke on a program, so the others prove nothing."""


class BanditScanner:
    """Bandit's tests, but for the ignored ones, with their default settings."""

    def __init__(self, rules: BanditRules) -> None:
        self._rules = rules
        # An output format that nobody asks for lacks a library of its own; a test that can't be loaded is still told.
        logging.getLogger("stevedore.extension").addFilter(lambda record: "'sarif'" not in record.getMessage())
        # Bandit's import takes a third of a second, warns about its own dependency, and replaces how warnings print.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            format_warning = warnings.formatwarning
            from bandit.core import config, meta_ast, metrics, node_visitor, test_set

            warnings.formatwarning = format_warning
        self._new_metrics = metrics.Metrics
        self._new_visitor = node_visitor.BanditNodeVisitor
        self._syntax = meta_ast.BanditMetaAst()
        self._tests = test_set.BanditTestSet(config.BanditConfig(), {"exclude": sorted(rules.ignored)})

    def scan(self, program: Program) -> list[Finding]:
        """Return bandit's findings.

        A test of bandit's that breaks is a blocking finding: bandit itself would log it and go on.
        """
        data = program.uncommented.encode()
        metrics = self._new_metrics()
        metrics.begin(_FILE_NAME)
        # No line is marked "nosec": the map of such lines stays empty, and comments are blanked besides.
        visitor = self._new_visitor(_FILE_NAME, io.BytesIO(data), self._syntax, self._tests, False, {}, metrics)
        visitor.tester.report_error = _fail
        try:
            visitor.process(data)
        except BanditFailed as error:
            return [_broken(str(error))]
        return [self._finding(program, issue) for issue in visitor.tester.results]

    def _finding(self, program: Program, issue: Any) -> Finding:
        span = program.span(issue.lineno, issue.col_offset, max(issue.linerange, default=0), issue.end_col_offset)
        return Finding(
            tool=Tool.TOOL_BANDIT,
            rule=issue.test_id,
            severity=_SEVERITIES.get(issue.severity, Severity.SEVERITY_HIGH),
            is_blocking=issue.test_id in self._rules.blocking,
            message=shortened(issue.text),
            line=span.line,
            column=span.column,
            end_line=span.end_line,
            end_column=span.end_column,
        )


def _fail(test: str, _context: object, error: Exception) -> NoReturn:
    raise BanditFailed(f"bandit's test {test} broke: {type(error).__name__}")


def _broken(message: str) -> Finding:
    return Finding(
        tool=Tool.TOOL_BANDIT,
        rule="broken-test",
        severity=Severity.SEVERITY_HIGH,
        is_blocking=True,
        message=shortened(message),
    )
