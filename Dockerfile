# Every image of Loupe: one target a server, each with the dependencies of its own extra in uv.lock and nothing else.
#
#   docker build --target vision -t loupe-vision .
#
# All run as uid 10001 on a read-only root; what they write goes to /data (records), /sockets, /sandbox-socket and /tmp,
# which compose.yaml and k8s/ mount. Base and uv are pinned by version, Python packages by hash in uv.lock; Debian's
# packages are the newest of its stable release, so that building again brings security fixes.

FROM debian:12.12-slim AS python
RUN apt-get update \
 && apt-get upgrade -y \
 && apt-get install -y --no-install-recommends ca-certificates python3.11 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 loupe \
 && useradd --uid 10001 --gid loupe --home-dir /data --no-create-home --shell /usr/sbin/nologin loupe \
 # A new volume takes owner and mode of the folder it covers.
 && install -d -o loupe -g loupe -m 0700 /data /sockets /sandbox-socket
ENV PATH=/opt/loupe/bin:/usr/local/bin:/usr/bin:/bin \
    LOUPE_HOME=/data \
    PYTHONUNBUFFERED=1

FROM python AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3.11-venv \
 && python3.11 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv==0.13.8
ENV PATH=/opt/uv/bin:/usr/bin:/bin \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PROJECT_ENVIRONMENT=/opt/loupe \
    UV_PYTHON=/usr/bin/python3.11 \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /src
COPY pyproject.toml uv.lock hatch_build.py README.md LICENSE ./
# What all have in common, once; a change of code keeps it.
RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev --no-install-project --extra telemetry
COPY proto proto
COPY third_party third_party
COPY servers servers
COPY sandbox sandbox
COPY gateway gateway
COPY cli cli
RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev --no-editable --extra telemetry

FROM build AS build-files
RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev --no-editable --extra telemetry --extra files
FROM build AS build-vision
RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev --no-editable --extra telemetry --extra vision
FROM build AS build-speech
RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev --no-editable --extra telemetry --extra speech
FROM build AS build-reasoning
RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev --no-editable --extra telemetry --extra reasoning
FROM build AS build-codegen
RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev --no-editable --extra telemetry --extra codegen
FROM build AS build-critic
RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev --no-editable --extra telemetry --extra critic
FROM build AS build-sandbox
RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev --no-editable --extra telemetry --extra sandbox
# What generated code runs on: an environment of its own, of the system's interpreter.
RUN --mount=type=cache,target=/root/.cache/uv \
    /opt/loupe/bin/python -m sandbox.runtime build --uv /opt/uv/bin/uv --project /src
FROM build AS build-router
RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev --no-editable --extra telemetry --extra router
FROM build AS build-orchestrator
RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev --no-editable --extra telemetry --extra orchestrator
FROM build AS build-gateway
RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev --no-editable --extra gateway
FROM build AS build-tools
RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev --no-editable --extra cli

FROM python AS server
USER 10001:10001
WORKDIR /
STOPSIGNAL SIGTERM

FROM server AS files
COPY --from=build-files /opt/loupe /opt/loupe
HEALTHCHECK --interval=60s --timeout=10s --start-period=120s --start-interval=2s CMD ["python", "-m", "servers.kit.probe", "files"]
CMD ["python", "-m", "servers.files"]

FROM server AS vision
COPY --from=build-vision /opt/loupe /opt/loupe
HEALTHCHECK --interval=60s --timeout=10s --start-period=120s --start-interval=2s CMD ["python", "-m", "servers.kit.probe", "vision"]
CMD ["python", "-m", "servers.vision"]

FROM server AS speech
COPY --from=build-speech /opt/loupe /opt/loupe
HEALTHCHECK --interval=60s --timeout=10s --start-period=120s --start-interval=2s CMD ["python", "-m", "servers.kit.probe", "speech"]
CMD ["python", "-m", "servers.speech"]

FROM server AS reasoning
COPY --from=build-reasoning /opt/loupe /opt/loupe
HEALTHCHECK --interval=60s --timeout=10s --start-period=120s --start-interval=2s CMD ["python", "-m", "servers.kit.probe", "reasoning"]
CMD ["python", "-m", "servers.reasoning"]

FROM server AS codegen
COPY --from=build-codegen /opt/loupe /opt/loupe
HEALTHCHECK --interval=60s --timeout=10s --start-period=120s --start-interval=2s CMD ["python", "-m", "servers.kit.probe", "codegen"]
CMD ["python", "-m", "servers.codegen"]

FROM server AS critic
COPY --from=build-critic /opt/loupe /opt/loupe
HEALTHCHECK --interval=60s --timeout=10s --start-period=120s --start-interval=2s CMD ["python", "-m", "servers.kit.probe", "critic"]
CMD ["python", "-m", "servers.critic"]

FROM python AS sandbox
# util-linux, whose setpriv it uses too, is part of every Debian.
RUN apt-get update && apt-get install -y --no-install-recommends bubblewrap && rm -rf /var/lib/apt/lists/*
COPY --from=build-sandbox /opt/loupe /opt/loupe
COPY --from=build-sandbox /var/lib/loupe/runtime /var/lib/loupe/runtime
ENV LOUPE_SANDBOX_RUNTIME_DIR=/var/lib/loupe/runtime
USER 10001:10001
HEALTHCHECK --interval=60s --timeout=10s --start-period=120s --start-interval=2s CMD ["python", "-m", "servers.kit.probe", "sandbox"]
CMD ["python", "-m", "sandbox"]

FROM server AS router
COPY --from=build-router /opt/loupe /opt/loupe
HEALTHCHECK --interval=60s --timeout=10s --start-period=120s --start-interval=2s CMD ["python", "-m", "servers.kit.probe", "router"]
CMD ["python", "-m", "servers.router"]

FROM server AS orchestrator
COPY --from=build-orchestrator /opt/loupe /opt/loupe
HEALTHCHECK --interval=60s --timeout=10s --start-period=120s --start-interval=2s CMD ["python", "-m", "servers.kit.probe", "orchestrator"]
CMD ["python", "-m", "servers.orchestrator"]

# Envoy comes from PyPI, as on a laptop, and reads what the same code writes at its start.
FROM server AS gateway
COPY --from=build-gateway /opt/loupe /opt/loupe
ENV LOUPE_GATEWAY_HOST=0.0.0.0 LOUPE_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --start-interval=1s CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"LOUPE_PORT\"]}/healthz', timeout=3)"]
CMD ["python", "-m", "cli.start_envoy"]

# `loupe`, and what makes an installation's keys: docker run --rm -v "$PWD:/work" -w /work -u "$(id -u)" loupe-tools ...
FROM server AS tools
COPY --from=build-tools /opt/loupe /opt/loupe
CMD ["loupe", "--help"]
