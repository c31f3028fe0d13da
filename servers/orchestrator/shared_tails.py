"""Tails over several processes: through Redis where there is one, and by looking often where it is away or not set.

Redis carries names of topics and nothing else, in one channel that every process hears. What was told while it was
away is not told again: everyone is woken once it is back, and reads the log.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from redis import asyncio as redis
from redis.exceptions import RedisError

from servers.kit.conditions import Condition
from servers.orchestrator.tails import Tails

CHANNEL = "loupe:orchestrator:tails"
LOOK_EVERY_S = 0.5
"""Where nobody tells, followers are woken this often."""
_TRY_AGAIN_S = 1.0
_TIMEOUT_S = 2.0
# More than this many untold, and who follows is woken by looking.
_MOST_UNTOLD = 10_000


class SharedTails(Tails):
    """Followers of every process of an installation."""

    def __init__(self, url: str) -> None:
        """Take Redis's address; empty where there is none."""
        super().__init__()
        self._url = url
        self._outage = Condition("redis_away")
        self._hears = False
        self._untold: dict[str, None] = {}
        self._has_untold = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def tell(self, topic: str) -> None:
        """Wake the topic's followers, here now and elsewhere soon."""
        self.wake(topic)
        if self._url and len(self._untold) < _MOST_UNTOLD:
            self._untold[topic] = None
            self._has_untold.set()

    async def start(self) -> None:
        """Begin to listen to others, and to look as long as they can't be heard."""
        self._tasks = [asyncio.create_task(self._look())]
        if self._url:
            for work in (self._hear, self._send):
                self._tasks.append(asyncio.create_task(self._again_and_again(work)))

    async def close(self) -> None:
        """Listen no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if not self._hears:
                self.wake_all()

    async def _again_and_again(self, work: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        while True:
            client = redis.Redis.from_url(
                self._url, socket_connect_timeout=_TIMEOUT_S, socket_timeout=_TIMEOUT_S, health_check_interval=0
            )
            try:
                await work(client)
            except (RedisError, OSError, TimeoutError) as error:
                self._outage.begin(f"{type(error).__name__}: {error}")
            finally:
                with contextlib.suppress(RedisError, OSError):
                    await client.aclose()
            await asyncio.sleep(_TRY_AGAIN_S)

    async def _hear(self, client: Any) -> None:
        """Wake followers of what others tell, until Redis is away."""
        async with client.pubsub() as channel:
            await channel.subscribe(CHANNEL)
            try:
                while True:
                    message = await channel.get_message(timeout=_TIMEOUT_S)
                    if message is None:
                        await self._is_alive(channel)
                    elif message["type"] == "subscribe":
                        self._hears = True
                        self._outage.end()
                        self.wake_all()
                    elif message["type"] == "message":
                        for topic in message["data"].decode().split():
                            self.wake(topic)
            finally:
                self._hears = False

    async def _is_alive(self, channel: Any) -> None:
        """Raise where Redis went silent."""
        await channel.ping()
        async with asyncio.timeout(_TIMEOUT_S):
            while (message := await channel.get_message(timeout=_TIMEOUT_S)) is not None:
                if message["type"] == "pong":
                    return
                for topic in message["data"].decode().split():
                    self.wake(topic)
        raise TimeoutError("no answer to a ping")

    async def _send(self, client: Any) -> None:
        while True:
            await self._has_untold.wait()
            self._has_untold.clear()
            topics, self._untold = self._untold, {}
            if topics:
                await client.publish(CHANNEL, " ".join(topics))
