"""What a use costs, in whole 1e-9 US dollars: tokens exact, since a million has at most 3 decimals."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

from loupe.router.v1.router_pb2 import Usage
from servers.router.configuration import NANO, ModelSection

_TOKENS_PRICED = 10**6
_S_PER_HOUR = 3600
_MS_PER_MINUTE = 60_000


class Prices:
    """A model's prices, in whole nano-dollars a token."""

    __slots__ = ("_audio_per_minute", "_cached", "_gpu_usd_per_hour", "_input", "_output")

    def __init__(self, model: ModelSection) -> None:
        self._input = _per_token(model.input_usd_per_mtok)
        self._output = _per_token(model.output_usd_per_mtok)
        cached = model.cached_input_usd_per_mtok
        self._cached = self._input if cached is None else _per_token(cached)
        self._gpu_usd_per_hour = model.gpu_usd_per_hour
        self._audio_per_minute = int(model.audio_usd_per_minute * NANO)

    def of_tokens(self, read: int, written: int) -> int:
        """Return the cost of so many tokens."""
        return read * self._input + written * self._output

    def of_audio(self, ms: int) -> int:
        """Return the cost of so much of a recording, rounded half to even."""
        whole, rest = divmod(ms * self._audio_per_minute, _MS_PER_MINUTE)
        return whole + (2 * rest > _MS_PER_MINUTE or (2 * rest == _MS_PER_MINUTE and whole % 2))

    def of(self, usage: Usage) -> int:
        """Return the cost of a use; accelerator time is rounded half to even."""
        total = self.of_tokens(usage.input_tokens, usage.output_tokens)
        total += usage.cached_input_tokens * (self._cached - self._input)
        if usage.gpu_s and self._gpu_usd_per_hour:
            gpu = Decimal(str(usage.gpu_s)) * self._gpu_usd_per_hour * NANO / _S_PER_HOUR
            total += int(gpu.to_integral_value(ROUND_HALF_EVEN))
        if self._audio_per_minute:
            total += self.of_audio(audio_ms(usage))
        return total


def audio_ms(usage: Usage) -> int:
    """Return the time of a recording as the ledger counts it."""
    return round(usage.audio_s * 1000)


def _per_token(price: Decimal) -> int:
    return int(price * NANO / _TOKENS_PRICED)


def usd(nano: int) -> str:
    """Return an amount as the contract writes it: "0.000152400"."""
    return f"{nano // NANO}.{nano % NANO:09d}"
