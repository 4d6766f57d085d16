# Two commands on a fresh machine: `make demo` runs the main job, `make test` the tests.
# Each does its own set-up into .venv.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format engine engine-stop browser base wheels images docs clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## make .venv with the rdagent command and the tools

$(STAMP): requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rdagent needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## fine-tune and evaluate a tiny model, end to end
	$(BIN)/rdagent demo

test: setup ## run the tests; those that need an engine run if one answers
	$(BIN)/python -m pytest

check: setup ## format, lint, types, import contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## write the format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

engine: ## install and start Docker Engine where none answers
	bash scripts/engine.sh start

engine-stop: ## end the engine that `make engine` started
	bash scripts/engine.sh stop

browser: ## install Debian's chromium where no browser is found, for the tests of HTML pages
	bash scripts/browser.sh install

base: setup ## make the base image
	$(BIN)/rdagent build --base-only

wheels: setup ## fetch the wheels of every image
	$(BIN)/rdagent build --wheels-only

images: setup ## build every image
	$(BIN)/rdagent build

docs: setup ## check that the documents say what the code does
	$(BIN)/python -m pytest -q tests/unit/docs

clean: ## remove .venv and caches of the tools
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
