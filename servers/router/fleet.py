"""The configured providers and models as they run: each with its breaker, its places and what was measured of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from loupe.router.v1.router_pb2 import RoutePolicy
from servers.kit.errors import NotFound, NotReady
from servers.router.breaker import Breaker
from servers.router.configuration import (
    Configuration,
    ModelSection,
    ProviderSection,
    RouteSection,
    ShadowSection,
    WhenSection,
)
from servers.router.places import Places
from servers.router.prices import Prices
from servers.router.providers.base import Provider
from servers.router.providers.opening import opened
from servers.router.quality import Quality, read_quality
from servers.router.retry_budget import RetryBudget
from servers.router.tokens import TokenCounter, counter_for

# Weight of the newest measurement in the moving mean of a model's time to first token.
_NEWEST = 0.2
POLICIES = {
    "rule": RoutePolicy.ROUTE_POLICY_RULE,
    "price": RoutePolicy.ROUTE_POLICY_PRICE,
    "latency": RoutePolicy.ROUTE_POLICY_LATENCY,
    "quality": RoutePolicy.ROUTE_POLICY_QUALITY,
    "split": RoutePolicy.ROUTE_POLICY_SPLIT,
}


@dataclass(slots=True)
class RunningProvider:
    """One provider and how it does."""

    section: ProviderSection
    provider: Provider
    breaker: Breaker
    places: Places
    retries: RetryBudget

    @property
    def name(self) -> str:
        """Its configured name."""
        return self.section.name


@dataclass(slots=True)
class RunningModel:
    """One model of one provider, and how fast it answered lately."""

    at: RunningProvider
    section: ModelSection
    counter: TokenCounter
    first_token_s: float | None = None
    name: str = field(init=False)
    """ "provider/model" """
    prices: Prices = field(init=False)

    def __post_init__(self) -> None:
        self.name = f"{self.at.name}/{self.section.name}"
        self.prices = Prices(self.section)

    def measured(self, first_token_s: float) -> None:
        """Take a time to first token into the moving mean."""
        before = self.first_token_s
        self.first_token_s = first_token_s if before is None else before + _NEWEST * (first_token_s - before)


@dataclass(frozen=True, slots=True)
class Target:
    """A model as one route names it."""

    model: RunningModel
    weight: float = 1.0
    arm: str = ""
    when: WhenSection = field(default_factory=WhenSection)


@dataclass(frozen=True, slots=True)
class Route:
    """A name that callers may ask for."""

    name: str
    policy: RoutePolicy.ValueType
    targets: tuple[Target, ...]
    shadow: RunningModel | None = None
    shadow_share: float = 0.0


class Fleet:
    """All that calls can be routed to."""

    def __init__(self, routes: Iterable[Route], models: Iterable[RunningModel], quality: Quality) -> None:
        self.routes = tuple(routes)
        self.models = tuple(models)
        self._quality = quality
        self._by_name = {route.name: route for route in self.routes}
        for model in self.models:
            self._by_name.setdefault(model.name, Route(model.name, POLICIES["rule"], (Target(model),)))
        for name in dict.fromkeys(model.section.name for model in self.models):
            # The same model at several providers stands in for itself.
            same = tuple(Target(model) for model in self.models if model.section.name == name)
            self._by_name.setdefault(name, Route(name, POLICIES["rule"], same))

    def route(self, name: str) -> Route:
        """Return the route of a name. Raises NotFound."""
        try:
            return self._by_name[name]
        except KeyError:
            known = ", ".join(sorted(self._by_name)[:20]) or "none: the installation has no file of providers"
            raise NotFound(f"there is no model {name!r}; configured are {known}") from None

    def quality(self, model: RunningModel, figure_kind: str) -> float | None:
        """Return a model's measured fidelity for a kind of figure, or its mean over all; None where none is known."""
        known = self._quality.get(model.name, {})
        if figure_kind in known:
            return known[figure_kind]
        return sum(known.values()) / len(known) if known and not figure_kind else None


async def open_fleet(configuration: Configuration, stack: AsyncExitStack) -> Fleet:
    """Return the fleet of a configuration; the stack closes its connections.

    Raises:
      NotReady: a key, a tokenizer or the table of quality can't be read.
    """
    clock = asyncio.get_running_loop().time
    models: dict[tuple[str, str], RunningModel] = {}
    for section in configuration.providers:
        try:
            key = section.read_key()
        except ValueError as error:
            raise NotReady(f"providers.{section.name}.{error}") from error
        provider = await stack.enter_async_context(opened(section, key, local_only=configuration.local_only))
        running = RunningProvider(
            section,
            provider,
            Breaker(section.breaker_failures, section.breaker_open_s, clock),
            Places(section.max_concurrent, section.queue_size),
            RetryBudget(configuration.defaults.retry_share),
        )
        for model in section.models:
            models[section.name, model.name] = RunningModel(running, model, counter_for(model))
    routes = [_route(route, models) for route in configuration.routes]
    revisions = {model.name: model.section.revision for model in models.values()}
    return Fleet(routes, models.values(), read_quality(configuration.quality_file, revisions))


def _route(section: RouteSection, models: Mapping[tuple[str, str], RunningModel]) -> Route:
    targets = []
    for target in section.targets:
        model = models[target.provider, target.model]
        arm = target.arm or (model.name if section.policy == "split" else "")
        targets.append(Target(model, target.weight, arm, target.when))
    shadow: ShadowSection | None = section.shadow
    return Route(
        section.name,
        POLICIES[section.policy],
        tuple(targets),
        models[shadow.provider, shadow.model] if shadow else None,
        shadow.share if shadow else 0.0,
    )
