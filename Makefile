# `make` lists the targets. Each may be run again at any time: what is done is not done twice.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help env engine setup base images image templates lock lint format test demo demo-down wheel bench clean

PYTHON := .venv/bin/python
ONCE := image/bootstrap/once
SH_FILES := .ci/run image/bootstrap/once image/bootstrap/python-env image/runner/bin/* image/runner/lib/*.sh image/toolbox/bin/*
PY_FILES := toolbox tests benchmarks examples image requirements templates/release.py

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' Makefile

env:  ## make .venv: the locked development environment and our own packages
	@image/bootstrap/python-env

engine: env  ## make sure that a Docker engine answers; as root on Debian, install and start one
	@.venv/bin/pxl-toolbox engine start

setup: env engine  ## make this machine ready: .venv and a Docker engine

base: engine  ## make the base image, from a registry or, where none answers, by mmdebstrap
	@.venv/bin/pxl-toolbox images base

templates: env  ## release the project templates into build/templates and into the wheel
	@$(ONCE) build/stamps/templates templates -- $(PYTHON) templates/release.py

images: engine templates  ## build the images pxl-runner and pxl-toolbox
	@.venv/bin/pxl-toolbox images build

image: images

lock:  ## lock what pyproject.toml asks for into requirements/
	@$(PYTHON) requirements/lock.py

lint: env  ## check style, types, layers, shell, Dockerfiles and locks
	.venv/bin/ruff check --quiet .
	.venv/bin/ruff format --quiet --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	.venv/bin/hadolint --config .hadolint.yaml image/Dockerfile image/base/Dockerfile
	.venv/bin/shellcheck --external-sources $(SH_FILES)
	$(PYTHON) requirements/lock.py --check

format: env  ## write the sources as the linter wants them
	.venv/bin/ruff check --quiet --fix .
	.venv/bin/ruff format --quiet .

test: setup templates images  ## set up, build the images and run the whole test suite
	$(PYTHON) -m pytest

demo: setup templates images  ## run the main job for real, from init to a launched job
	$(PYTHON) examples/demo/run.py

demo-down: env  ## stop what the demo and the set-up started, and nothing else
	$(PYTHON) examples/demo/run.py --down

wheel: templates  ## build the wheel into dist/
	@rm -rf dist
	@$(PYTHON) -m hatchling build --target wheel

bench: setup templates images  ## measure us beside our peer, in one run
	$(PYTHON) benchmarks/run.py

clean:  ## remove what the targets made in this folder; images and the engine stay
	rm -rf build dist .venv .uv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find toolbox image tests -name __pycache__ -type d -exec rm -rf {} +
