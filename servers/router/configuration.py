"""The file of providers, models, routes, prices and budgets, checked whole before anything starts.

Base URLs and keys come from here and from nowhere else: no caller can name an address.
"""

from __future__ import annotations

import os
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from servers.kit.errors import NotReady
from servers.router.locality import is_local_host

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._:/@-]+$")]
NANO = 10**9
_TOKENS_PRICED = 10**6


def _exact(price: Decimal) -> Decimal:
    """Money is counted in whole 1e-9 dollars; a finer price could not be."""
    if price * NANO / _TOKENS_PRICED % 1:
        raise ValueError("has more than 3 decimals (US dollars for a million tokens)")
    return price


TokenPrice = Annotated[Decimal, Field(ge=0), AfterValidator(_exact)]


def _whole_nano(price: Decimal) -> Decimal:
    if price * NANO % 1:
        raise ValueError("has more than 9 decimals")
    return price


class _Section(BaseModel):
    # A misspelt key would otherwise be a silent default.
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSection(_Section):
    """One model of a provider: what it can do and what it costs."""

    name: Name
    """What callers ask for, alone or as PROVIDER/NAME."""

    upstream: str = ""
    """What the provider calls it. Empty: the same."""

    revision: str = ""
    """Of the weights; part of the cache's key and of the ledger."""

    serves: Literal["chat", "embeddings"] = "chat"
    transcription: bool = False
    """Writes down speech, in place of what `serves` says."""

    context_tokens: int = Field(default=0, ge=0)
    """Prompt and answer together; 0: not stated, nothing is checked."""

    max_output_tokens: int = Field(default=0, ge=0)
    """Asked for where the caller sets no limit; 0: the provider's own default."""

    vision: bool = False
    json_schema: bool = False
    tools: bool = False
    max_image_pixels: int = Field(default=0, ge=0)
    pixels_per_token: int = Field(default=784, ge=1)
    """Of an image: 28 x 28, as Qwen2.5-VL merges its patches (its model card)."""

    tokenizer_file: Path | None = None
    """The model's own tokenizer.json."""

    tokenizer_dir: Path | None = None
    """For kind vllm_grpc: the folder with its tokenizer.json, tokenizer_config.json and chat template."""

    tokens_per_message: int = Field(default=8, ge=0)
    """What the chat template adds to each message; 8 covers the usual templates."""

    input_usd_per_mtok: TokenPrice = Decimal(0)
    cached_input_usd_per_mtok: TokenPrice | None = None
    """Of input read from the provider's prompt cache. Unset: as other input."""

    output_usd_per_mtok: TokenPrice = Decimal(0)
    gpu_usd_per_hour: Decimal = Field(default=Decimal(0), ge=0)
    """Charged for the accelerator's time where the provider says it (header x-gpu-seconds)."""

    audio_usd_per_minute: Annotated[Decimal, Field(ge=0), AfterValidator(_whole_nano)] = Decimal(0)
    """Of a recording, reckoned by the millisecond; each ask is rounded to 1e-9 dollars, half to even."""

    max_audio_bytes: int = Field(default=0, ge=0)
    """Of a recording; 0: not stated."""

    max_audio_s: float = Field(default=0.0, ge=0)
    """Of a recording whose header tells its length; 0: not stated."""

    @model_validator(mode="after")
    def _serves_one_thing(self) -> Self:
        if self.transcription and self.serves != "chat":
            raise ValueError("transcription goes with no other serves")
        return self

    @property
    def task(self) -> Literal["chat", "embeddings", "transcription"]:
        """The one thing that it does."""
        return "transcription" if self.transcription else self.serves


