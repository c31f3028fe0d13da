"""The contracts as the gateway sees them: each RPC, how it streams and at which path REST finds it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto

from servers.kit.services import Service

_VARIABLE = re.compile(r"\{[^{}=]+(?:=(?P<pattern>[^{}]+))?\}")
_WILDCARDS = {"*": "[^/:]+", "**": ".+"}


class ContractMismatch(Exception):
    """The table of services and the contracts name different services."""


@dataclass(frozen=True, slots=True)
class RestRule:
    """One verb and path of REST."""

    verb: str
    """GET, POST, ..."""

    template: str
    """As in the contract: "/v1/jobs/{job_id}:watch"."""

    @property
    def path_regex(self) -> str:
        """Return an RE2 expression that matches exactly the template's paths."""
        return _regex(self.template)


@dataclass(frozen=True, slots=True)
class Rpc:
    """One RPC of a server."""

    server: str
    """Name of the server in the table of services."""

    path: str
    """Of the gRPC call: "/loupe.files.v1.FilesService/GetFile"."""

    client_streams: bool
    server_streams: bool
    rules: tuple[RestRule, ...]

    @property
    def streams(self) -> bool:
        """Whether either side sends more than one message."""
        return self.client_streams or self.server_streams


def descriptor_set_path() -> Path:
    """Return the descriptor set that the build made of the contracts, google.rpc's error details included."""
    return Path(str(files("loupe") / "descriptor_set.binpb"))


def read_rpcs(services: Iterable[Service]) -> tuple[Rpc, ...]:
    """Return every RPC of the services, in the order of the contracts.

    Raises:
      ContractMismatch: a service has no contract, or a contract of ours no service.
    """
    descriptors = FileDescriptorSet.FromString(descriptor_set_path().read_bytes())
    declared = {
        f"{file.package}.{service.name}": service
        for file in descriptors.file
        if file.package.startswith("loupe.")
        for service in file.service
    }
    servers = {service.full_name: service.name for service in services}
    if odd := declared.keys() ^ servers.keys():
        raise ContractMismatch(
            f"in the contracts or in the table of services, but not in both: {', '.join(sorted(odd))}"
        )
    return tuple(
        Rpc(
            server=server,
            path=f"/{full_name}/{method.name}",
            client_streams=method.client_streaming,
            server_streams=method.server_streaming,
            rules=_rest_rules(method),
        )
        for full_name, server in servers.items()
        for method in declared[full_name].method
    )


def _rest_rules(method: MethodDescriptorProto) -> tuple[RestRule, ...]:
    if not method.options.HasExtension(annotations_pb2.http):
        return ()
    rule = method.options.Extensions[annotations_pb2.http]
    return tuple(_rest_rule(binding) for binding in (rule, *rule.additional_bindings))


def _rest_rule(rule: HttpRule) -> RestRule:
    kind = rule.WhichOneof("pattern")
    if kind == "custom":
        return RestRule(rule.custom.kind, rule.custom.path)
    return RestRule(str(kind).upper(), getattr(rule, str(kind)))


def _regex(template: str) -> str:
    """Translate a google.api.http path template; a variable without a pattern is one segment without a colon."""
    pieces: list[str] = []
    end = 0
    for variable in _VARIABLE.finditer(template):
        pieces.append(_segments(template[end : variable.start()]))
        pieces.append(_segments(variable["pattern"] or "*"))
        end = variable.end()
    pieces.append(_segments(template[end:]))
    return "".join(pieces)


def _segments(text: str) -> str:
    return "".join(_WILDCARDS.get(part) or re.escape(part) for part in re.split(r"(\*\*?)", text))
