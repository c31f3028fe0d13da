"""What may be asked for, as the contract lists it."""

from __future__ import annotations

from loupe.router.v1.router_pb2 import Capabilities, Model
from servers.router.fleet import Fleet, RunningModel


def list_models(fleet: Fleet) -> list[Model]:
    """Return routes first, then the models of providers."""
    routes = [Model(name=route.name, targets=[target.model.name for target in route.targets]) for route in fleet.routes]
    return routes + [_model(model) for model in fleet.models]


def _model(model: RunningModel) -> Model:
    section = model.section
    return Model(
        name=model.name,
        provider=model.at.name,
        upstream_model=section.upstream or section.name,
        revision=section.revision,
        capabilities=Capabilities(
            chat=section.task == "chat",
            embeddings=section.task == "embeddings",
            vision=section.vision,
            json_schema=section.json_schema,
            tools=section.tools,
            context_tokens=section.context_tokens,
            max_image_pixels=section.max_image_pixels,
            has_tokenizer=model.counter.is_exact,
            transcription=section.task == "transcription",
        ),
        breaker=model.at.breaker.state,
    )