class ProviderSection(_Section):
    """One address that answers, and how it may be used."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    kind: Literal["openai", "anthropic", "triton", "vllm_grpc"]
    base_url: str
    """ "http://127.0.0.1:8000/v1"; for anthropic without the /v1; for the others "grpc://127.0.0.1:8001" or grpcs."""

    api_key_env: str = ""
    api_key_file: Path | None = None
    max_concurrent: int = Field(default=64, ge=1)
    queue_size: int = Field(default=256, ge=0)
    connect_timeout_s: float = Field(default=2.0, gt=0)
    first_token_timeout_s: float = Field(default=60.0, gt=0)
    """For an answer in one piece: until all of it is there."""

    stall_timeout_s: float = Field(default=20.0, gt=0)
    """Between two events of a stream; bytes that make no event don't count."""

    breaker_failures: int = Field(default=5, ge=1)
    """In a row; then the provider is not asked for a while."""

    model_control: Literal["none", "load", "load_and_unload"] = "none"
    """Whether a Triton in explicit mode is told to load a model before its first use, and to unload it at our end."""

    breaker_open_s: float = Field(default=5.0, gt=0)
    """Doubled each time the trial fails, up to a minute."""

    models: tuple[ModelSection, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _url_is_usable(self) -> Self:
        parts = urlsplit(self.base_url)
        is_grpc = self.kind in ("triton", "vllm_grpc")
        schemes = ("grpc", "grpcs") if is_grpc else ("http", "https")
        if parts.scheme not in schemes or not parts.hostname:
            raise ValueError(f"base_url {self.base_url!r} is no {schemes[0]} or {schemes[1]} address")
        if is_grpc and parts.path.strip("/"):
            raise ValueError(f"base_url {self.base_url!r} has a path, which gRPC has not")
        if self.kind == "triton" and any(model.tools for model in self.models):
            raise ValueError("a model in Triton calls no tools")
        if self.kind == "vllm_grpc":
            _refuse_what_vllm_grpc_lacks(self.models)
        elif any(model.tokenizer_dir for model in self.models):
            raise ValueError("tokenizer_dir is for kind vllm_grpc only")
        if self.kind == "anthropic" and any(model.transcription for model in self.models):
            raise ValueError("Anthropic's API writes no speech down")
        if self.kind != "triton" and self.model_control != "none":
            raise ValueError("model_control is for kind triton only")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("base_url carries more than host and path; keys go to api_key_env or api_key_file")
        if self.api_key_env and self.api_key_file:
            raise ValueError("both api_key_env and api_key_file are set")
        return self

    @property
    def is_local(self) -> bool:
        """Whether the address is of this machine or network."""
        return is_local_host(urlsplit(self.base_url).hostname or "")

    def read_key(self) -> str:
        """Return the provider's key, empty where none is configured. Raises ValueError where it is missing."""
        if self.api_key_file:
            try:
                return self.api_key_file.expanduser().read_text().strip()
            except OSError as error:
                raise ValueError(f"api_key_file: {error.strerror}: {self.api_key_file}") from error
        if self.api_key_env:
            key = os.environ.get(self.api_key_env, "").strip()
            if not key:
                raise ValueError(f"api_key_env: the environment has no {self.api_key_env}")
            return key
        return ""


def _refuse_what_vllm_grpc_lacks(models: tuple[ModelSection, ...]) -> None:
    if len(models) > 1:
        raise ValueError("a vLLM over gRPC serves one model")
    if models[0].tokenizer_dir is None:
        raise ValueError("vllm_grpc takes tokens: tokenizer_dir names the folder with the model's tokenizer")
    if models[0].tools:
        raise ValueError("a model behind vLLM's gRPC calls no tools")


class WhenSection(_Section):
    """Condition of a target; every key that is set must hold."""

    has_images: bool | None = None
    figure_kinds: tuple[str, ...] = ()
    max_input_tokens: int = Field(default=0, ge=0)


class TargetSection(_Section):
    """One model that a route may choose."""

    provider: str
    model: str
    weight: float = Field(default=1.0, ge=0)
    """Share of the calls, for split."""

    arm: str = ""
    """Name of this side of a split in the ledger. Empty: PROVIDER/MODEL."""

    when: WhenSection = WhenSection()


class ShadowSection(_Section):
    """A second model that is asked the same, whose answer is only accounted for."""

    provider: str
    model: str
    share: float = Field(gt=0, le=1)


class RouteSection(_Section):
    """A name that callers ask for, and how one of several models is chosen for it."""

    name: Name
    policy: Literal["rule", "price", "latency", "quality", "split"] = "rule"
    targets: tuple[TargetSection, ...] = Field(min_length=1)
    shadow: ShadowSection | None = None


class BudgetSection(_Section):
    """A limit that stops calls once it is reached."""

    name: Name
    scope: Literal["all", "key", "job", "model"] = "all"
    model: str = ""
    """For scope model: its name."""

    window: Literal["day", "month", "ever"] = "ever"
    limit_usd: Decimal | None = Field(default=None, ge=0)
    limit_tokens: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.limit_usd is None and self.limit_tokens is None:
            raise ValueError("neither limit_usd nor limit_tokens is set")
        if (self.scope == "model") != bool(self.model):
            raise ValueError("model goes with scope model, and only with it")
        return self


class DefaultsSection(_Section):
    """What holds for calls that don't say."""

    retry: bool = True
    failover: bool = True
    hedge: bool = False
    cache: bool = False
    hedge_after_s: float = Field(default=2.0, gt=0)
    cache_mib: int = Field(default=64, ge=0)
    cache_ttl_s: float = Field(default=3600.0, gt=0)
    retry_share: float = Field(default=0.1, ge=0, le=1)
    """Repeated asks of a provider as a share of its calls."""


class Configuration(_Section):
    """The whole file."""

    local_only: bool = True
    """Refuse every provider that is not on this machine or network."""

    quality_file: Path | None = None
    """JSON: fidelity in 0..1 of each model for each kind of figure, as `servers.router.quality` shows it."""

    defaults: DefaultsSection = DefaultsSection()
    providers: tuple[ProviderSection, ...] = ()
    routes: tuple[RouteSection, ...] = ()
    budgets: tuple[BudgetSection, ...] = ()

    @model_validator(mode="after")
    def _names_fit_together(self) -> Self:
        providers = [provider.name for provider in self.providers]
        _once("providers", providers)
        known = {(provider.name, model.name) for provider in self.providers for model in provider.models}
        for provider in self.providers:
            _once(f"models of {provider.name}", [model.name for model in provider.models])
            if self.local_only and not provider.is_local:
                raise ValueError(
                    f"providers.{provider.name}.base_url: {provider.base_url} is not on this network, and local_only "
                    "is true; set local_only = false to let prompts leave it"
                )
        _once("routes", [route.name for route in self.routes])
        _once("budgets", [budget.name for budget in self.budgets])
        for route in self.routes:
            wanted = [(target.provider, target.model) for target in route.targets]
            if route.shadow:
                wanted.append((route.shadow.provider, route.shadow.model))
            for provider_name, model in wanted:
                if (provider_name, model) not in known:
                    raise ValueError(f"routes.{route.name}: no provider {provider_name} has a model {model}")
        return self


def _once(what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{what}: {name} stands there twice")


def read(path: Path) -> Configuration:
    """Return the configuration in a file; an empty one where there is no file.

    Raises:
      NotReady: with one line for each wrong field.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        return Configuration()
    except OSError as error:
        raise NotReady(f"{path} can't be read: {error.strerror}") from error
    try:
        return Configuration.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise NotReady(f"{path.name} is no TOML: {error}") from error
    except ValidationError as error:
        raise NotReady(f"{path.name}: " + "; ".join(_line(problem) for problem in error.errors())) from error


def _line(problem: object) -> str:
    assert isinstance(problem, dict)  # pydantic's ErrorDetails
    where = ""
    for step in problem["loc"]:
        where += f"[{step}]" if isinstance(step, int) else ("." if where else "") + str(step)
    text = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {text}" if where else text
