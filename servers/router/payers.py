"""For whom the calls in work are made: known for as long as nobody erases them."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakSet

from servers.kit import identity

NOBODY = ""
"""The owner of a call whose owner was erased, in work and on record. No caller has this name."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class Payer:
    """Who a call is put down to. It may become nobody while the call is in work: read it when it is needed."""

    owner: str
    service: str
    """The server that calls on the owner's behalf; empty where the owner calls."""
    job_id: str
    request_id: str

    @property
    def is_known(self) -> bool:
        """Whether it was not erased."""
        return self.owner != NOBODY

    def forget(self) -> None:
        """Leave nothing that points to the owner."""
        self.owner, self.job_id, self.request_id = NOBODY, "", ""


class Payers:
    """Those of the calls in work, streams and shadows included, and of nothing that has ended."""

    def __init__(self) -> None:
        self._in_work: WeakSet[Payer] = WeakSet()

    def of_call(self, job_id: str) -> Payer:
        """Return the payer of the running call."""
        caller = identity.caller()
        payer = Payer(caller.subject, caller.service, job_id, identity.request_id())
        self._in_work.add(payer)
        return payer

    def forget(self, owner: str) -> set[str]:
        """Make an owner's calls in work nobody's, so that none of them brings the owner back; return their jobs."""
        found = [payer for payer in self._in_work if payer.owner == owner]
        job_ids = {payer.job_id for payer in found if payer.job_id}
        for payer in found:
            payer.forget()
        return job_ids
