"""The engine that the settings name."""

from __future__ import annotations

from pathlib import Path

from servers.kit.mesh import Mesh
from servers.kit.models.in_process import LocalModel
from servers.kit.models.weights import folder_of
from servers.speech.config import Settings
from servers.speech.engines.base import SpeechEngine
from servers.speech.engines.builtin import BuiltinEngine
from servers.speech.engines.listening import SpeechModel
from servers.speech.engines.model import ModelSpeechEngine
from servers.speech.engines.routed import RoutedSpeech
from servers.speech.engines.whisper import WhisperModel
from servers.speech.pool import WorkerSpec


def open_engine(settings: Settings, mesh: Mesh) -> SpeechEngine:
    """Return the engine, not started yet."""
    spec = WorkerSpec(settings.max_recording_mib * 2**20, settings.max_recording_s, settings.worker_memory_mib)
    by_rule = BuiltinEngine(
        spec,
        workers=settings.workers,
        max_waiting=settings.max_waiting,
        max_step_s=settings.max_step_s,
        worker_idle_s=settings.worker_idle_s,
    )
    model = _open_model(settings, mesh)
    if model is None:
        return by_rule
    return ModelSpeechEngine(
        by_rule,
        model,
        time_s=settings.model_timeout_s,
        max_at_work=settings.workers + settings.max_waiting,
        falls_back=settings.fallback == "builtin",
    )


def _open_model(settings: Settings, mesh: Mesh) -> SpeechModel | None:
    if settings.engine == "routed":
        return RoutedSpeech(mesh.channel("router"), settings.model)
    if settings.engine == "transformers":
        folder = Path(settings.model).expanduser()
        return WhisperModel(
            LocalModel(
                folder=folder if folder.is_dir() else folder_of(settings.home, settings.model),
                name=settings.model,
                is_lazy=settings.model_is_lazy,
                device=settings.model_device,
                dtype=settings.model_dtype,
                memory_limit_mib=settings.model_memory_mib,
            )
        )
    return None
