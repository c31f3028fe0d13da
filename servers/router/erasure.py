"""An owner's erasure from the router: whatever is known of them in memory and on disk, and in calls in work."""

from __future__ import annotations

from servers.kit.ids import new_id
from servers.router.budgets import Budgets
from servers.router.cache import AnswerCache
from servers.router.ledger import Ledger
from servers.router.payers import Payers

_BATCH = 2000


class Erasure:
    """What knows of owners in one router."""

    def __init__(self, payers: Payers, cache: AnswerCache, ledger: Ledger, budgets: Budgets) -> None:
        self._payers = payers
        self._cache = cache
        self._ledger = ledger
        self._budgets = budgets

    async def erase(self, owner: str) -> None:
        """Take an owner's name, jobs and requests off everything; what was used stays on record, as nobody's.

        Safe to repeat: what an earlier call left undone is done.

        Raises:
          StorageUnavailable: the ledger's database or journal refuses, or another program reads from its file.
        """
        # Calls in work first: from here on none of them writes the name down, keeps an answer or opens an account.
        job_ids = self._payers.forget(owner)
        self._cache.forget(owner)
        await self._ledger.settle()
        erasure_id = new_id("erasure")
        while found := await self._ledger.erase_some(owner, erasure_id, _BATCH):
            job_ids.update(found)
        await self._ledger.forget_erased()
        # Last: they are read from the ledger, where this owner has nothing now.
        await self._budgets.forget(owner, job_ids)
