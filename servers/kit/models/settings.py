"""Which engine a server has, and the model that it asks: the same settings for every server that can ask one."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from servers.kit.config import ServerSettings
from servers.kit.models.asking import Limits


class ModelSettings(ServerSettings):
    """Settings of a server whose engine may ask a model. Subclasses set their own `env_prefix`."""

    engine: Literal["builtin", "routed", "transformers"] = "builtin"
    """Which engine answers. "builtin" needs no model; "routed" asks one through the router; "transformers" loads one into this process."""  # noqa: E501 - one line of .env.example

    model: str = ""
    """Name of the model: for "routed" a model or a route of the router's file, for "transformers" a pulled model or a folder."""  # noqa: E501 - one line of .env.example

    fallback: Literal["", "builtin"] = ""
    """Who answers when the model can't: nobody, which fails the call, or the builtin engine, which says so in its answer."""  # noqa: E501 - one line of .env.example

    model_timeout_s: float = Field(default=60.0, gt=0)
    """Longest time for one question to the model, its second try included; never more than four fifths of the call's own time."""  # noqa: E501 - one line of .env.example

    max_output_tokens: int = Field(default=2048, ge=1)
    """Longest answer of the model."""

    temperature: float = Field(default=0.0, ge=0, le=2)
    """How freely the model chooses its words; 0 for the likeliest ones."""

    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the model's choices, where its provider takes one."""

    model_is_lazy: bool = True
    """For "transformers": load the weights at the first question instead of at the start."""

    model_device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """For "transformers": where the model computes; "auto" by what is there."""

    model_dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """For "transformers": the numbers of its weights; "auto" by the device."""

    model_memory_mib: int = Field(default=0, ge=0)
    """For "transformers": most memory of its weights; 0 for what the machine has free."""

    @model_validator(mode="after")
    def _model_is_named(self) -> Self:
        if self.engine != "builtin" and not self.model:
            prefix = self.model_config.get("env_prefix", "")
            raise ValueError(f'{prefix}ENGINE is "{self.engine}", which needs {prefix}MODEL')
        return self

    @property
    def limits(self) -> Limits:
        """What one question may cost."""
        return Limits(
            max_output_tokens=self.max_output_tokens,
            time_s=self.model_timeout_s,
            temperature=self.temperature,
            seed=self.seed,
        )
