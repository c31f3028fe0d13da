"""A transcription from its request to its answer: as a chat that doesn't stream, with a recording for a prompt."""

from __future__ import annotations

from loupe.router.v1.router_pb2 import TranscribeRequest, TranscribeResponse
from servers.router import ledger as outcomes
from servers.router.accounting import Accounts, counted
from servers.router.answering import error_of
from servers.router.cache import AnswerCache
from servers.router.decision import decision_of
from servers.router.dispatch import Ask, NobodyAnswered, first_answer, settle
from servers.router.fleet import Target
from servers.router.places import Place
from servers.router.preparing import Preparation, PreparedRecording
from servers.router.prices import usd
from servers.router.room import Room
from servers.router.shadows import Shadows, shadow_transcription


class Transcriptions:
    """Answers what is said in recordings."""

    def __init__(
        self, preparation: Preparation, accounts: Accounts, cache: AnswerCache, shadows: Shadows, room: Room
    ) -> None:
        self._preparation = preparation
        self._accounts = accounts
        self._cache = cache
        self._shadows = shadows
        self._room = room

    async def transcribe(self, request: TranscribeRequest) -> TranscribeResponse:
        """Return what is said, on record before it is returned; nobody's words are an empty text.

        Raises:
          UnsupportedMediaType, DamagedMedia, TooLarge, NotFound, DigestMismatch: of the recording.
          NotFound, NoCapableModel, BudgetExhausted, PolicyRefused, InvalidField, Overloaded, UpstreamUnavailable,
          StorageUnavailable.
        """
        audio = request.audio
        with self._room.held(audio.file.size_bytes if audio.HasField("file") else len(audio.content)):
            return await self._transcribe(request)

    async def _transcribe(self, request: TranscribeRequest) -> TranscribeResponse:
        prepared = await self._preparation.of_recording(request)
        if prepared.earlier is not None:
            return self._from_cache(prepared, prepared.earlier)
        call = prepared.call

        async def open_(target: Target, _place: Place) -> TranscribeResponse:
            return await target.model.at.provider.transcribe(prepared.request, target.model.section)

        with prepared.held:
            try:
                opened = await first_answer(prepared.choice.targets, prepared.switches, open_, call.asks)
            except NobodyAnswered as nobody:
                raise error_of(nobody.asks, "audio") from nobody
            finally:
                self._accounts.failed(call, prepared.request)
            await opened.place.give_back()
            ask, made = opened.ask, opened.value
            settle(ask)
            ask.target.model.measured(ask.duration_s)
            usage = counted(made.usage, prepared.request, ask.target.model, made.text)
            self._accounts.ended(call, ask, outcomes.COMPLETE, usage)
        made.usage.CopyFrom(usage)
        if prepared.cache_key is not None and prepared.choice.targets[0] is ask.target:
            self._cache.put(prepared.cache_key, call.payer.owner, made)
        made.call_id = call.call_id
        made.decision.CopyFrom(decision_of(prepared.choice, ask, call.asks, None, is_cache_hit=False))
        self._shadows.follow(prepared, shadow_transcription)
        return made

    def _from_cache(self, prepared: PreparedRecording, answer: TranscribeResponse) -> TranscribeResponse:
        """Return an earlier answer as this call's: it used nothing, and is on record."""
        ask = Ask(prepared.choice.targets[0], number=1)
        self._accounts.cache_hit(prepared.call, ask)
        answer.call_id = prepared.call.call_id
        answer.usage.cost_usd = usd(0)
        answer.decision.CopyFrom(decision_of(prepared.choice, ask, [], None, is_cache_hit=True))
        return answer
