# The two commands: `make demo` and `make test`. Everything they need is set up by them, into .venv, .build and the
# sandbox's runtime folder; Debian packages where root or sudo allows.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3.11
UV_VERSION := 0.13.8
UV := .build/uv/bin/uv
BIN := .venv/bin
# Trust what the system trusts, as pip and curl do; uv's own list misses a company's certificate.
export UV_SYSTEM_CERTS := 1

PROTOS := $(shell find proto third_party/proto -name '*.proto')

.PHONY: help setup packages runtime demo test test-engines test-vllm lint bench soak fuzz proto env-example secrets clean

help:
	@echo "make demo    set everything up, start the mesh, analyse examples/coffee.png"
	@echo "make test    set up what the tests need and run all of them"
	@echo "make test-engines  the engines against real model servers: transformers and Triton, 1.6 GB; make test-vllm: vLLM, 3.5 GB"
	@echo "make bench   measure, and print the table of docs/bench.md"
	@echo "make soak    10,000 mixed sandbox runs, jobs whose servers are killed, half an hour of the router, and what they leave behind"
	@echo "make fuzz    thousands of new hostile inputs to the sandbox"
	@echo "make lint    formatting, types, imports, contracts"
	@echo "make secrets keys, certificates and passwords for compose.yaml and k8s/, in secrets/"

setup: packages .build/synced runtime

packages:
	@bash .ci/packages

$(UV):
	$(PYTHON) -m venv .build/uv
	.build/uv/bin/pip install --quiet --quiet --disable-pip-version-check uv==$(UV_VERSION)

# Code generated from the contracts is part of the install: pip and uv run the build hook.
.build/synced: $(UV) pyproject.toml uv.lock hatch_build.py $(PROTOS)
	UV_PROJECT_ENVIRONMENT=.venv $(UV) sync --quiet --frozen --extra all --python $(PYTHON)
	$(BIN)/python hatch_build.py
	touch $@

runtime: .build/synced
	@$(BIN)/python -m sandbox.runtime build --uv $(UV)

demo: setup
	@$(BIN)/loupe analyze examples/coffee.png -p "Which month sold the most?" -o out

lint: .build/synced
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code proto
	$(BIN)/buf breaking proto --against proto/release.binpb
	$(BIN)/python -m servers.kit.env_example --check

# COVERAGE=1 counts the lines that run, too, in every process, and fails under 80 %; it takes half as much time again.
test: setup lint
	@bash .ci/packages tests
	$(BIN)/coverage erase
	@# In the order of folders, so that the short ones come last and both cores end together.
	@# Some tests wait for real processes on a shared machine: what failed runs once more, alone, and fails if it fails again.
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(if $(COVERAGE),--cov --cov-report=term:skip-covered) || $(BIN)/pytest --last-failed --last-failed-no-failures none

# Engines that bring torch, Triton or vLLM: each in an environment of its own, pinned. Their tests run by the project's code.
.build/engines/installed: $(UV) uv.lock
	$(UV) venv --quiet --clear --seed --python $(PYTHON) .build/engines
	$(UV) export --quiet --frozen --all-extras --no-emit-project --no-hashes --no-annotate --no-header -o .build/engines/all.txt
	$(UV) export --quiet --frozen --extra router --extra files --extra transformers --prune torch \
		--no-emit-project --no-hashes --no-annotate --no-header -o .build/engines/most.txt
	$(UV) pip install --quiet --python .build/engines/bin/python -r .build/engines/most.txt
	@# By pip, which takes the build for CPUs wherever it is told to look for wheels; from PyPI alone it is the one for CUDA.
	.build/engines/bin/pip install --quiet --quiet --disable-pip-version-check -c .build/engines/all.txt torch
	touch $@

.build/triton/installed: tests/engines/triton.txt
	/usr/bin/python3.11 -m venv --clear .build/triton
	.build/triton/bin/pip install --quiet --quiet --disable-pip-version-check --no-deps -r $<
	touch $@

.build/vllm/installed: tests/engines/vllm.txt tests/engines/vllm_fixes.py
	$(PYTHON) -m venv --clear .build/vllm
	.build/vllm/bin/pip install --quiet --quiet --disable-pip-version-check --no-deps -r $<
	.build/vllm/bin/python tests/engines/vllm_fixes.py
	touch $@

.build/engines/models: .build/engines/installed tests/engines/tiny_models.py
	.build/engines/bin/python -m tests.engines.tiny_models $@

test-engines: .build/synced .build/engines/installed .build/triton/installed .build/engines/models
	@bash .ci/packages engines
	LOUPE_TEST_ENGINES=transformers,triton .build/engines/bin/pytest tests/conformance tests/engines

# On a machine with a GPU and a vLLM of its own: make test-vllm VLLM=vllm MODEL=Qwen/Qwen2.5-VL-7B-Instruct
# Its own gRPC is asked, too, where MODEL is a folder: the router needs the model's tokenizer. (pip install 'vllm[grpc]')
VLLM ?= .build/vllm/bin/vllm
MODEL ?= .build/engines/models/qwen2.5-vl
test-vllm: .build/synced .build/engines/models $(if $(filter .build/%,$(VLLM)),.build/vllm/installed)
	LOUPE_TEST_ENGINES=vllm$$(test ! -f $(MODEL)/tokenizer.json || echo ,vllm-grpc) LOUPE_TEST_VLLM=$(VLLM) LOUPE_TEST_MODEL=$(MODEL) .build/engines/bin/pytest tests/conformance

soak: setup
	@bash .ci/packages tests
	$(BIN)/python -m tests.soak
	$(BIN)/python -m tests.soak.mesh
	$(BIN)/python -m tests.soak.router --minutes 30

fuzz: setup
	HYPOTHESIS_PROFILE=fuzzing $(BIN)/pytest tests/fuzz

bench: setup
	$(BIN)/python -m tests.bench

proto:
	$(BIN)/python hatch_build.py

env-example:
	$(BIN)/python -m servers.kit.env_example

secrets: .build/synced
	@$(BIN)/python -m cli.provision secrets

clean:
	rm -rf .build .venv loupe buf vllm_grpc .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis
