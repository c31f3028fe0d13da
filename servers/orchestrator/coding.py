"""The nodes that make code and run it: write, repair, review, run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from loupe.codegen.v1.codegen_pb2 import GenerateCodeRequest, Program, RepairCodeRequest, RunFailure
from loupe.critic.v1.critic_pb2 import AuthorizeRunRequest, ReviewCodeRequest
from loupe.reasoning.v1.reasoning_pb2 import Action, CodeWritten, Observation, ReviewCode, RunCode, RunObserved
from loupe.sandbox.v1.sandbox_pb2 import Outcome
from loupe.type.v1.engine_pb2 import Engine
from servers.kit import wire_json
from servers.kit.errors import InternalError
from servers.kit.tokens import CodeClaims, sign_code_token
from servers.orchestrator import sandbox_run
from servers.orchestrator.costs import told_cost
from servers.orchestrator.job_view import JobView
from servers.orchestrator.peers import Peers, asking
from servers.orchestrator.record import Record
from servers.orchestrator.run_output import keep, take_answer

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_MOST_PROBLEM = 2000
"""Characters, of the contract."""


class Coding:
    """Code from its first line to what its run left."""

    def __init__(
        self, record: Record, peers: Peers, approval_key: Ed25519PrivateKey, *, max_artifact_bytes: int
    ) -> None:
        """Take the key that signs a person's approvals for the sandbox."""
        self._record = record
        self._peers = peers
        self._sign_approval = partial(sign_code_token, approval_key, issuer="orchestrator")
        self._max_artifact_bytes = max_artifact_bytes

    async def write(self, view: JobView) -> None:
        """Ask codegen for the program of an analysis."""
        assert view.pending is not None  # the route leads here with it
        request = GenerateCodeRequest(figures=view.figures, analysis=view.pending.write_code.analysis)
        with asking("codegen"):
            response = await self._peers.codegen.GenerateCode(request)
        await self._record.observe(view, _written(response.program, response.engine), told_cost(response))

    async def repair(self, view: JobView) -> None:
        """Ask codegen for a program without the failure."""
        code, verdict, run = view.code, view.verdict, view.run
        assert code is not None and verdict is not None  # what there is to repair was looked at in `decide`
        request = RepairCodeRequest(
            figures=view.figures, analysis=view.analysis, source=code.source, repair_number=view.repair_count + 1
        )
        if not verdict.is_approved or run is None:
            request.verdict.CopyFrom(verdict)
        else:
            request.run.CopyFrom(
                RunFailure(result=run.result, stderr_tail=run.stderr_tail, problem=run.problem[:_MOST_PROBLEM])
            )
        with asking("codegen"):
            response = await self._peers.codegen.RepairCode(request)
        await self._record.observe(view, _written(response.program, response.engine), told_cost(response))

    async def review(self, view: JobView) -> None:
        """Ask the critic for its verdict on the newest code."""
        code = _required(view)
        await self._record.begin(view, Action(review_code=ReviewCode(code_sha256=code.code_sha256)))
        with asking("critic"):
            response = await self._peers.critic.ReviewCode(ReviewCodeRequest(source=code.source))
        if response.verdict.code_sha256 != code.code_sha256:
            raise InternalError("the critic's verdict is on other code")
        await self._record.observe(view, Observation(verdict=response.verdict), told_cost(response))

    async def run(self, view: JobView) -> None:
        """Have the newest code signed for this very step and attempt, and run it in the sandbox.

        The critic signs, and a person's approval is signed beside it where there is one. A worker that takes the job
        over runs it under tokens of its own attempt; what an earlier attempt's run left is not on record, so it counts
        for nothing.
        """
        code = _required(view)
        sequence = await self._record.begin(view, Action(run_code=RunCode(code_sha256=code.code_sha256)))
        approval = view.approval_of(code.code_sha256)
        request = AuthorizeRunRequest(
            source=code.source,
            job_id=view.job_id,
            step=sequence,
            attempt=view.attempt,
            needs_approval=approval is not None,
        )
        with asking("critic"):
            authorized = await self._peers.critic.AuthorizeRun(request)
        claims = CodeClaims(
            code_sha256=code.code_sha256,
            policy_version=authorized.verdict.policy_version,
            job_id=view.job_id,
            step=sequence,
            attempt=view.attempt,
        )
        tokens = sandbox_run.Tokens(critic=authorized.token, approval=self._sign_approval(claims) if approval else "")
        inputs = {"chart.json": wire_json.to_document(view.figures).encode()}
        with asking("sandbox"):
            ran = await sandbox_run.run(
                self._peers.sandbox, code.source, tokens, inputs, max_artifact_bytes=self._max_artifact_bytes
            )
        observed = RunObserved(
            code_sha256=code.code_sha256,
            result=ran.result,
            stdout_tail=ran.stdout_tail,
            stderr_tail=ran.stderr_tail,
        )
        request_id = f"{view.job_id}.{view.attempt}.{sequence}"
        await keep(self._peers.files, ran.artifacts, observed, request_id=request_id)
        if ran.result.outcome == Outcome.OUTCOME_COMPLETED:
            observed.problem = take_answer(ran.artifacts, view, observed)
        await self._record.observe(view, Observation(run=observed), told_cost(authorized))


def _required(view: JobView) -> CodeWritten:
    if view.code is None:
        raise InternalError("there is no code to review or run")
    return view.code


def _written(program: Program, engine: Engine) -> Observation:
    return Observation(code=CodeWritten(source=program.source, code_sha256=program.sha256, engine=engine))
