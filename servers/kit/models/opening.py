"""The model that a server's settings name."""

from __future__ import annotations

from pathlib import Path

from servers.kit.mesh import Mesh
from servers.kit.models.base import ChatModel
from servers.kit.models.in_process import LocalModel
from servers.kit.models.routed import RoutedModel
from servers.kit.models.settings import ModelSettings
from servers.kit.models.transformers import TransformersModel
from servers.kit.models.weights import folder_of


def open_model(settings: ModelSettings, mesh: Mesh) -> ChatModel | None:
    """Return the model, not started yet; None for the builtin engine."""
    if settings.engine == "routed":
        return RoutedModel(mesh.channel("router"), settings.model)
    if settings.engine == "transformers":
        folder = Path(settings.model).expanduser()
        local = LocalModel(
            folder=folder if folder.is_dir() else folder_of(settings.home, settings.model),
            name=settings.model,
            is_lazy=settings.model_is_lazy,
            device=settings.model_device,
            dtype=settings.model_dtype,
            memory_limit_mib=settings.model_memory_mib,
            max_output_tokens=settings.max_output_tokens,
        )
        return TransformersModel(local)
    return None
