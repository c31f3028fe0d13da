"""What a use costs, in whole 1e-9 US dollars: exact, since prices have at most 3 decimals for a million tokens."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from loupe.router.v1.router_pb2 import Usage
from servers.router.configuration import NANO, ModelSection

_TOKENS_PRICED = 10**6
_S_PER_HOUR = 3600


@lru_cache(maxsize=1024)
def _per_token(price: Decimal) -> int:
    return int(price * NANO / _TOKENS_PRICED)


def cost_nano_usd(usage: Usage, model: ModelSection) -> int:
    """Return the cost of a use at a model's configured prices; accelerator time is rounded half to even."""
    cached_price = model.cached_input_usd_per_mtok
    cached = usage.cached_input_tokens if cached_price is not None else 0
    total = (usage.input_tokens - cached) * _per_token(model.input_usd_per_mtok)
    total += cached * _per_token(cached_price or Decimal(0))
    total += usage.output_tokens * _per_token(model.output_usd_per_mtok)
    if usage.gpu_s and model.gpu_usd_per_hour:
        gpu = Decimal(str(usage.gpu_s)) * model.gpu_usd_per_hour * NANO / _S_PER_HOUR
        total += int(gpu.to_integral_value(ROUND_HALF_EVEN))
    return total


def usd(nano: int) -> str:
    """Return an amount as the contract writes it: "0.000152400"."""
    return f"{nano // NANO}.{nano % NANO:09d}"
