"""The engine that the settings name."""

from __future__ import annotations

from servers.kit.mesh import Mesh
from servers.speech.config import Settings
from servers.speech.engines.base import SpeechEngine
from servers.speech.engines.builtin import BuiltinEngine
from servers.speech.pool import WorkerSpec


def open_engine(settings: Settings, mesh: Mesh) -> SpeechEngine:
    """Return the engine, not started yet."""
    spec = WorkerSpec(settings.max_recording_mib * 2**20, settings.max_recording_s, settings.worker_memory_mib)
    return BuiltinEngine(
        spec,
        workers=settings.workers,
        max_waiting=settings.max_waiting,
        max_step_s=settings.max_step_s,
        worker_idle_s=settings.worker_idle_s,
    )
