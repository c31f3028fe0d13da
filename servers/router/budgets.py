"""Hard limits on money and tokens, held in memory beside the ledger that they are read from at start.

A call is let in while what is spent, and what calls in work are expected to spend, is below the limit: one call may
overshoot it, the next is refused.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement

from loupe.router.v1.router_pb2 import Budget, BudgetScope, BudgetWindow
from servers.kit.errors import BudgetExhausted
from servers.router.configuration import NANO, BudgetSection
from servers.router.journal import LedgerRow
from servers.router.ledger import STARTED, Ledger
from servers.router.payers import Payer
from servers.router.prices import usd
from servers.router.tables import ASKS

MAX_KNOWN = 10_000
"""Accounts kept in memory; the longest unused goes and is summed again when it is asked for."""
_SCOPES = {
    "all": BudgetScope.BUDGET_SCOPE_ALL,
    "key": BudgetScope.BUDGET_SCOPE_KEY,
    "job": BudgetScope.BUDGET_SCOPE_JOB,
    "model": BudgetScope.BUDGET_SCOPE_MODEL,
}
_WINDOWS = {
    "day": BudgetWindow.BUDGET_WINDOW_DAY,
    "month": BudgetWindow.BUDGET_WINDOW_MONTH,
    "ever": BudgetWindow.BUDGET_WINDOW_EVER,
}


@dataclass(slots=True)
class Account:
    """What is spent of one budget by one of those it holds for, in one window."""

    limit_nano_usd: int | None
    limit_tokens: int | None
    nano_usd: int
    tokens: int
    expected_nano_usd: int = 0
    expected_tokens: int = 0

    def add(self, row: LedgerRow) -> None:
        """Add an ask that has ended."""
        self.nano_usd += row.cost_nano_usd
        self.tokens += row.input_tokens + row.output_tokens

    def is_empty(self) -> bool:
        """Return whether nothing is spent, and nothing expected to be."""
        return not (self.nano_usd or self.tokens or self.expected_nano_usd or self.expected_tokens)

    def is_spent(self) -> bool:
        """Return whether a limit is reached by what is spent."""
        return (self.limit_nano_usd is not None and self.nano_usd >= self.limit_nano_usd) or (
            self.limit_tokens is not None and self.tokens >= self.limit_tokens
        )

    def is_taken(self) -> bool:
        """Return whether a limit is reached by what is spent, and what calls in work are expected to spend."""
        return (self.limit_nano_usd is not None and self.nano_usd + self.expected_nano_usd >= self.limit_nano_usd) or (
            self.limit_tokens is not None and self.tokens + self.expected_tokens >= self.limit_tokens
        )


class Spender(NamedTuple):
    """Whose account a call goes to."""

    payer: Payer | LedgerRow
    models: tuple[str, ...]
    """Names of the models that may answer."""


class Budgets:
    """The configured budgets."""

    def __init__(self, sections: Sequence[BudgetSection], ledger: Ledger) -> None:
        self._sections = tuple(sections)
        self._windows = _Windows()
        self._ledger = ledger
        self._accounts: OrderedDict[tuple[str, str, int], Account] = OrderedDict()
        self._summing = asyncio.Lock()

    async def admit(self, spender: Spender, nano_usd: int, tokens: int) -> Reservation:
        """Let a call in that is expected to use so much. Raises BudgetExhausted."""
        accounts = []
        for section in self._sections:
            account = await self._account(section, spender)
            if account is None:
                continue
            accounts.append(account)
            if account.is_taken():
                is_spent = account.is_spent()
                how = "spent" if is_spent else "taken by calls in work"
                message = f"the budget {section.name} is {how}: {_told(section, account)}"
                raise BudgetExhausted(message, retry_after_s=None if is_spent else 1.0)
        return Reservation(accounts, nano_usd, tokens)

    def charge(self, row: LedgerRow) -> None:
        """Add a row of the ledger to the accounts it falls to."""
        for section in self._sections:
            key = _key(section, Spender(row, (row.model,)))
            if key is None:
                continue
            account = self._accounts.get((section.name, key, self._windows.start_ms(section.window)))
            # An account that isn't in memory is summed from the ledger when it is asked for, this row included.
            if account is not None:
                account.add(row)

    async def list_for(self, payer: Payer) -> list[Budget]:
        """Return the budgets as they stand for who would pay for a call."""
        listed = []
        for section in self._sections:
            models = (section.model,) if section.scope == "model" else ()
            account = await self._account(section, Spender(payer, models))
            if account is None:
                continue
            budget = Budget(
                name=section.name,
                scope=_SCOPES[section.scope],
                window=_WINDOWS[section.window],
                spent_usd=usd(account.nano_usd),
                spent_tokens=account.tokens,
                is_exhausted=account.is_spent(),
            )
            if account.limit_nano_usd is not None:
                budget.limit_usd = usd(account.limit_nano_usd)
            if section.limit_tokens is not None:
                budget.limit_tokens = section.limit_tokens
            listed.append(budget)
        return listed

    async def forget(self, owner: str, job_ids: Collection[str]) -> None:
        """Drop the accounts of an owner and of jobs that the ledger no longer knows; others stay as they are.

        An account of theirs that is asked for anew begins with what the ledger has then. The accounts of everybody and
        of models have all that was spent, whoever spent it.
        """
        scopes = {section.name: section.scope for section in self._sections}
        # Behind those who read an account just now, or wait to: they may have begun when the owner had a name.
        async with self._summing:
            for place, account in tuple(self._accounts.items()):
                name, key, _ = place
                is_theirs = scopes[name] == "key" and key == owner
                # A job of theirs of which nothing is on record has an empty account, and no call in work.
                is_of_job = scopes[name] == "job" and (key in job_ids or account.is_empty())
                if is_theirs or is_of_job:
                    del self._accounts[place]

    async def _account(self, section: BudgetSection, spender: Spender) -> Account | None:
        """Return the account, summed from the ledger where it isn't in memory; None where the budget doesn't apply."""
        key = _key(section, spender)
        if key is None:
            return None
        start_ms = self._windows.start_ms(section.window)
        place = (section.name, key, start_ms)
        known = self._accounts.get(place)
        if known is not None:
            self._accounts.move_to_end(place)
            return known
        where: list[ColumnElement[bool]] = [ASKS.c.start_time_ms >= start_ms]
        if section.scope != "all":
            column = {"key": ASKS.c.owner, "job": ASKS.c.job_id, "model": ASKS.c.model}[section.scope]
            where.append(column == key)
        async with self._summing:
            if place in self._accounts:  # another call was as fast
                return self._accounts[place]
            (row,) = await self._ledger.sums((), where, 1)
        account = Account(
            None if section.limit_usd is None else int(section.limit_usd * NANO),
            section.limit_tokens,
            int(row["cost_nano_usd"]),
            int(row["input_tokens"]) + int(row["output_tokens"]),
        )
        for waiting in self._ledger.waiting:
            if waiting.outcome != STARTED and _key(section, Spender(waiting, (waiting.model,))) == key:
                account.add(waiting)
        self._accounts[place] = account
        if len(self._accounts) > MAX_KNOWN:
            self._forget_one()
        return account

    def _forget_one(self) -> None:
        for place, account in self._accounts.items():
            if not account.expected_tokens and not account.expected_nano_usd:
                del self._accounts[place]
                return


@dataclass(slots=True)
class Reservation:
    """What a call in work is expected to spend; it counts while a `with` of it runs."""

    accounts: Sequence[Account]
    nano_usd: int
    tokens: int

    def __enter__(self) -> None:
        for account in self.accounts:
            account.expected_nano_usd += self.nano_usd
            account.expected_tokens += self.tokens

    def __exit__(self, *_error: object) -> None:
        for account in self.accounts:
            account.expected_nano_usd -= self.nano_usd
            account.expected_tokens -= self.tokens


def _key(section: BudgetSection, spender: Spender) -> str | None:
    match section.scope:
        case "key":
            return spender.payer.owner or None
        case "job":
            return spender.payer.job_id or None
        case "model":
            return section.model if section.model in spender.models else None
    return ""


def _told(section: BudgetSection, account: Account) -> str:
    parts = []
    if account.limit_nano_usd is not None:
        parts.append(f"{usd(account.nano_usd)} of {usd(account.limit_nano_usd)} USD")
    if section.limit_tokens is not None:
        parts.append(f"{account.tokens} of {section.limit_tokens} tokens")
    return ", ".join(parts) + {"day": " today", "month": " this month", "ever": ""}[section.window]


class _Windows:
    """When the running windows began; reckoned once a day."""

    def __init__(self) -> None:
        self._ends_s = 0.0
        self._starts_ms: dict[str, int] = {"ever": 0}

    def start_ms(self, window: str) -> int:
        """Return the start, in milliseconds since 1970."""
        if window != "ever" and time.time() >= self._ends_s:
            midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            self._ends_s = (midnight + timedelta(days=1)).timestamp()
            self._starts_ms["day"] = int(midnight.timestamp() * 1000)
            self._starts_ms["month"] = int(midnight.replace(day=1).timestamp() * 1000)
        return self._starts_ms[window]
