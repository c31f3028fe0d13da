"""The engine that has a model write programs; they are reviewed and confined like any other code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from loupe.codegen.v1 import codegen_pb2 as pb
from loupe.type.v1.engine_pb2 import Engine, EngineStatus
from servers.codegen.checking import check_analysis
from servers.codegen.engines import builtin
from servers.codegen.engines.base import Written
from servers.codegen.engines.builtin import BuiltinCodeEngine
from servers.codegen.proposal import failure_in_words, problem_of, program_of, shown
from servers.kit.errors import MalformedAnswer
from servers.kit.models.asking import Limits, Unfit, ask, question
from servers.kit.models.base import ChatModel
from servers.kit.models.prompts import read_prompt
from servers.kit.models.stand_in import StandIn
from servers.kit.models.structured import as_data

_PROMPT = read_prompt("servers.codegen", "program")


class ModelCodeEngine:
    """A `CodeEngine` that asks a model; a plan that is a refusal needs none."""

    def __init__(self, model: ChatModel, limits: Limits, by_rule: BuiltinCodeEngine, *, falls_back: bool) -> None:
        self._model = model
        self._limits = limits
        self._by_rule = by_rule
        self._falls_back = falls_back
        self._stand_in = StandIn("codegen", model, builtin.IDENTITY if falls_back else None)

    async def start(self) -> None:
        """Start the model."""
        await self._stand_in.start()

    async def write(self, request: pb.GenerateCodeRequest) -> Written:
        """Return the model's program."""
        if request.analysis.refusal:
            return await self._by_rule.write(request)
        check_analysis(request.analysis, request.figures)
        task = f"<task>\n{as_data(shown(request.figures, request.analysis))}\n</task>\nWrite the program."
        return await self._stand_in.answer(lambda: self._ask(task), _standing_in(lambda: self._by_rule.write(request)))

    async def repair(self, request: pb.RepairCodeRequest) -> Written:
        """Return the model's program, changed."""
        if request.analysis.refusal:
            return await self._by_rule.repair(request)
        check_analysis(request.analysis, request.figures)
        task = (
            f"<task>\n{as_data(shown(request.figures, request.analysis))}\n</task>\n"
            f"```python\n{request.source}\n```\n"
            f"<failure>\n{as_data(failure_in_words(request))}\n</failure>\n"
            "The program failed as told. Write it anew, whole, without that fault."
        )

        async def asked() -> Written:
            if self._falls_back and request.repair_number > 1:
                raise MalformedAnswer("its program failed, and so did the one that it repaired")
            return await self._ask(task, request.source)

        return await self._stand_in.answer(asked, _standing_in(lambda: self._by_rule.repair(request)))

    async def status(self) -> EngineStatus:
        """Return how the model is."""
        return await self._stand_in.status()

    async def close(self) -> None:
        """Release the model."""
        await self._stand_in.close()

    async def _ask(self, task: str, failed: str = "") -> Written:
        def read(text: str) -> str:
            source = program_of(text)
            if problem := problem_of(source):
                raise Unfit(problem)
            if source == failed:
                raise Unfit("it is the program that failed, unchanged")
            return source

        answered = await ask(self._model, _PROMPT, question(_PROMPT, task, self._limits), read, self._limits)
        return Written(answered.value, answered.engine)


def _standing_in(write: Callable[[], Awaitable[Written]]) -> Callable[[Engine], Awaitable[Written]]:
    async def instead(engine: Engine) -> Written:
        return Written((await write()).source, engine)

    return instead
