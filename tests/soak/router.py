"""The router under a mixed load for a long time, with its logs on: `python -m tests.soak.router --minutes 30`.

Whole answers, streams, schemas, prompts that are too long, callers who leave, providers that break: what each must come
to is checked, and the router's memory and open files at the end are held against those after the warm-up.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import mean

from loupe.router.v1.router_pb2 import EndState
from servers.kit.channels import ServiceTokens, open_channel
from servers.kit.errors import ContextTooLong, DeadlineExceeded, LoupeError, Overloaded, UpstreamUnavailable
from servers.kit.keys import KeyFolder
from servers.kit.models.routed import RoutedModel
from tests.conformance.asking import heard, question, to_schema
from tests.conformance.fault_proxy import Fault, FaultProxy, fault_proxy
from tests.conformance.rigs import act
from tests.conformance.servers import word_server
from tests.running import running

CALLERS = 16
# Allocators keep some, and so does a cache; a leak of 100 bytes a call would be 15 MiB in half an hour.
GROWTH_MIB = 6.0
_WARM_UP_SHARE = 0.2
_SAMPLE_S = 1.0
_FAULTS = (
    Fault("cut", "event"),
    Fault("cut", "head"),
    Fault("stall", "event"),
    Fault("garbage", 0),
    Fault("429", 0),
    Fault("bad chunk", "body"),
)
_SCHEMA = '{"type": "object", "properties": {"month": {"type": "string"}}, "required": ["month"]}'
_PROVIDER = """
[[providers]]
name = "{name}"
kind = "openai"
base_url = "http://127.0.0.1:{port}/v1"
first_token_timeout_s = {first_token_s}
stall_timeout_s = {stall_s}
[[providers.models]]
name = "{name}"
json_schema = true
"""


@dataclass
class Soaked:
    """What came of it."""

    calls: Counter[str] = field(default_factory=Counter)
    objections: list[str] = field(default_factory=list)
    took_s: float = 0.0
    memory_mib: list[float] = field(default_factory=list)
    """A sample a second, of what the router has written to."""
    files_before: int = 0
    files_after: int = 0
    log_bytes: int = 0

    @property
    def growth_mib(self) -> float:
        """The mean of the last quarter over that of the quarter after the warm-up."""
        kept = self.memory_mib[int(len(self.memory_mib) * _WARM_UP_SHARE) :]
        quarter = max(len(kept) // 4, 1)
        return mean(kept[-quarter:]) - mean(kept[:quarter])


async def soak(home: Path, *, for_s: float, seed: int) -> Soaked:
    """Call the router for so long."""
    soaked = Soaked()
    act()
    server = word_server(home)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.kill)
        await server.start()
        sound = await stack.enter_async_context(fault_proxy("127.0.0.1", server.port))
        broken = await stack.enter_async_context(fault_proxy("127.0.0.1", server.port))
        # A sound provider is never late, however busy the machine: its timeouts are not what is tried here.
        (home / "router.toml").write_text(
            _PROVIDER.format(name="sound", port=sound.port, first_token_s=60.0, stall_s=60.0)
            + _PROVIDER.format(name="broken", port=broken.port, first_token_s=2.0, stall_s=0.5)
        )
        router = await stack.enter_async_context(running("router", home))
        channel = open_channel(router.address, "router", ServiceTokens("reasoning", KeyFolder(home / "keys")))
        stack.push_async_callback(channel.close)
        mix = _Mix(RoutedModel(channel, "sound"), RoutedModel(channel, "broken"), broken, soaked)
        for call in mix.calls:  # each once, so that everything is imported
            await call(Random(seed))
        soaked.files_before = await _idle_files(router.process.pid)
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            callers = [group.create_task(mix.call(Random(seed * 1000 + number))) for number in range(CALLERS)]
            while time.monotonic() - began < for_s:
                await asyncio.sleep(_SAMPLE_S)
                soaked.memory_mib.append(_written_mib(router.process.pid))
            mix.is_over = True
            await asyncio.wait(callers)
        soaked.took_s = time.monotonic() - began
        soaked.files_after = await _idle_files(router.process.pid, soaked.files_before)
        soaked.log_bytes = router.log.stat().st_size
    return soaked


class _Mix:
    """Calls, drawn by chance, each with what it must come to."""

    def __init__(self, sound: RoutedModel, broken: RoutedModel, proxy: FaultProxy, soaked: Soaked) -> None:
        self.is_over = False
        self._sound = sound
        self._broken = broken
        self._proxy = proxy
        self._soaked = soaked
        self.calls: tuple[Callable[[Random], Awaitable[None]], ...] = (
            self.whole,
            self.stream,
            self.schema,
            self.too_long,
            self.left,
            self.in_a_hurry,
            self.at_a_broken_provider,
        )

    async def call(self, random: Random) -> None:
        """Make calls until it is over."""
        act()
        while not self.is_over:
            made = random.choices(self.calls, (30, 30, 10, 5, 10, 5, 10))[0]
            name = getattr(made, "__name__", "call")
            try:
                async with asyncio.timeout(30):
                    await made(random)
            except (LoupeError, AssertionError, TimeoutError) as error:
                self._soaked.objections.append(f"{name}: {type(error).__name__}: {error}")
            self._soaked.calls[name] += 1

    async def whole(self, random: Random) -> None:
        """A whole answer."""
        made = await self._sound.complete(question("word " * random.randrange(1, 200)))
        assert made.usage.output_tokens == 8

    async def stream(self, _random: Random) -> None:
        """A stream to its end."""
        assert (await heard(self._sound, question()))[-1].end.state == EndState.END_STATE_COMPLETE

    async def schema(self, _random: Random) -> None:
        """An answer to a schema."""
        made = await self._sound.complete(to_schema(question(max_output_tokens=64), _SCHEMA))
        assert made.text == '{"month": "April"}'

    async def too_long(self, _random: Random) -> None:
        """A prompt beyond the context."""
        try:
            await self._sound.complete(question("word " * 600))
        except ContextTooLong:
            return
        raise AssertionError("it was taken")

    async def left(self, random: Random) -> None:
        """A caller who leaves in mid-stream."""
        events = self._sound.stream(question(max_output_tokens=200))
        for _ in range(random.randrange(1, 6)):
            await anext(events)
        await events.aclose()

    async def in_a_hurry(self, random: Random) -> None:
        """A caller whose time runs out."""
        act(for_s=random.uniform(0.05, 0.3))
        try:
            await self._sound.complete(question(max_output_tokens=200))
        except (DeadlineExceeded, UpstreamUnavailable):
            return
        finally:
            act()
        raise AssertionError("it was in time")

    async def at_a_broken_provider(self, random: Random) -> None:
        """A provider that breaks, now so, now so."""
        self._proxy.arm(random.choice(_FAULTS))
        try:
            last = (await heard(self._broken, question()))[-1]
        except (UpstreamUnavailable, Overloaded):
            return
        # Another caller may have changed the fault meanwhile: whole, or explicitly not.
        assert last.HasField("end")


def _written_mib(pid: int) -> float:
    """Return what a process has written to; files that are mapped are left out."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss_Anon:"):
            return int(line.split()[1]) / 1024
    return 0.0


