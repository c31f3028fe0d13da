"""A network of its own for some processes, with a cable that can be pulled: what is sent is lost and nobody told."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_WITHIN_S = 10.0
# Frames to it arrive nowhere. Of those that anyone may give out (the second bit).
_NOBODY = "02:00:00:00:00:01"
_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Network:
    """A network namespace, and a cable from it to this one."""

    name: str
    device: str
    """Of the cable, by the same name at both its ends."""
    here: str
    """This end's address."""
    also_here: str
    """A second one."""
    there: str
    """The other end's."""

    @property
    def entering(self) -> tuple[str, ...]:
        """What to put before a command that is to run there."""
        return ("nsenter", f"--net=/run/netns/{self.name}")

    def cut(self, *addresses: str) -> None:
        """Lose what is sent from there to addresses of this end, and back; by default to all of them.

        Frames go out to a card that does not exist: no error, no reset, no link that is down, as behind a dead switch.
        """
        for address in addresses or (self.here, self.also_here):
            self._lose(address, *self.entering)
        if not addresses:
            self._lose(self.there)

    def mend(self) -> None:
        """Lose nothing any more: each end asks anew who has the other's address."""
        for entering in ((), self.entering):
            _run(*entering, "ip", "neigh", "flush", "dev", self.device, "nud", "permanent")

    def _lose(self, address: str, *entering: str) -> None:
        neighbour = ("ip", "neigh", "replace", address, "lladdr", _NOBODY, "nud", "permanent", "dev", self.device)
        _run(*entering, *neighbour)


@contextmanager
def network() -> Iterator[Network]:
    """Make a network until the block ends; root only. Its addresses are of those for tests (RFC 2544)."""
    number = (os.getpid() * 8 + next(_NUMBERS)) % 8192
    third, fourth = divmod(number * 8, 256)
    subnet = f"198.18.{third}"
    made = Network(
        name=f"loupe-test-{number}",
        device=f"loupe{number}",
        here=f"{subnet}.{fourth + 1}",
        also_here=f"{subnet}.{fourth + 2}",
        there=f"{subnet}.{fourth + 3}",
    )
    _run("ip", "netns", "add", made.name)
    try:
        _run("ip", "link", "add", made.device, "type", "veth", "peer", "name", made.device, "netns", made.name)
    except AssertionError:
        _run("ip", "netns", "delete", made.name)
        raise
    try:
        for address in (made.here, made.also_here):
            _run("ip", "address", "add", f"{address}/29", "dev", made.device)
        _run("ip", "link", "set", made.device, "up")
        _run(*made.entering, "ip", "address", "add", f"{made.there}/29", "dev", made.device)
        for device in ("lo", made.device):
            _run(*made.entering, "ip", "link", "set", device, "up")
        yield made
    finally:
        _run("ip", "link", "delete", made.device)
        _run("ip", "netns", "delete", made.name)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_WITHIN_S, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()} (it needs root, and iproute2)"
    return done.stdout