async def _idle_files(pid: int, wanted: int = 0) -> int:
    """Return the open files of a process once they are as few as wanted, or no fewer for 5 s.

    A connection to a provider is kept for 3 s.
    """
    fewest, since = sys.maxsize, time.monotonic()
    while time.monotonic() - since < 5:
        count = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - names alone
        if count <= wanted:
            return count
        if count < fewest:
            fewest, since = count, time.monotonic()
        await asyncio.sleep(0.1)
    return fewest


def main() -> int:
    """Soak, print what came of it; 1 if anything grew or went otherwise than it must."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.router", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="loupe-"))
    try:
        soaked = asyncio.run(soak(home, for_s=options.minutes * 60, seed=options.seed))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    is_clean = (
        soaked.growth_mib <= GROWTH_MIB and soaked.files_after <= soaked.files_before + 2 and not soaked.objections
    )
    quarter = [mean(part) for part in _quarters(soaked.memory_mib)]
    sys.stdout.write(
        f"router: {sum(soaked.calls.values())} calls in {soaked.took_s:.0f} s by {CALLERS} callers, "
        f"{soaked.log_bytes / 2**20:.1f} MiB of log\n"
        f"  {dict(sorted(soaked.calls.items()))}\n"
        f"  memory by quarters: {', '.join(f'{size:.1f}' for size in quarter)} MiB\n"
        f"  growth after the warm-up: {soaked.growth_mib:+.1f} MiB\n"
        f"  open files: {soaked.files_before}, then {soaked.files_after}\n"
        + "".join(f"  otherwise than it must: {text}\n" for text in soaked.objections[:20])
        + ("  flat\n" if is_clean else "  NOT FLAT OR NOT RIGHT\n")
    )
    return 0 if is_clean else 1


def _quarters(samples: list[float]) -> list[list[float]]:
    size = max(len(samples) // 4, 1)
    return [samples[start : start + size] for start in range(0, size * 4, size)]


if __name__ == "__main__":
    sys.exit(main())
